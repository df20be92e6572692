//! What travels through the queue of webhooks.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::KeyId;
use crate::sync::QueueError;

/// A webhook that is Plaid's. What it says has not been looked at.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedWebhook {
    /// The body, a JSON object, as it came.
    pub body: String,
    /// When it came.
    pub received_at: Timestamp,
    /// The name of the key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<KeyId>,
}

/// The end of a hosted session brings public tokens: the body is never shown.
impl fmt::Debug for ReceivedWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedWebhook").field("received_at", &self.received_at).finish_non_exhaustive()
    }
}

/// The queue of webhooks.
#[async_trait]
pub trait WebhookQueue: Send + Sync {
    /// Queues a webhook. Delivered at least once, in any order.
    async fn send(&self, webhook: &ReceivedWebhook) -> Result<(), QueueError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_body() {
        let body = r#"{"public_tokens":["public-sandbox-1"]}"#.to_owned();
        let webhook = ReceivedWebhook { body, received_at: Timestamp::UNIX_EPOCH, kid: None };
        assert_eq!(format!("{webhook:?}"), "ReceivedWebhook { received_at: 1970-01-01T00:00:00Z, .. }");
    }
}
