//! This function's settings.

use edge::env::{Env, EnvError};
use jiff::tz::TimeZone;

/// What the template gives.
#[derive(Debug)]
pub struct Config {
    /// The table of data.
    pub table: String,
    /// The queue of shards.
    pub queue_url: String,
    /// In which zone a night has its date.
    pub zone: TimeZone,
}

impl Config {
    /// Reads the settings through `read`.
    pub fn from_env(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let mut env = Env::new(read);
        let zone = env.required("NIGHT_TIME_ZONE");
        let zone = TimeZone::get(&zone).unwrap_or_else(|_unknown| {
            env.fault("NIGHT_TIME_ZONE is no time zone such as America/Phoenix");
            TimeZone::UTC
        });
        let config =
            Self { table: env.required("TABLE_NAME"), queue_url: env.required("SHARD_QUEUE_URL"), zone };
        env.finish(config)
    }
}
