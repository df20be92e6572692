//! When a webhook that was not taken is sent again.

use std::{collections::BTreeMap, time::Duration};

use domain::time::{later, until};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Plaid's rules for webhooks, <https://plaid.com/docs/api/webhooks/>: the first retry, how much longer each later one waits,
/// when the last one may be, and what a receiver that has too much to do may ask for.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const EACH_LONGER: u32 = 4;
const RETRIES: u32 = 6;
const RETRIES_FOR: Duration = Duration::from_hours(24);
const LONGEST_WISH: Duration = Duration::from_hours(4);
/// Nothing is sent again to a receiver that rejected more than so much of what it was sent in a day.
const REJECTED_PERCENT: usize = 90;
/// The share of fewer webhooks says nothing: the first one ever would have no retry.
const TELLING: usize = 10;

/// What became of one delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The answer's status, if there was one.
    pub(crate) status: Option<u16>,
    /// What `Retry-After` asks for.
    pub(crate) retry_after: Option<Duration>,
    /// Why there was no answer.
    pub(crate) error: Option<&'static str>,
}

impl Outcome {
    /// Anything but exactly 200 is a rejection.
    pub(crate) fn is_taken(&self) -> bool {
        self.status == Some(200)
    }

    /// When it is sent again after so many deliveries, if it is.
    pub(crate) fn next(
        &self,
        deliveries: u32,
        due_at: Timestamp,
        now: Timestamp,
        time_scale: u32,
    ) -> Option<Timestamp> {
        let retries = deliveries.checked_sub(1).filter(|retries| *retries < RETRIES)?;
        let wish = self.retry_after.filter(|_| self.status == Some(429));
        let delay = match wish {
            Some(wish) => wish.min(LONGEST_WISH),
            None => FIRST_RETRY * EACH_LONGER.pow(retries),
        };
        let next = later(now, delay / time_scale);
        (until(due_at, next) <= RETRIES_FOR / time_scale).then_some(next)
    }
}

/// What each receiver made of what it was sent in the last 24 hours.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Record(BTreeMap<String, BTreeMap<u64, Last>>);

/// The last delivery of a webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Last {
    at: Timestamp,
    is_rejected: bool,
}

impl Record {
    pub(crate) fn note(&mut self, url: &str, id: u64, at: Timestamp, is_rejected: bool) {
        self.0.entry(url.to_owned()).or_default().insert(id, Last { at, is_rejected });
    }

    /// Forgets what was before the last 24 hours.
    pub(crate) fn forget(&mut self, now: Timestamp, time_scale: u32) {
        self.0.retain(|_, webhooks| {
            // Those that came first were noted first, or are being tried again.
            while webhooks.first_key_value().is_some_and(|(_, last)| is_past(last, now, time_scale)) {
                webhooks.pop_first();
            }
            !webhooks.is_empty()
        });
    }

    /// Whether a receiver rejected so much that nothing is sent to it again.
    pub(crate) fn has_given_up(&self, url: &str, now: Timestamp, time_scale: u32) -> bool {
        let Some(webhooks) = self.0.get(url) else { return false };
        let counts: Vec<_> = webhooks.values().filter(|last| !is_past(last, now, time_scale)).collect();
        let rejected = counts.iter().filter(|last| last.is_rejected).count();
        counts.len() >= TELLING && rejected * 100 > counts.len() * REJECTED_PERCENT
    }
}

fn is_past(last: &Last, now: Timestamp, time_scale: u32) -> bool {
    until(last.at, now) > RETRIES_FOR / time_scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Outcome {
        Outcome { status: Some(status), ..Outcome::default() }
    }

    fn delays(outcome: &Outcome, time_scale: u32) -> Vec<Duration> {
        let (due_at, mut now, mut delays) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, Vec::new());
        while let Some(next) = outcome.next(u32::try_from(delays.len()).unwrap() + 1, due_at, now, time_scale)
        {
            delays.push(until(now, next));
            now = next;
        }
        delays
    }

    #[test]
    fn six_retries_wait_each_four_times_as_long() {
        let seconds = |scale| delays(&status(500), scale).iter().map(Duration::as_secs).collect::<Vec<_>>();
        assert_eq!(seconds(1), [30, 120, 480, 1920, 7680, 30720]);
        assert_eq!(seconds(10), [3, 12, 48, 192, 768, 3072]);
        assert_eq!(delays(&Outcome { error: Some("timeout"), ..Outcome::default() }, 1).len(), 6);
    }

    #[test]
    fn only_a_429_is_asked_when_to_come_back_and_not_for_longer_than_four_hours() {
        let wish = |status, hours| Outcome {
            retry_after: Some(Duration::from_hours(hours)),
            ..self::status(status)
        };
        assert_eq!(delays(&wish(429, 1), 1), [Duration::from_hours(1); 6]);
        assert_eq!(delays(&wish(429, 48), 1), [Duration::from_hours(4); 6], "and a day is a day");
        assert_eq!(delays(&wish(503, 1), 1), delays(&status(503), 1));
    }

    #[test]
    fn nothing_is_sent_again_to_whom_rejects_more_than_nine_in_ten() {
        let mut record = Record::default();
        let now = Timestamp::UNIX_EPOCH;
        for id in 0..9 {
            record.note("u", id, now, true);
        }
        assert!(!record.has_given_up("u", now, 1), "too few to tell");
        record.note("u", 9, now, true);
        assert!(record.has_given_up("u", now, 1));
        assert!(!record.has_given_up("other", now, 1));
        record.note("u", 0, now, false);
        assert!(!record.has_given_up("u", now, 1), "nine in ten are not more than nine in ten");
        record.note("u", 0, now, true);
        let tomorrow = later(now, Duration::from_hours(25));
        assert!(!record.has_given_up("u", tomorrow, 1), "yesterday does not count");
        record.note("u", 3, tomorrow, true);
        record.forget(tomorrow, 1);
        assert_eq!(
            record.0.values().map(BTreeMap::len).sum::<usize>(),
            7,
            "the three before the one of today are gone"
        );
    }
}
