//! Plaid's webhooks.

mod message;

pub use message::{ReceivedWebhook, WebhookQueue};
