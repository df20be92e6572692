//! The queues of the night, and the dead letters, that a test looks into.

use std::{
    fmt::Debug,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    night::{NightMessage, NightQueue, ShardMessage, ShardQueue},
    queue::{DeadLetters, Letter},
    removal::{RemovalMessage, RemovalQueue},
    sync::QueueError,
};

/// What was sent, and has not been looked at.
#[derive(Debug)]
pub struct Kept<M: Debug> {
    messages: Mutex<Vec<(M, Duration)>>,
    refuses: AtomicBool,
}

impl<M: Debug> Default for Kept<M> {
    fn default() -> Self {
        Self { messages: Mutex::default(), refuses: AtomicBool::new(false) }
    }
}

/// The queue of shards.
pub type FakeShardQueue = Kept<ShardMessage>;
/// The queue of the night.
pub type FakeNightQueue = Kept<NightMessage>;
/// The queue of removals.
pub type FakeRemovalQueue = Kept<RemovalMessage>;
/// The dead letters.
pub type FakeDeadLetters = Kept<Letter>;

impl<M: Debug> Kept<M> {
    fn messages(&self) -> MutexGuard<'_, Vec<(M, Duration)>> {
        self.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes all messages.
    pub fn take(&self) -> Vec<M> {
        self.take_delayed().into_iter().map(|(message, _)| message).collect()
    }

    /// Takes all messages with their delays.
    pub fn take_delayed(&self) -> Vec<(M, Duration)> {
        std::mem::take(&mut self.messages())
    }

    /// From now on the queue cannot be reached, or can be again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Keeps all of them; half of them where it cannot be reached.
    fn keep(&self, messages: Vec<M>, delay: Duration) -> Result<(), QueueError> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        let kept = if refuses { messages.len() / 2 } else { messages.len() };
        self.messages().extend(messages.into_iter().take(kept).map(|message| (message, delay)));
        if refuses { Err(QueueError("timeout".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl ShardQueue for FakeShardQueue {
    async fn send_all(&self, messages: &[ShardMessage]) -> Result<(), QueueError> {
        self.keep(messages.to_vec(), Duration::ZERO)
    }
}

#[async_trait]
impl NightQueue for FakeNightQueue {
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError> {
        self.keep(messages.to_vec(), Duration::ZERO)
    }

    async fn send(&self, message: &NightMessage, delay: Duration) -> Result<(), QueueError> {
        self.keep(vec![message.clone()], delay)
    }
}

#[async_trait]
impl RemovalQueue for FakeRemovalQueue {
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError> {
        self.keep(vec![message.clone()], delay)
    }
}

#[async_trait]
impl DeadLetters for FakeDeadLetters {
    async fn park(&self, letter: &Letter) -> Result<(), QueueError> {
        self.keep(vec![letter.clone()], Duration::ZERO)
    }
}

impl<M: Debug> Drop for Kept<M> {
    fn drop(&mut self) {
        let left = self.take_delayed();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "messages were left in the queue: {left:?}");
        }
    }
}
