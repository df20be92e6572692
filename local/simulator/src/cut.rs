//! What is left out of a schedule, so that what remains can be read.

use std::{collections::BTreeSet, str::FromStr};

use crate::tally::Fault;

/// Faults, moves and actors that do not happen. Chance is asked for them all the same, so that the rest happens as before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// By their places among [`crate::FAULTS`].
    pub faults: BTreeSet<usize>,
    /// By their order in the schedule.
    pub moves: BTreeSet<usize>,
    /// By their order in the schedule.
    pub edits: BTreeSet<usize>,
    /// Whether the readers are left out.
    pub no_readers: bool,
}

impl Cut {
    pub(crate) fn has_fault(&self, fault: Fault) -> bool {
        self.faults.contains(&fault.place())
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = |letter: char, places: &BTreeSet<usize>| {
            places.iter().map(|place| format!("{letter}{place}")).collect::<Vec<_>>()
        };
        let mut parts = all('f', &self.faults);
        parts.extend(all('m', &self.moves));
        parts.extend(all('e', &self.edits));
        parts.extend(self.no_readers.then(|| "r".to_owned()));
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cut = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let bad = || format!("{part} is none of f<fault>, m<move>, e<edit>, r");
            if part == "r" {
                cut.no_readers = true;
                continue;
            }
            let (letter, number) = part.split_at_checked(1).ok_or_else(bad)?;
            let number = number.parse().map_err(|_not_a_number| bad())?;
            match letter {
                "f" => cut.faults.insert(number),
                "m" => cut.moves.insert(number),
                "e" => cut.edits.insert(number),
                _ => return Err(bad()),
            };
        }
        Ok(cut)
    }
}
