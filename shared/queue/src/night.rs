//! The queues of the night and of removals.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    night::{NightMessage, NightQueue, ShardMessage, ShardQueue},
    removal::{RemovalMessage, RemovalQueue},
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
        self.send_one(message, None, delay).await
    }
}

#[async_trait]
impl RemovalQueue for Queue {
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError> {
        self.send_one(message, Some(message.at.household.as_str()), delay).await
    }
}
