//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The table of guards.
    pub guards: String,
    /// The key that seals tokens.
    pub key: String,
    /// The queue of syncs.
    pub sync_queue_url: String,
    /// The queue of removals.
    pub removal_queue_url: String,
    /// The dead letters of the queue of webhooks.
    pub dead_letters_url: String,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
    /// The secret with the ids of confirmed webhook keys.
    pub webhook_keys: String,
    /// Countries whose banks are offered.
    pub country_codes: Vec<String>,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            table: env.required("TABLE_NAME"),
            guards: env.required("GUARDS_TABLE_NAME"),
            key: env.required("TOKEN_KEY_ARN"),
            sync_queue_url: env.required("SYNC_QUEUE_URL"),
            removal_queue_url: env.required("REMOVAL_QUEUE_URL"),
            dead_letters_url: env.required("DEAD_LETTERS_URL"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
            webhook_keys: env.required("WEBHOOK_KEYS_ID"),
            country_codes: env.words("PLAID_COUNTRY_CODES"),
        };
        env.finish(config)
    }
}
