//! Clocks that do not wait.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::time::{Clock, later};
use jiff::Timestamp;

/// The system's clock, but whoever sleeps finds that the time has passed.
#[derive(Debug, Default)]
pub struct SkippingClock {
    skipped_ms: AtomicU64,
}

#[async_trait]
impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        later(Timestamp::now(), Duration::from_millis(self.skipped_ms.load(Ordering::SeqCst)))
    }

    async fn sleep(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.skipped_ms.fetch_add(ms, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

/// A clock that stands where it was set. Whoever sleeps wakes up at once, and finds that no time has passed.
#[derive(Debug)]
pub struct StandingClock {
    now: Mutex<Timestamp>,
}

impl StandingClock {
    /// A clock that stands at this time.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Puts the clock forward.
    pub fn pass(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = later(*now, duration);
    }
}

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}
