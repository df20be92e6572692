//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The queue of shards.
    pub shard_queue_url: String,
    /// The queue of the night.
    pub night_queue_url: String,
    /// The dead letters.
    pub dead_letters_url: String,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            table: env.required("TABLE_NAME"),
            shard_queue_url: env.required("SHARD_QUEUE_URL"),
            night_queue_url: env.required("NIGHT_QUEUE_URL"),
            dead_letters_url: env.required("DEAD_LETTERS_URL"),
        };
        env.finish(config)
    }
}
