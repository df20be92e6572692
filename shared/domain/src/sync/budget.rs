//! Keeping below Plaid's rate limits, so that a busy day is slower and nothing worse.
//!
//! Each limit is a bucket (the generic cell rate algorithm): one number says how full it is, the time at which it will be
//! full again. Each item has a bucket. Each worker process has one of its own, which costs nothing to ask: its share of
//! what the night leaves. Beyond that a process leases calls from the pool, a bucket in the store that all workers share:
//! what the night may use and, at most hours, does not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::lock::Mutex as AsyncMutex;
use jiff::Timestamp;

use super::ledger::Cause;
use crate::{
    store::StoreError,
    time::{later, until},
};

/// So many calls a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What the bucket holds.
    burst: u32,
    /// Between two refills.
    interval: Duration,
}

const MINUTE: Duration = Duration::from_mins(1);
const REFILLED_FIFTHS: u32 = 3;

impl Rate {
    /// At most `calls` in any minute; at least two.
    pub fn per_minute(calls: u32) -> Self {
        let calls = calls.max(2);
        let refilled = (calls * REFILLED_FIFTHS / 5).max(1);
        Self { burst: calls - refilled, interval: MINUTE / refilled }
    }

    /// Takes `calls` out of a bucket that will be full at `full_at`: when it will be full then, or how long to wait
    /// before asking again.
    pub fn take(self, full_at: Option<Timestamp>, now: Timestamp, calls: u32) -> Result<Timestamp, Duration> {
        let full_at = full_at.unwrap_or(now).max(now);
        let after = later(full_at, self.interval * calls);
        let most = later(now, self.interval * self.burst.max(calls));
        if after <= most { Ok(after) } else { Err(until(most, after)) }
    }
}

/// What a first page of a stream weighs: Plaid allows a fifth as many of them.
const FROM_NOTHING: u32 = 5;

/// Who waits for a call. The pool serves people first, then webhooks, then the night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    Person,
    Webhook,
    Night,
}

impl From<Cause> for Priority {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Link | Cause::Person => Self::Person,
            Cause::Webhook | Cause::Sweep => Self::Webhook,
            Cause::Night => Self::Night,
        }
    }
}

/// The bucket that all workers share.
#[async_trait]
pub trait Allowance: Send + Sync {
    /// When it will be full again, read consistently; `None` if it was never used.
    async fn full_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Sets when it will be full again, if that is still what was read. False if somebody else was faster.
    async fn advance(&self, read: Option<Timestamp>, full_at: Timestamp) -> Result<bool, StoreError>;
}

/// Calls of a lease, which costs one write. The night's workers are many and slow: they lease less at once.
const LEASE_CALLS: u32 = 50;
const NIGHT_LEASE_CALLS: u32 = 25;
/// A lease is used within this time or not at all.
const LEASE_LASTS: Duration = Duration::from_secs(10);
/// A tenth of a minute's calls can be had at once.
const POOL_BURST: u32 = 10;
const MAX_LEASE_TRIES: u32 = 8;

/// The calls that all workers may make together.
pub struct Pool {
    allowance: Arc<dyn Allowance>,
    burst: u32,
    interval: Duration,
}

impl Pool {
    /// At most `calls` in any minute. A call of a lease may be made until the lease ends, so a minute sees the leases of a
    /// minute and of the time that a lease lasts.
    pub fn per_minute(allowance: Arc<dyn Allowance>, calls: u32) -> Self {
        let burst = (calls / POOL_BURST).max(1);
        Self { allowance, burst, interval: (MINUTE + LEASE_LASTS) / (calls - burst).max(1) }
    }

    /// What is left in the bucket for those who are more urgent.
    fn reserve(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Person => 0,
            Priority::Webhook => self.burst / 4,
            Priority::Night => self.burst / 2,
        }
    }

    /// Leases `calls`, or tells how long to wait before asking again.
    async fn lease(
        &self,
        now: Timestamp,
        calls: u32,
        priority: Priority,
    ) -> Result<Result<(), Duration>, StoreError> {
        let most = self.interval * self.burst.saturating_sub(self.reserve(priority)).max(calls);
        for _ in 0..MAX_LEASE_TRIES {
            let read = self.allowance.full_at().await?;
            let after = later(read.unwrap_or(now).max(now), self.interval * calls);
            if after > later(now, most) {
                return Ok(Err(until(later(now, most), after)));
            }
            if self.allowance.advance(read, after).await? {
                return Ok(Ok(()));
            }
        }
        Err(StoreError::Busy)
    }
}

/// Leased calls that were not made yet.
#[derive(Debug, Default, Clone, Copy)]
struct Lease {
    calls: u32,
    ends: Option<Timestamp>,
}

