//! The queues of the night, and the dead letters, that a test looks into.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    night::{NightMessage, NightQueue, ShardMessage, ShardQueue},
    queue::{DeadLetters, Letter},
    sync::QueueError,
};

use crate::FakeQueue;

#[async_trait]
impl ShardQueue for FakeQueue<ShardMessage> {
    async fn send_all(&self, messages: &[ShardMessage]) -> Result<(), QueueError> {
        self.keep(messages.to_vec(), Duration::ZERO)
    }
}

#[async_trait]
impl NightQueue for FakeQueue<NightMessage> {
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError> {
        self.keep(messages.to_vec(), Duration::ZERO)
    }

    async fn send(&self, message: &NightMessage, delay: Duration) -> Result<(), QueueError> {
        self.keep(vec![message.clone()], delay)
    }
}

#[async_trait]
impl DeadLetters for FakeQueue<Letter> {
    async fn park(&self, letter: &Letter) -> Result<(), QueueError> {
        self.keep(vec![letter.clone()], Duration::ZERO)
    }
}
