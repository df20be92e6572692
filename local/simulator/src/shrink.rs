//! A smaller schedule that fails as well, so that a person can read it.

use crate::{
    cut::Cut,
    scene::Base,
    schedule::{Failure, Schedule, run},
    tally::{FAULTS, Tally},
};

/// A schedule that fails with less in it.
#[derive(Debug)]
pub struct Shrunk {
    /// What can be left out.
    pub cut: Cut,
    /// How it fails then.
    pub failure: Failure,
    /// The kinds of faults that are left.
    pub faults: Vec<&'static str>,
}

/// Runs at most.
const MAX_RUNS: usize = 2_000;
/// More moves or edits than any schedule has of them: two items, twelve rounds, four moves in each.
const MAX_PLACES: usize = 128;

struct Shrinker<'a> {
    base: &'a Base,
    schedule: &'a Schedule,
    cut: Cut,
    failure: Failure,
    runs: usize,
}

/// Leaves out what can be left out: kinds of faults, moves, edits, one after the other, until nothing more can be.
pub fn shrink(base: &Base, schedule: &Schedule, failure: &Failure) -> Shrunk {
    let mut shrinker =
        Shrinker { base, schedule, cut: schedule.cut.clone(), failure: failure.clone(), runs: 0 };
    while shrinker.pass() && shrinker.runs < MAX_RUNS {}
    let tally = Tally::default();
    match run(base, &shrinker.smaller(shrinker.cut.clone()), &tally) {
        Ok(()) | Err(_) => {}
    }
    let Shrinker { cut, failure, .. } = shrinker;
    let faults = tally.counts().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
    Shrunk { cut, failure, faults }
}

impl Shrinker<'_> {
    fn smaller(&self, cut: Cut) -> Schedule {
        Schedule { cut, is_traced: false, ..self.schedule.clone() }
    }

    /// Tries to leave out each thing once. True if anything could be.
    fn pass(&mut self) -> bool {
        let mut is_smaller = self.works_without(|cut| cut.no_readers = true);
        for place in 0..FAULTS.len() {
            is_smaller |= self.works_without(|cut| cut.faults.extend([place]));
        }
        // From the end: what comes first matters to all that follows.
        for size in [16, 4, 1] {
            for first in (0..MAX_PLACES).step_by(size).rev() {
                is_smaller |= self.works_without(|cut| cut.moves.extend(first..first + size));
                is_smaller |= self.works_without(|cut| cut.edits.extend(first..first + size));
            }
        }
        is_smaller
    }

    /// Keeps a cut with which the schedule still fails.
    fn works_without(&mut self, leave_out: impl FnOnce(&mut Cut)) -> bool {
        let mut cut = self.cut.clone();
        leave_out(&mut cut);
        if self.runs >= MAX_RUNS || cut == self.cut {
            return false;
        }
        self.runs += 1;
        match run(self.base, &self.smaller(cut.clone()), &Tally::default()) {
            Ok(()) => false,
            // Another failure is another story.
            Err(failure) if kind(&failure.why) != kind(&self.failure.why) => false,
            Err(failure) => {
                (self.cut, self.failure) = (cut, failure);
                true
            }
        }
    }
}

/// What kind of failure it is: its words, without ids and numbers.
fn kind(why: &str) -> Vec<&str> {
    let is_plain = |word: &&str| {
        word.starts_with("[]")
            || word.trim_end_matches([',', ':', ';']).chars().all(|c| c.is_ascii_lowercase())
    };
    why.split_whitespace().filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn what_is_missing_is_no_kind_but_that_something_is() {
        let [missing, another, surplus] = [
            r#"of 3 in the ledger ["a1"] are missing; [] are too many"#,
            r#"of 4 in the ledger ["b2", "c3"] are missing; [] are too many"#,
            r#"of 3 in the ledger [] are missing; ["a1"] are too many"#,
        ];
        assert_eq!(kind(missing), kind(another));
        assert_ne!(kind(missing), kind(surplus));
    }
}
