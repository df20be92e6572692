//! What strangers send is counted, and told at most once a second: a flood of it fills no log.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::time::later;
use jiff::Timestamp;

const BETWEEN: Duration = Duration::from_secs(1);

/// Refusals that have not been told yet, by code. The last of them are lost with their instance.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: BTreeMap<&'static str, u64>,
    told: Option<Timestamp>,
}

impl Strangers {
    /// Counts one, and tells of the most frequent kind if the last line is a second old.
    pub fn count(&self, code: &'static str, now: Timestamp) {
        if let Some((code, count)) = self.due(code, now) {
            edge::metrics::emit(&[("Outcome", code)], &[("Webhooks", "Count", count)]);
        }
    }

    fn due(&self, code: &'static str, now: Timestamp) -> Option<(&'static str, u64)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state.counts.entry(code).or_default() += 1;
        if state.told.is_some_and(|told| now < later(told, BETWEEN)) {
            return None;
        }
        state.told = Some(now);
        let (code, count) = state.counts.iter().max_by_key(|(_, count)| **count).map(|(c, n)| (*c, *n))?;
        state.counts.remove(code);
        Some((code, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_a_second_and_nothing_is_left_out_of_the_count() {
        let strangers = Strangers::default();
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        let mut told = Vec::new();
        for millisecond in 0..3_000 {
            let code = if millisecond % 3 == 0 { "token_missing" } else { "key_look_ups_spent" };
            told.extend(strangers.due(code, at(millisecond)));
        }
        assert_eq!(told.len(), 3);
        let left: u64 = strangers.0.lock().unwrap().counts.values().sum();
        assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>() + left, 3_000);
    }
}
