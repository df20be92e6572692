//! Keeping below Plaid's rate limits, so that a busy day is slower and nothing worse.
//!
//! Each item has a bucket (the generic cell rate algorithm): one number says how full it is, the time at which it will be
//! full again. Each worker process has one of its own, which costs nothing to ask: its share of what the pool leaves.
//! Beyond that it leases calls from the pool, which all workers share: what the night may use and, at most hours, does
//! not. A lease counts until a minute after its end, so that no minute sees more calls than the pool has.

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
    time::{Random, later, until},
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
/// A steady bucket holds so small a part of a minute's calls.
const STEADY_BURST: u32 = 20;

impl Rate {
    /// At most `calls` in any minute; at least two.
    pub fn per_minute(calls: u32) -> Self {
        let calls = calls.max(2);
        let refilled = (calls * REFILLED_FIFTHS / 5).max(1);
        Self { burst: calls - refilled, interval: MINUTE / refilled }
    }

    /// At most `calls` in any minute, at least two, and hardly any at once.
    fn steady(calls: u32) -> Self {
        let calls = calls.max(2);
        let burst = (calls / STEADY_BURST).max(1);
        Self { burst, interval: MINUTE / (calls - burst) }
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

/// How long to wait before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The item has had its calls.
    Item(Duration),
    /// All workers together have had theirs.
    Workers(Duration),
}

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

/// A lease of the pool's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The process that holds it.
    pub holder: u32,
    /// Calls that it may make, or has made.
    pub calls: u32,
    /// Until when they count: a minute after the lease's end.
    pub counts_until: Timestamp,
}

/// All leases that may count still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    /// Of the row that they are stored in; 0 if there is none.
    pub rev: u64,
    /// The leases.
    pub all: Vec<Lease>,
}

/// Where the leases are stored, for all workers.
#[async_trait]
pub trait Allowance: Send + Sync {
    /// The leases, read consistently.
    async fn leases(&self) -> Result<Leases, StoreError>;

    /// Replaces the leases of revision `leases.rev` and increments it. False if another worker has replaced them.
    async fn store_leases(&self, leases: &Leases) -> Result<bool, StoreError>;
}

/// Calls of a lease, and its duration: one write for each lease. Workers for people and webhooks are mostly idle and keep
/// a lease for a minute; the night uses it up in seconds.
const LEASE: (u32, Duration) = (25, MINUTE);
const NIGHT_LEASE: (u32, Duration) = (25, Duration::from_secs(10));
const MAX_LEASE_TRIES: u32 = 16;
/// Clocks of workers, the fraction of a second that is not stored, and the time between two looks at the clock.
const CLOCKS_APART: Duration = Duration::from_secs(3);
/// How long to wait while the store does not answer.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// The calls that all workers may make together.
pub struct Pool {
    allowance: Arc<dyn Allowance>,
    calls: u32,
    holder: u32,
}

impl Pool {
    /// At most `calls` in any minute; `random` tells this process from others.
    pub fn per_minute(allowance: Arc<dyn Allowance>, calls: u32, random: &dyn Random) -> Self {
        let [a, b, c, d, ..] = random.entropy();
        Self { allowance, calls, holder: u32::from_be_bytes([a, b, c, d]) }
    }

    /// What is left for those who are more urgent.
    fn reserve(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Person => 0,
            Priority::Webhook => self.calls / 10,
            Priority::Night => self.calls / 5,
        }
    }

    /// Leases up to `wanted` calls and at least `least`, or tells how long to wait before asking again. What is left of
    /// `before` goes back in the same write.
    async fn lease(
        &self,
        now: Timestamp,
        (least, wanted, lasts): (u32, u32, Duration),
        before: Held,
        priority: Priority,
    ) -> Result<Result<Lease, Duration>, StoreError> {
        let most = self.calls.saturating_sub(self.reserve(priority));
        for _ in 0..MAX_LEASE_TRIES {
            let mut leases = self.allowance.leases().await?;
            if let Some(own) = before.lease.and_then(|own| leases.all.iter_mut().find(|other| **other == own))
            {
                own.calls -= before.left.min(own.calls);
            }
            leases.all.retain(|lease| lease.calls > 0 && now < lease.counts_until);
            let taken: u32 = leases.all.iter().map(|lease| lease.calls).sum();
            let room = most.saturating_sub(taken);
            if room < least {
                let too_many = (taken + least).saturating_sub(most);
                return Ok(Err(wait_for(&mut leases.all, too_many, now)));
            }
            // A whole second, since that is what is stored.
            let counts_until = Timestamp::from_second(later(now, lasts + MINUTE + CLOCKS_APART).as_second());
            let counts_until = counts_until.unwrap_or(Timestamp::MAX);
            let lease = Lease { holder: self.holder, calls: wanted.min(room), counts_until };
            leases.all.push(lease);
            if self.allowance.store_leases(&leases).await? {
                return Ok(Ok(lease));
            }
        }
        Err(StoreError::Busy)
    }
}