impl Lease {
    fn take(&mut self, now: Timestamp, calls: u32) -> bool {
        let has = self.ends.is_some_and(|ends| now < ends) && self.calls >= calls;
        if has {
            self.calls -= calls;
        }
        has
    }
}

/// What Plaid allows (<https://plaid.com/docs/errors/rate-limit-exceeded/>): for each item, and for all of our workers
/// together, of which this process has a share and may lease more.
pub struct Budgets {
    item: Rate,
    share: Option<Rate>,
    full_at: Mutex<Option<Timestamp>>,
    pool: Option<Pool>,
    lease: AsyncMutex<Lease>,
}

impl Budgets {
    /// Syncs a minute: of one item, and of this process.
    pub fn new(item: u32, share: u32) -> Self {
        Self::of(item, Some(Rate::per_minute(share)), None)
    }

    /// The same, with more from the pool once the share is used up.
    pub fn with_pool(item: u32, share: u32, pool: Pool) -> Self {
        Self::of(item, Some(Rate::per_minute(share)), Some(pool))
    }

    /// For the night, which has the pool alone.
    pub fn of_night(item: u32, pool: Pool) -> Self {
        Self::of(item, None, Some(pool))
    }

    fn of(item: u32, share: Option<Rate>, pool: Option<Pool>) -> Self {
        let lease = AsyncMutex::default();
        Self { item: Rate::per_minute(item), share, full_at: Mutex::new(None), pool, lease }
    }

    /// Counts calls of an item that were made without asking: tries of one that failed.
    pub(super) fn charge(&self, full_at: Option<Timestamp>, now: Timestamp, calls: u32) -> Option<Timestamp> {
        if calls == 0 {
            return full_at;
        }
        Some(later(full_at.unwrap_or(now).max(now), self.item.interval * calls))
    }

    /// Takes one call of an item whose own bucket will be full at `full_at`: when it will be full then, or how long to
    /// wait before asking again.
    pub(super) async fn take(
        &self,
        full_at: Option<Timestamp>,
        now: Timestamp,
        is_from_nothing: bool,
        cause: Cause,
    ) -> Result<Timestamp, Duration> {
        let after = self.item.take(full_at, now, 1)?;
        let calls = if is_from_nothing { FROM_NOTHING } else { 1 };
        let Err(wait) = self.take_share(now, calls) else { return Ok(after) };
        match &self.pool {
            None => Err(wait.unwrap_or(MINUTE)),
            Some(pool) => match self.take_leased(pool, now, calls, cause.into()).await {
                Ok(()) => Ok(after),
                Err(leased) => Err(wait.map_or(leased, |wait| wait.min(leased))),
            },
        }
    }

    /// Takes calls of the share, or tells how long to wait for them.
    fn take_share(&self, now: Timestamp, calls: u32) -> Result<(), Option<Duration>> {
        let Some(rate) = self.share else { return Err(None) };
        let mut share = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *share = Some(rate.take(*share, now, calls).map_err(Some)?);
        Ok(())
    }

