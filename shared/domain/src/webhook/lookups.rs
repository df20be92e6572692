//! How many keys may be looked up: strangers choose the names.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use jiff::Timestamp;

use super::keys::KeyId;
use crate::time::later;

/// Look-ups of a minute, of each kind.
pub(super) const A_MINUTE: usize = 6;
/// Of these, for names that were turned away before. Plaid sends again what it got no 200 for; a forger's random names
/// do not come twice.
const FOR_THOSE_WHO_RETURN: usize = 1;
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
}

/// What is left of the bound.
#[derive(Default)]
pub(super) struct LookUps {
    /// Of names that nobody knows.
    strange: Window,
    /// Of keys that are known and have come of age. Only Plaid makes a name known: whatever strangers ask for does not
    /// keep a key of Plaid's from being asked after.
    known: Window,
    turned_away: TurnedAway,
}

impl LookUps {
    /// Whether one more may be made now. A name that is turned away is remembered.
    pub(super) fn may(&mut self, kid: &KeyId, is_known: bool, now: Timestamp) -> bool {
        if is_known {
            return self.known.has_room(now, A_MINUTE);
        }
        let returns = self.turned_away.contains(kid);
        let most = if returns { A_MINUTE } else { A_MINUTE - FOR_THOSE_WHO_RETURN };
        let may = self.strange.has_room(now, most);
        if !may && !returns {
            self.turned_away.add(kid);
        }
        may
    }

    /// Notes one that is made.
    pub(super) fn spend(&mut self, is_known: bool, now: Timestamp) {
        let window = if is_known { &mut self.known } else { &mut self.strange };
        window.0.push_back(now);
    }
}

/// Names that were turned away, as hashes of a secret kind: the oldest are forgotten.
#[derive(Default)]
struct TurnedAway {
    hasher: RandomState,
    all: HashSet<u64>,
    order: VecDeque<u64>,
}

impl TurnedAway {
    fn contains(&self, kid: &KeyId) -> bool {
        self.all.contains(&self.hasher.hash_one(kid))
    }

    fn add(&mut self, kid: &KeyId) {
        let hash = self.hasher.hash_one(kid);
        if self.all.insert(hash) {
            self.order.push_back(hash);
        }
        if self.order.len() > TURNED_AWAY
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid(number: usize) -> KeyId {
        format!("kid-{number}").parse().unwrap()
    }

    #[test]
    fn who_returns_finds_a_place_that_strangers_cannot_take() {
        let mut look_ups = LookUps::default();
        let mut made = 0;
        for number in 0..TURNED_AWAY {
            if look_ups.may(&kid(number), false, Timestamp::UNIX_EPOCH) {
                look_ups.spend(false, Timestamp::UNIX_EPOCH);
                made += 1;
            }
        }
        assert_eq!(made, A_MINUTE - FOR_THOSE_WHO_RETURN);
        let soon = Timestamp::from_second(30).unwrap();
        assert!(look_ups.may(&kid(TURNED_AWAY - 1), false, soon));
        look_ups.spend(false, soon);
        assert!(!look_ups.may(&kid(TURNED_AWAY - 2), false, soon), "its place is taken");
        assert!(look_ups.may(&kid(0), true, soon), "a known key needs none of these");
    }

    #[test]
    fn what_is_remembered_of_strangers_has_a_bound() {
        let mut turned_away = TurnedAway::default();
        for number in 0..2 * TURNED_AWAY {
            turned_away.add(&kid(number));
        }
        assert_eq!((turned_away.all.len(), turned_away.order.len()), (TURNED_AWAY, TURNED_AWAY));
        assert!(turned_away.contains(&kid(2 * TURNED_AWAY - 1)));
        assert!(!turned_away.contains(&kid(0)));
    }
}
