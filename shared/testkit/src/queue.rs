//! Queues that a test looks into.

use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    removal::{RemovalMessage, RemovalQueue},
    sync::{QueueError, SyncMessage, SyncQueue},
    webhook::{ReceivedWebhook, WebhookQueue},
};

/// Messages with their delays, in the order in which they were sent.
#[derive(Debug)]
pub struct FakeQueue<M: std::fmt::Debug = SyncMessage> {
    messages: Mutex<Vec<(M, Duration)>>,
    refuses: AtomicBool,
}

impl<M: std::fmt::Debug> Default for FakeQueue<M> {
    fn default() -> Self {
        Self { messages: Mutex::default(), refuses: AtomicBool::new(false) }
    }
}

impl<M: std::fmt::Debug> FakeQueue<M> {
    fn messages(&self) -> MutexGuard<'_, Vec<(M, Duration)>> {
        self.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes all messages.
    pub fn take(&self) -> Vec<(M, Duration)> {
        std::mem::take(&mut self.messages())
    }

    /// Takes all messages, whatever their delays.
    pub fn take_messages(&self) -> Vec<M> {
        self.take().into_iter().map(|(message, _)| message).collect()
    }

    /// From now on the queue cannot be reached, or can be again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Keeps all of them; half of them where it cannot be reached.
    pub(crate) fn keep(&self, messages: Vec<M>, delay: Duration) -> Result<(), QueueError> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        let kept = if refuses { messages.len() / 2 } else { messages.len() };
        self.messages().extend(messages.into_iter().take(kept).map(|message| (message, delay)));
        if refuses { Err(QueueError("timeout".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl SyncQueue for FakeQueue {
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError> {
        self.keep(vec![message.clone()], delay)
    }
}

#[async_trait]
impl RemovalQueue for FakeQueue<RemovalMessage> {
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError> {
        self.keep(vec![message.clone()], delay)
    }
}

impl<M: std::fmt::Debug> Drop for FakeQueue<M> {
    fn drop(&mut self) {
        let left = self.take();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "messages were left in the queue: {left:?}");
        }
    }
}

/// Webhooks in the order in which they were sent; or a queue that cannot be reached.
#[derive(Debug, Default)]
pub struct FakeWebhookQueue {
    webhooks: Mutex<Vec<ReceivedWebhook>>,
    is_down: AtomicBool,
}

impl FakeWebhookQueue {
    fn webhooks(&self) -> MutexGuard<'_, Vec<ReceivedWebhook>> {
        self.webhooks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes all webhooks.
    pub fn take(&self) -> Vec<ReceivedWebhook> {
        std::mem::take(&mut self.webhooks())
    }

    /// Whether it can be reached, from now on.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

#[async_trait]
impl WebhookQueue for FakeWebhookQueue {
    async fn send(&self, webhook: &ReceivedWebhook) -> Result<(), QueueError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(QueueError("timeout".to_owned()));
        }
        self.webhooks().push(webhook.clone());
        Ok(())
    }
}

impl Drop for FakeWebhookQueue {
    fn drop(&mut self) {
        let left = self.take();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "webhooks were left in the queue: {left:?}");
        }
    }
}
