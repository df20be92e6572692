//! Time and randomness, which come in through ports.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{Timestamp, Unit, civil::Date};

use crate::ids::Entropy;

/// The clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// Randomness for ids and jitter.
pub trait Random: Send + Sync {
    /// Ten bytes that nobody can guess.
    fn entropy(&self) -> Entropy;
}

/// `instant` + `duration`; the end of time where that would be beyond it.
pub fn later(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The days between two dates, whichever is first.
pub(crate) fn days_apart(one: Date, other: Date) -> i32 {
    one.since((Unit::Day, other)).map_or(i32::MAX, |span| span.get_days().abs())
}

/// How long from `now` until `instant`; zero once it has passed.
pub fn until(now: Timestamp, instant: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or_default()
}
