//! What becomes of a message that nobody can deal with.

use async_trait::async_trait;

use crate::sync::QueueError;

/// A message that is put aside, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The message's id, as the log has it.
    pub message_id: String,
    /// The group that shares the queue with the others, if the message was sent in one.
    pub group: Option<String>,
    /// The body, as it came.
    pub body: String,
    /// Why. Never anything that the message says.
    pub reason: String,
}

/// Where messages are put aside until a person has looked at them.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Keeps the letter. After `Ok` it is not lost, and may be there twice.
    async fn park(&self, letter: &Letter) -> Result<(), QueueError>;
}
