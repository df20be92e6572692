//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The key that opens tokens.
    pub key: String,
    /// The queue of removals.
    pub queue_url: String,
    /// Its dead letters.
    pub dead_letters_url: String,
    /// The event bus.
    pub event_bus: String,
    /// Plaid's address.
    pub plaid_url: String,
    /// The secret with our keys at Plaid.
    pub plaid_secret: String,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            table: env.required("TABLE_NAME"),
            key: env.required("TOKEN_KEY_ARN"),
            queue_url: env.required("REMOVAL_QUEUE_URL"),
            dead_letters_url: env.required("DEAD_LETTERS_URL"),
            event_bus: env.required("EVENT_BUS_NAME"),
            plaid_url: env.required("PLAID_BASE_URL"),
            plaid_secret: env.required("PLAID_SECRET_ID"),
        };
        env.finish(config)
    }
}
