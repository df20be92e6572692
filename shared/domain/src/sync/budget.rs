//! Keeping below Plaid's rate limits, so that a busy day is slower and nothing worse.
//!
//! A bucket that holds two fifths of a minute's calls and is refilled with the rest: no minute sees more than the
//! limit, whenever it begins. One number says how full it is: the time at which it will be full again (the generic
//! cell rate algorithm).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::time::{later, until};

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

    /// At most `calls` in any minute, at least two, and hardly any at once: for whoever works through a queue, and could
    /// make use of no more than the refill in the long run.
    pub fn steady(calls: u32) -> Self {
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

/// What Plaid allows (<https://plaid.com/docs/errors/rate-limit-exceeded/>): for each item, and for this process its
/// share of what all of our workers together may ask.
#[derive(Debug)]
pub struct Budgets {
    item: Rate,
    share: Rate,
    full_at: Mutex<Option<Timestamp>>,
}

impl Budgets {
    /// Syncs a minute: of one item, and of this process.
    pub fn new(item: u32, share: u32) -> Self {
        Self { item: Rate::per_minute(item), share: Rate::per_minute(share), full_at: Mutex::new(None) }
    }

    /// The same for the night, which works through a queue.
    pub fn of_night(item: u32, share: u32) -> Self {
        Self { share: Rate::steady(share), ..Self::new(item, share) }
    }

    /// Counts calls of an item that were made without asking: tries of one that failed.
    pub(super) fn charge(&self, full_at: Option<Timestamp>, now: Timestamp, calls: u32) -> Option<Timestamp> {
        if calls == 0 {
            return full_at;
        }
        Some(later(full_at.unwrap_or(now).max(now), self.item.interval * calls))
    }

    /// Takes one call of an item whose own bucket will be full at `full_at`.
    pub(super) fn take(
        &self,
        full_at: Option<Timestamp>,
        now: Timestamp,
        is_from_nothing: bool,
    ) -> Result<Timestamp, Duration> {
        let after = self.item.take(full_at, now, 1)?;
        let calls = if is_from_nothing { FROM_NOTHING } else { 1 };
        let mut share = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *share = Some(self.share.take(*share, now, calls)?);
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_limit(
            limit in 2_u32..80,
            is_steady: bool,
            pauses in proptest::collection::vec(0_u64..4_000, 1..400),
        ) {
            let rate = if is_steady { Rate::steady(limit) } else { Rate::per_minute(limit) };
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
        let full_at = budgets.take(None, now, false).unwrap();
        assert!(budgets.take(Some(full_at), now, false).is_err());
        let share = *budgets.full_at.lock().unwrap();
        assert_eq!(share, Some(later(now, budgets.share.interval)));
    }
}
