//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The key that opens tokens.
    pub key: String,
    /// The queue of the night.
    pub queue_url: String,
    /// The queue of removals.
    pub removal_queue_url: String,
    /// The dead letters.
    pub dead_letters_url: String,
    /// The bus that tells the app.
    pub event_bus: String,
    /// Where Plaid's webhooks are to go, if anywhere.
    pub webhook_url: Option<String>,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
    /// Syncs that Plaid allows for one item in a minute.
    pub item_syncs_a_minute: u32,
    /// Syncs in a minute that all workers lease.
    pub pool: u32,
    /// Syncs of one worker in a minute at most.
    pub most: u32,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let night = env.number("NIGHT_SYNCS_A_MINUTE");
        let workers = env.number("NIGHT_CONCURRENCY");
        let config = Self {
            table: env.required("TABLE_NAME"),
            key: env.required("TOKEN_KEY_ARN"),
            queue_url: env.required("NIGHT_QUEUE_URL"),
            removal_queue_url: env.required("REMOVAL_QUEUE_URL"),
            dead_letters_url: env.required("DEAD_LETTERS_URL"),
            event_bus: env.required("EVENT_BUS_NAME"),
            webhook_url: env.optional("PLAID_WEBHOOK_URL"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
            item_syncs_a_minute: env.number("PLAID_ITEM_SYNCS_A_MINUTE"),
            pool: night,
            most: env.share(night, workers),
        };
        env.finish(config)
    }
}
