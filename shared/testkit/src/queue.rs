//! A queue that a test looks into.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use domain::sync::{QueueError, SyncMessage, SyncQueue};

/// Messages with their delays, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct FakeQueue {
    messages: Mutex<Vec<(SyncMessage, Duration)>>,
}

impl FakeQueue {
    fn messages(&self) -> MutexGuard<'_, Vec<(SyncMessage, Duration)>> {
        self.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes all messages.
    pub fn take(&self) -> Vec<(SyncMessage, Duration)> {
        std::mem::take(&mut self.messages())
    }
}

#[async_trait]
impl SyncQueue for FakeQueue {
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError> {
        self.messages().push((message.clone(), delay));
        Ok(())
    }
}

impl Drop for FakeQueue {
    fn drop(&mut self) {
        let left = self.take();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "messages were left in the queue: {left:?}");
        }
    }
}
