//! The queues of the night.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    night::{NightMessage, NightQueue, ShardMessage, ShardQueue},
    sync::QueueError,
};

use crate::Queue;

#[async_trait]
impl ShardQueue for Queue {
    async fn send_all(&self, messages: &[ShardMessage]) -> Result<(), QueueError> {
        self.send_batches(messages).await
    }
}

#[async_trait]
impl NightQueue for Queue {
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError> {
        self.send_batches(messages).await
    }

    async fn send(&self, message: &NightMessage, delay: Duration) -> Result<(), QueueError> {
        self.put(message, None, delay).await
    }
}
