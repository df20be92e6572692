//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The key that opens tokens.
    pub key: String,
    /// The queue of syncs.
    pub queue_url: String,
    /// The queue of removals.
    pub removal_queue_url: String,
    /// The dead letters.
    pub dead_letters_url: String,
    /// The event bus.
    pub event_bus: String,
    /// Where Plaid's webhooks are to go, if anywhere.
    pub webhook_url: Option<String>,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
    /// Syncs that Plaid allows for one item in a minute.
    pub item_syncs_a_minute: u32,
    /// Syncs of one worker in a minute that it need not lease: its share of what the pool leaves.
    pub share: u32,
    /// Syncs in a minute that all workers lease, the night's included.
    pub pool: u32,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let client = env.number("PLAID_CLIENT_SYNCS_A_MINUTE");
        let night = env.number("NIGHT_SYNCS_A_MINUTE");
        let workers = env.number("SYNC_CONCURRENCY");
        let config = Self {
            table: env.required("TABLE_NAME"),
            key: env.required("TOKEN_KEY_ARN"),
            queue_url: env.required("SYNC_QUEUE_URL"),
            removal_queue_url: env.required("REMOVAL_QUEUE_URL"),
            dead_letters_url: env.required("DEAD_LETTERS_URL"),
            event_bus: env.required("EVENT_BUS_NAME"),
            webhook_url: env.optional("PLAID_WEBHOOK_URL"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
            item_syncs_a_minute: env.number("PLAID_ITEM_SYNCS_A_MINUTE"),
            pool: night,
            share: env.share(client.saturating_sub(night), workers),
        };
        env.finish(config)
    }
}
