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
/// Of these, for names that were turned away before and come back more often than all others. Plaid sends again what it got no
/// 200 for, and signs all its webhooks with one key: whoever makes names up has to send each of them more often than that.
const FOR_THE_FOREMOST: usize = 2;
/// Between two look-ups for the foremost: a name that has just fallen behind may be in front again by then.
const APART: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
/// Names that are remembered as turned away: more than arrive until Plaid's first retry, in half a minute.
const TURNED_AWAY: usize = 16_384;

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
        self.0.back().is_none_or(|last| until(*last, now) >= APART)
    }
}

/// What a name is looked up as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookUpKind {
    /// Nobody knows it, and there is room.
    Strange,
    /// Nobody knows it, and it comes back most often.
    Foremost,
    /// Plaid has confirmed it before.
    Known,
}

/// What is left of the bound.
#[derive(Default)]
pub(super) struct LookUps {
    strange: Window,
    foremost: Window,
    /// Of keys that Plaid has confirmed. Only Plaid makes a name known: whatever strangers ask for does not keep a key of
    /// Plaid's from being asked after.
    known: Window,
    turned_away: TurnedAway,
}

impl LookUps {
    /// As what one more may be made now; none if it may not. A name that is turned away is remembered.
    pub(super) fn may(&mut self, kid: &KeyId, is_known: bool, now: Timestamp) -> Option<LookUpKind> {
        if is_known {
            return self.known.has_room(now, A_MINUTE).then_some(LookUpKind::Known);
        }
        if self.strange.has_room(now, A_MINUTE - FOR_THE_FOREMOST) {
            return Some(LookUpKind::Strange);
        }
        let has_room = self.foremost.has_room(now, FOR_THE_FOREMOST) && self.foremost.is_quiet(now);
        let returns = self.turned_away.add(kid, now);
        (has_room && returns && self.turned_away.is_foremost(kid, now)).then_some(LookUpKind::Foremost)
    }

    /// Notes one that is made.
    pub(super) fn spend(&mut self, kid: &KeyId, kind: LookUpKind, now: Timestamp) {
        self.turned_away.forget(kid);
        let window = match kind {
            LookUpKind::Strange => &mut self.strange,
            LookUpKind::Foremost => &mut self.foremost,
            LookUpKind::Known => &mut self.known,
        };
        window.0.push_back(now);
    }
}

/// How often a name was turned away, and when it was last.
struct Times {
    count: u32,
    last: Timestamp,
}

/// Names that were turned away, as hashes of a secret kind: the oldest are forgotten, those that came often last.
#[derive(Default)]
struct TurnedAway {
    hasher: RandomState,
    all: HashMap<u64, Times>,
    order: VecDeque<u64>,
}

impl TurnedAway {
    /// Counts one more; whether it has come before.
    fn add(&mut self, kid: &KeyId, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(kid);
        if let Some(times) = self.all.get_mut(&hash) {
            *times = Times { count: times.count.saturating_add(1), last: now };
            return true;
        }
        self.all.insert(hash, Times { count: 1, last: now });
        self.order.push_back(hash);
        while self.all.len() > TURNED_AWAY {
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
        // Its place in the order goes once it is the oldest.
        self.all.remove(&self.hasher.hash_one(kid));
    }

    /// Whether no other name of the last minute came more often.
    fn is_foremost(&self, kid: &KeyId, now: Timestamp) -> bool {
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
    fn who_comes_back_most_often_finds_a_place_that_strangers_cannot_take() {
        let mut look_ups = LookUps::default();
        let made = (0..TURNED_AWAY).filter(|number| ask(&mut look_ups, &kid(*number), at(0))).count();
        assert_eq!(made, A_MINUTE - FOR_THE_FOREMOST);
        let ours = kid(TURNED_AWAY - 1);
        assert!(ask(&mut look_ups, &ours, at(30)));
        assert!(!ask(&mut look_ups, &kid(TURNED_AWAY - 2), at(30)), "its place is taken");
        assert_eq!(look_ups.may(&kid(0), true, at(30)), Some(LookUpKind::Known), "it needs none of these");
    }

    /// A thousand names a second, each of which comes twice, and one that comes every two seconds.
    #[test]
    fn a_flood_of_names_that_come_twice_delays_a_new_key_by_a_minute_at_most() {
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
        for number in 0..2 * TURNED_AWAY {
            turned_away.add(&kid(number), at(0));
        }
        assert_eq!(turned_away.all.len(), TURNED_AWAY);
        assert!(turned_away.add(&kid(2 * TURNED_AWAY - 1), at(0)));
        assert!(!turned_away.add(&kid(0), at(0)));
    }
}