    async fn take_leased(
        &self,
        pool: &Pool,
        now: Timestamp,
        calls: u32,
        priority: Priority,
    ) -> Result<(), Duration> {
        // One at a time: what one task leases serves the others too.
        let mut lease = self.lease.lock().await;
        if lease.take(now, calls) {
            return Ok(());
        }
        let block = if priority == Priority::Night { NIGHT_LEASE_CALLS } else { LEASE_CALLS };
        let block = block.min(pool.burst / 2).max(calls);
        match pool.lease(now, block, priority).await {
            Ok(Ok(())) => {
                *lease = Lease { calls: block - calls, ends: Some(later(now, LEASE_LASTS)) };
                Ok(())
            }
            Ok(Err(wait)) => Err(wait),
            // The share goes on alone while the store does not answer.
            Err(_) => Err(LEASE_LASTS),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_limit(
            limit in 2_u32..80,
            pauses in proptest::collection::vec(0_u64..4_000, 1..400),
        ) {
            let rate = Rate::per_minute(limit);
            let (mut now, mut full_at, mut taken) = (Timestamp::UNIX_EPOCH, None, Vec::new());
            for pause in pauses {
                now = later(now, Duration::from_millis(pause));
                match rate.take(full_at, now, 1) {
                    Ok(after) => {
                        full_at = Some(after);
                        taken.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(wait > Duration::ZERO);
                        prop_assert!(rate.take(full_at, later(now, wait), 1).is_ok(), "the wait is long enough");
                    }
                }
            }
            for begin in &taken {
                let in_minute = taken.iter().filter(|at| *at >= begin && **at < later(*begin, MINUTE)).count();
                prop_assert!(in_minute <= usize::try_from(limit).unwrap(), "{in_minute} of {limit}");
            }
        }
    }

    #[test]
    fn what_weighs_more_than_the_bucket_is_let_through_when_it_is_full() {
        let rate = Rate::per_minute(2);
        let now = Timestamp::UNIX_EPOCH;
        let full_at = rate.take(None, now, FROM_NOTHING).unwrap();
        assert!(rate.take(Some(full_at), now, 1).is_err());
    }

    #[test]
    fn an_item_that_waits_takes_nothing_of_the_share() {
        let budgets = Budgets::new(2, 100);
        let now = Timestamp::UNIX_EPOCH;
        let take = |full_at| block_on(budgets.take(full_at, now, false, Cause::Webhook));
        let full_at = take(None).unwrap();
        assert!(take(Some(full_at)).is_err());
        let share = *budgets.full_at.lock().unwrap();
        assert_eq!(share, Some(later(now, Rate::per_minute(100).interval)));
    }

    /// A bucket of one process.
    #[derive(Default)]
    struct Bucket {
        full_at: Mutex<Option<Timestamp>>,
        writes: Mutex<u32>,
    }

    #[async_trait]
    impl Allowance for Bucket {
        async fn full_at(&self) -> Result<Option<Timestamp>, StoreError> {
            Ok(*self.full_at.lock().unwrap())
        }

        async fn advance(&self, read: Option<Timestamp>, full_at: Timestamp) -> Result<bool, StoreError> {
            *self.writes.lock().unwrap() += 1;
            let mut stored = self.full_at.lock().unwrap();
            let is_read = *stored == read;
            if is_read {
                *stored = Some(full_at);
            }
            Ok(is_read)
        }
    }

    fn cause(number: usize) -> Cause {
        [Cause::Link, Cause::Person, Cause::Webhook, Cause::Sweep, Cause::Night][number % 5]
    }

    proptest! {
        /// Whoever asks, and whenever: together they stay below the limit in every minute, and each lease serves many.
        #[test]
        fn no_minute_sees_more_than_the_shares_and_the_pool(
            limit in 100_u32..600,
            workers in 1_usize..6,
            asks in proptest::collection::vec((0_usize..6, 0_u64..400, 0_usize..5, any::<bool>()), 1..2_000),
        ) {
            let bucket = Arc::new(Bucket::default());
            let pool = || Pool::per_minute(bucket.clone(), limit);
            let share = 10;
            let budgets: Vec<_> = (0..workers)
                .map(|n| if n % 3 == 2 { Budgets::of_night(1_000_000, pool()) } else { Budgets::with_pool(1_000_000, share, pool()) })
                .collect();
            let (mut now, mut taken) = (Timestamp::UNIX_EPOCH, Vec::new());
            for (worker, pause, who, is_from_nothing) in asks {
                now = later(now, Duration::from_millis(pause));
                let asked = budgets[worker % workers].take(None, now, is_from_nothing, cause(who));
                if block_on(asked).is_ok() {
                    let calls = if is_from_nothing { FROM_NOTHING } else { 1 };
                    taken.extend((0..calls).map(|_| now));
                }
            }
            let allowed = usize::try_from(limit + share * u32::try_from(workers).unwrap()).unwrap();
            let mut begin = 0;
            for (place, at) in taken.iter().enumerate() {
                while later(taken[begin], MINUTE) <= *at {
                    begin += 1;
                }
                prop_assert!(place + 1 - begin <= allowed, "{} of {allowed}", place + 1 - begin);
            }
        }
    }

    #[test]
    fn people_are_served_when_the_night_has_to_wait() {
        let bucket = Arc::new(Bucket::default());
        let pool = || Pool::per_minute(bucket.clone(), 2_000);
        let (night, day) = (Budgets::of_night(1_000, pool()), Budgets::with_pool(1_000, 2, pool()));
        let now = Timestamp::UNIX_EPOCH;
        let take = |budgets: &Budgets, cause| block_on(budgets.take(None, now, false, cause)).is_ok();
        let at_night = (0..500).filter(|_| take(&night, Cause::Night)).count();
        assert_eq!(at_night, 100, "half of what can be had at once");
        assert!(!take(&night, Cause::Night));
        let by_webhooks = (0..500).filter(|_| take(&day, Cause::Webhook)).count();
        assert!((50..=52).contains(&by_webhooks), "{by_webhooks}");
        let by_people = (0..500).filter(|_| take(&day, Cause::Person)).count();
        assert_eq!(by_people, 50);
        assert!(*bucket.writes.lock().unwrap() <= 8, "one write for each lease");
    }
}
