//! The removal of items at Plaid, which a queue sees through.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ids::ItemRef, sync::QueueError};

/// Asks for an item that is on its way out to be removed at Plaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalMessage {
    /// The item.
    #[serde(flatten)]
    pub at: ItemRef,
}

impl RemovalMessage {
    /// The removal of an item.
    pub fn of_item(at: ItemRef) -> Self {
        Self { at }
    }
}

/// The queue of removals.
#[async_trait]
pub trait RemovalQueue: Send + Sync {
    /// Queues a message to be seen after `delay` (at most 15 minutes). Delivered at least once, in any order.
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError>;
}
