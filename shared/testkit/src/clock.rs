//! A clock that does not wait.

use std::{
    sync::atomic::{AtomicU64, Ordering},
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