/// The time until `calls` leased calls have expired.
fn wait_for(leases: &mut [Lease], calls: u32, now: Timestamp) -> Duration {
    leases.sort_by_key(|lease| lease.counts_until);
    let mut freed = 0;
    let enough = leases.iter().find(|lease| {
        freed += lease.calls;
        freed >= calls
    });
    enough.map_or(MINUTE, |lease| until(now, lease.counts_until))
}

/// The lease that this process holds.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    lease: Option<Lease>,
    left: u32,
    ends: Option<Timestamp>,
}

impl Held {
    fn take(&mut self, now: Timestamp, calls: u32) -> bool {
        let has = self.ends.is_some_and(|ends| now < ends) && self.left >= calls;
        if has {
            self.left -= calls;
        }
        has
    }
}

/// What Plaid allows (<https://plaid.com/docs/errors/rate-limit-exceeded/>): for each item, and for all of our workers
/// together, of which this process has a share and may lease more.
pub struct Budgets {
    item: Rate,
    share: Option<Rate>,
    pace: Option<Rate>,
    full_at: Mutex<Option<Timestamp>>,
    pool: Option<Pool>,
    held: AsyncMutex<Held>,
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

    /// For the night, which has the pool alone. Its workers are never idle: none makes more than `most` in a minute, and
    /// hardly any at once, so that they use the pool evenly.
    pub fn of_night(item: u32, most: u32, pool: Pool) -> Self {
        Self { pace: Some(Rate::steady(most)), ..Self::of(item, None, Some(pool)) }
    }

    fn of(item: u32, share: Option<Rate>, pool: Option<Pool>) -> Self {
        Self {
            item: Rate::per_minute(item),
            share,
            pace: None,
            full_at: Mutex::new(None),
            pool,
            held: AsyncMutex::default(),
        }
    }

    /// Takes one call of an item whose own bucket will be full at `full_at`: when it will be full then, or how long to
    /// wait before asking again.
    pub(super) async fn take(
        &self,
        full_at: Option<Timestamp>,
        now: Timestamp,
        is_from_nothing: bool,
        cause: Cause,
    ) -> Result<Timestamp, Wait> {
        let after = self.item.take(full_at, now, 1).map_err(Wait::Item)?;
        let calls = if is_from_nothing { FROM_NOTHING } else { 1 };
        let Err(wait) = self.take_share(now, calls) else { return Ok(after) };
        match &self.pool {
            None => Err(Wait::Workers(wait.unwrap_or(MINUTE))),
            Some(pool) => match self.take_leased(pool, now, calls, cause.into()).await {
                Ok(()) => Ok(after),
                Err(leased) => Err(Wait::Workers(wait.map_or(leased, |wait| wait.min(leased)))),
            },
        }
    }

    /// Takes calls of the share, or tells how long to wait for them.
    fn take_share(&self, now: Timestamp, calls: u32) -> Result<(), Option<Duration>> {
        let Some(rate) = self.share else { return Err(None) };
        self.take_own(rate, now, calls).map_err(Some)
    }

    fn take_own(&self, rate: Rate, now: Timestamp, calls: u32) -> Result<(), Duration> {
        let mut own = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *own = Some(rate.take(*own, now, calls)?);
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
        let mut held = self.held.lock().await;
        let before = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = self.pace {
            self.take_own(pace, now, calls)?;
        }
        let taken = self.take_held(pool, now, calls, priority, &mut held).await;
        if taken.is_err() && self.pace.is_some() {
            *self.full_at.lock().unwrap_or_else(PoisonError::into_inner) = before;
        }
        taken
    }

