//! The clock and randomness of the process.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    ids::Entropy,
    time::{Clock, Random},
};
use jiff::Timestamp;

/// The system's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait]
impl Clock for System {
    fn now(&self) -> Timestamp {
        // Milliseconds are what every client of ours can read.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Random for System {
    fn entropy(&self) -> Entropy {
        let mut bytes = Entropy::default();
        // The kernel's generator does not fail once it has started; ids without it would not be unique.
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::error!(%error, "the system has no randomness");
            std::process::abort();
        }
        bytes
    }
}
