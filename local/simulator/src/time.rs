//! Virtual time, and the one thread that everything runs on. Time passes only when nothing else is to be done.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep as SdkSleep};
use domain::time::Clock;
use futures::executor::LocalPool;
use jiff::Timestamp;

/// When every schedule begins, in Unix milliseconds: 2026-06-15, noon.
const BEGIN_MS: i64 = 1_781_524_800_000;

/// What happens at a point of time.
enum Timer {
    Wake(Waker),
    Run(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Inner {
    now_ms: u64,
    /// Timers by time, in the order in which they were set.
    timers: BTreeMap<(u64, u64), Timer>,
    set: u64,
}

/// The clock of one schedule.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<Mutex<Inner>>);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Time({} ms)", self.now_ms())
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1).max(1)
}

impl Time {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the schedule began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.inner().now_ms
    }

    /// Waits.
    pub(crate) fn wait(&self, duration: Duration) -> Wait {
        Wait { time: self.clone(), at: self.now_ms().saturating_add(ms(duration)), key: None }
    }

    /// Does something later, whoever is still alive then.
    pub(crate) fn later(&self, duration: Duration, action: impl FnOnce() + Send + 'static) {
        let mut inner = self.inner();
        let key = (inner.now_ms.saturating_add(ms(duration)), inner.set);
        inner.set += 1;
        inner.timers.insert(key, Timer::Run(Box::new(action)));
    }

    /// Goes on to the next timer. False if there is none.
    fn advance(&self) -> bool {
        let timer = {
            let mut inner = self.inner();
            let Some(((at, _), timer)) = inner.timers.pop_first() else { return false };
            inner.now_ms = inner.now_ms.max(at);
            timer
        };
        match timer {
            Timer::Wake(waker) => waker.wake(),
            Timer::Run(action) => action(),
        }
        true
    }

    /// Runs until nothing can happen any more, or `limit` has passed. True if it came to an end by itself.
    pub(crate) fn run(&self, pool: &mut LocalPool, limit: Duration) -> bool {
        loop {
            pool.run_until_stalled();
            if self.now_ms() > ms(limit) {
                return false;
            }
            if !self.advance() {
                return true;
            }
        }
    }
}

/// A wait for a point of time.
pub(crate) struct Wait {
    time: Time,
    at: u64,
    key: Option<(u64, u64)>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut inner = time.inner();
        if inner.now_ms >= self.at {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or((self.at, inner.set));
        if self.key.is_none() {
            inner.set += 1;
            self.key = Some(key);
        }
        inner.timers.insert(key, Timer::Wake(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.time.inner().timers.remove(&key);
        }
    }
}

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.now_ms()).unwrap_or_default();
        Timestamp::from_millisecond(BEGIN_MS.saturating_add(passed)).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        self.wait(duration).await;
    }
}

impl AsyncSleep for Time {
    fn sleep(&self, duration: Duration) -> SdkSleep {
        SdkSleep::new(self.wait(duration))
    }
}
