//! This function's settings.

use edge::env::{Env, EnvError};

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The table of guards.
    pub guards: String,
    /// The queue of removals.
    pub removal_queue_url: String,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let config = Self {
            table: env.required("TABLE_NAME"),
            guards: env.required("GUARDS_TABLE_NAME"),
            removal_queue_url: env.required("REMOVAL_QUEUE_URL"),
        };
        env.finish(config)
    }
}