    /// Takes calls of the lease that this process holds, or of a new one.
    async fn take_held(
        &self,
        pool: &Pool,
        now: Timestamp,
        calls: u32,
        priority: Priority,
        held: &mut Held,
    ) -> Result<(), Duration> {
        if held.take(now, calls) {
            return Ok(());
        }
        let (wanted, lasts) = if priority == Priority::Night { NIGHT_LEASE } else { LEASE };
        match pool.lease(now, (calls, wanted.max(calls), lasts), *held, priority).await {
            Ok(Ok(lease)) => {
                let ends = Some(later(now, lasts));
                *held = Held { lease: Some(lease), left: lease.calls - calls, ends };
                Ok(())
            }
            Ok(Err(wait)) => Err(wait),
            // The share goes on alone while the store does not answer. What was left may have gone back already.
            Err(_) => {
                held.left = 0;
                Err(NO_ANSWER)
            }
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

    /// The leases of one process.
    #[derive(Default)]
    struct Row {
        leases: Mutex<Leases>,
        writes: Mutex<u32>,
    }

    #[async_trait]
    impl Allowance for Row {
        async fn leases(&self) -> Result<Leases, StoreError> {
            Ok(self.leases.lock().unwrap().clone())
        }

        async fn store_leases(&self, leases: &Leases) -> Result<bool, StoreError> {
            *self.writes.lock().unwrap() += 1;
            let mut stored = self.leases.lock().unwrap();
            let is_read = stored.rev == leases.rev;
            if is_read {
                *stored = Leases { rev: leases.rev + 1, ..leases.clone() };
            }
            Ok(is_read)
        }
    }

    /// Another number for each process.
    struct Number(u8);

    impl Random for Number {
        fn entropy(&self) -> [u8; 10] {
            [self.0; 10]
        }
    }

    fn cause(number: usize) -> Cause {
        [Cause::Link, Cause::Person, Cause::Webhook, Cause::Sweep, Cause::Night][number % 5]
    }

    proptest! {
        /// All workers together stay below the limit in every minute.
        #[test]
        fn no_minute_sees_more_than_the_shares_and_the_pool(
            limit in 100_u32..600,
            workers in 1_usize..6,
            asks in proptest::collection::vec((0_usize..6, 0_u64..400, 0_usize..5, any::<bool>()), 1..2_000),
        ) {
            let row = Arc::new(Row::default());
            let share = 10;
            let budgets = |n: usize| {
                let pool = Pool::per_minute(row.clone(), limit, &Number(u8::try_from(n).unwrap()));
                if n % 3 == 2 {
                    Budgets::of_night(1_000_000, limit, pool)
                } else {
                    Budgets::with_pool(1_000_000, share, pool)
                }
            };
            let budgets: Vec<_> = (0..workers).map(budgets).collect();
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
        let row = Arc::new(Row::default());
        let pool = |number| Pool::per_minute(row.clone(), 1_000, &Number(number));
        let night = Budgets::of_night(100_000, 100_000, pool(1));
        let day = Budgets::with_pool(100_000, 2, pool(2));
        let now = Timestamp::UNIX_EPOCH;
        let take = |budgets: &Budgets, cause| block_on(budgets.take(None, now, false, cause)).is_ok();
        assert_eq!((0..2_000).filter(|_| take(&night, Cause::Night)).count(), 800);
        let by_webhooks = (0..2_000).filter(|_| take(&day, Cause::Webhook)).count();
        assert!((100..=101).contains(&by_webhooks), "{by_webhooks}");
        assert_eq!((0..2_000).filter(|_| take(&day, Cause::Person)).count(), 100);
        assert_eq!(*row.writes.lock().unwrap(), 800 / 25 + 4 + 4, "one write for each lease");
        // The returned wait is long enough.
        let refused = block_on(night.take(None, now, false, Cause::Night));
        let Err(Wait::Workers(wait)) = refused else { panic!("{refused:?}") };
        assert!(block_on(night.take(None, later(now, wait), false, Cause::Night)).is_ok());
        // A minute after the leases' end all of it can be had again.
        let now = later(now, MINUTE * 4);
        let again =
            (0..2_000).filter(|_| block_on(day.take(None, now, false, Cause::Person)).is_ok()).count();
        assert!((1_000..=1_001).contains(&again), "{again}");
    }

    #[test]
    fn what_is_left_of_a_lease_goes_back_with_the_next() {
        let row = Arc::new(Row::default());
        let day = Budgets::with_pool(100_000, 2, Pool::per_minute(row.clone(), 1_000, &Number(1)));
        let mut now = Timestamp::UNIX_EPOCH;
        for _ in 0..10 {
            now = later(now, MINUTE);
            for _ in 0..12 {
                assert!(block_on(day.take(None, now, false, Cause::Webhook)).is_ok());
            }
            let held: u32 = row.leases.lock().unwrap().all.iter().map(|lease| lease.calls).sum();
            assert!(held <= 25 + 2 * 12, "{held}");
        }
    }
}
