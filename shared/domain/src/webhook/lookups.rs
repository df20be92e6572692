//! How many keys may be looked up: strangers choose the names.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use jiff::Timestamp;

use super::keys::KeyId;
use crate::time::{later, until};

/// Look-ups of a minute, of each kind.
pub(super) const A_MINUTE: usize = 6;
/// The part of them for the key id that was turned away most often. Plaid retries rejected webhooks and signs all of them with
/// one key, so a forger has to send each made-up id more often than that.
const MAX_MOST_FREQUENT: usize = 2;
/// The time between two look-ups of that part: Plaid's id may have become the most frequent one by then.
const MOST_FREQUENT_INTERVAL: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
/// Ids that are remembered as turned away: more than arrive until Plaid's first retry, after 30 seconds.
const MAX_TURNED_AWAY: usize = 16_384;

/// The times of the last look-ups: a minute may begin anywhere.
#[derive(Default)]
struct Window(VecDeque<Timestamp>);

impl Window {
    fn has_room(&mut self, now: Timestamp, most: usize) -> bool {
        while self.0.front().is_some_and(|began| later(*began, MINUTE) <= now) {
            self.0.pop_front();
        }
        self.0.len() < most
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        self.0.back().is_none_or(|last| until(*last, now) >= MOST_FREQUENT_INTERVAL)
    }
}

/// The part of the limit that a look-up counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookUpKind {
    /// Unknown key ids.
    Strange,
    /// The unknown key id that was turned away most often.
    MostFrequent,
    /// Key ids that Plaid has confirmed before.
    Known,
}

/// What is left of the bound.
#[derive(Default)]
pub(super) struct LookUps {
    strange: Window,
    most_frequent: Window,
    /// Forged requests cannot use up this part, since only Plaid makes an id known.
    known: Window,
    turned_away: TurnedAway,
}

impl LookUps {
    /// The part that one more look-up may count against; `None` turns the id away and remembers it.
    pub(super) fn may(&mut self, kid: &KeyId, is_known: bool, now: Timestamp) -> Option<LookUpKind> {
        if is_known {
            return self.known.has_room(now, A_MINUTE).then_some(LookUpKind::Known);
        }
        if self.strange.has_room(now, A_MINUTE - MAX_MOST_FREQUENT) {
            return Some(LookUpKind::Strange);
        }
        let has_room =
            self.most_frequent.has_room(now, MAX_MOST_FREQUENT) && self.most_frequent.is_quiet(now);
        let returns = self.turned_away.add(kid, now);
        (has_room && returns && self.turned_away.is_most_frequent(kid, now))
            .then_some(LookUpKind::MostFrequent)
    }

    /// Counts a look-up.
    pub(super) fn spend(&mut self, kid: &KeyId, kind: LookUpKind, now: Timestamp) {
        self.turned_away.forget(kid);
        let window = match kind {
            LookUpKind::Strange => &mut self.strange,
            LookUpKind::MostFrequent => &mut self.most_frequent,
            LookUpKind::Known => &mut self.known,
        };
        window.0.push_back(now);
    }
}

/// How often an id was turned away, and when it was last.
struct Times {
    count: u32,
    last: Timestamp,
}

/// Ids that were turned away, as keyed hashes. The oldest are forgotten first, frequent ones later.
#[derive(Default)]
struct TurnedAway {
    hasher: RandomState,
    all: HashMap<u64, Times>,
    order: VecDeque<u64>,
}

impl TurnedAway {
    /// Counts an id; true if it was turned away before.
    fn add(&mut self, kid: &KeyId, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(kid);
        if let Some(times) = self.all.get_mut(&hash) {
            *times = Times { count: times.count.saturating_add(1), last: now };
            return true;
        }
        self.all.insert(hash, Times { count: 1, last: now });
        self.order.push_back(hash);
        while self.all.len() > MAX_TURNED_AWAY {
            self.forget_oldest();
        }
        false
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        match self.all.get_mut(&oldest) {
            Some(times) if times.count > 2 => {
                times.count -= 1;
                self.order.push_back(oldest);
            }
            Some(_) => drop(self.all.remove(&oldest)),
            None => {}
        }
    }

    fn forget(&mut self, kid: &KeyId) {
        let hash = self.hasher.hash_one(kid);
        if self.all.remove(&hash).is_some() {
            self.order.retain(|other| *other != hash);
        }
    }

    /// Whether no other id of the last minute was turned away more often.
    fn is_most_frequent(&self, kid: &KeyId, now: Timestamp) -> bool {
        let Some(own) = self.all.get(&self.hasher.hash_one(kid)) else { return false };
        let recent = self.all.values().filter(|times| until(times.last, now) < MINUTE);
        recent.into_iter().all(|times| times.count <= own.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid(number: usize) -> KeyId {
        format!("kid-{number}").parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ask(look_ups: &mut LookUps, kid: &KeyId, now: Timestamp) -> bool {
        let kind = look_ups.may(kid, false, now);
        if let Some(kind) = kind {
            look_ups.spend(kid, kind, now);
        }
        kind.is_some()
    }

    #[test]
    fn most_frequent_id_gets_a_reserved_look_up() {
        let mut look_ups = LookUps::default();
        let made = (0..MAX_TURNED_AWAY).filter(|number| ask(&mut look_ups, &kid(*number), at(0))).count();
        assert_eq!(made, A_MINUTE - MAX_MOST_FREQUENT);
        let ours = kid(MAX_TURNED_AWAY - 1);
        assert!(ask(&mut look_ups, &ours, at(30)));
        assert!(!ask(&mut look_ups, &kid(MAX_TURNED_AWAY - 2), at(30)), "the reserved look-up is used up");
        assert_eq!(
            look_ups.may(&kid(0), true, at(30)),
            Some(LookUpKind::Known),
            "known ids have their own part"
        );
    }

    /// A thousand requests a second, each id twice, and one id every two seconds.
    #[test]
    fn flood_delays_a_new_key_by_less_than_a_minute() {
        for start in [0, 1, 7, 16, 31] {
            let mut look_ups = LookUps::default();
            let ours: KeyId = "ours".parse().unwrap();
            let mut taken = None;
            for second in 0..92 {
                for number in 0..1_000_usize {
                    let name = kid(usize::try_from(second).unwrap() * 500 + number / 2);
                    ask(&mut look_ups, &name, at(second));
                }
                if second >= start && second % 2 == 0 && ask(&mut look_ups, &ours, at(second)) {
                    taken = Some(second);
                    break;
                }
            }
            assert!(taken.is_some_and(|second| second < start + 60), "{taken:?}");
        }
    }

    #[test]
    fn what_is_remembered_of_strangers_has_a_bound() {
        let mut turned_away = TurnedAway::default();
        for number in 0..2 * MAX_TURNED_AWAY {
            turned_away.add(&kid(number), at(0));
        }
        assert_eq!(turned_away.all.len(), MAX_TURNED_AWAY);
        assert!(turned_away.add(&kid(2 * MAX_TURNED_AWAY - 1), at(0)));
        assert!(!turned_away.add(&kid(0), at(0)));
    }
}
