//! Webhooks that were taken already: somebody who has seen one may send it again for as long as its token is good.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{ids::fingerprint, time::later};

/// A token is good for five minutes, and our clock may be a minute behind.
const LIVES: Duration = Duration::from_mins(6);
/// So many are remembered; the oldest are forgotten.
const MAX_REMEMBERED: usize = 16_384;

/// The tokens that were taken in the last minutes, by one instance.
#[derive(Debug, Default)]
pub struct Replays(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    hashes: HashSet<String>,
    order: VecDeque<(Timestamp, String)>,
}

impl Replays {
    /// Whether a token was taken.
    pub fn has(&self, token: &[u8], now: Timestamp) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget(now);
        inner.hashes.contains(&fingerprint(token))
    }

    /// Remembers a token that was taken.
    pub fn add(&self, token: &[u8], now: Timestamp) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = fingerprint(token);
        if inner.hashes.insert(hash.clone()) {
            inner.order.push_back((now, hash));
        }
        inner.forget(now);
    }
}

impl Inner {
    fn forget(&mut self, now: Timestamp) {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| later(*at, LIVES) <= now || self.order.len() > MAX_REMEMBERED)
        {
            if let Some((_, hash)) = self.order.pop_front() {
                self.hashes.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_remembered_while_it_is_good_and_not_for_ever() {
        let replays = Replays::default();
        replays.add(b"a", at(0));
        assert!(replays.has(b"a", at(359)) && !replays.has(b"b", at(0)));
        assert!(!replays.has(b"a", at(360)));
        for number in 0..=MAX_REMEMBERED {
            replays.add(number.to_string().as_bytes(), at(400));
        }
        assert!(!replays.has(b"0", at(400)) && replays.has(b"1", at(400)));
    }
}
