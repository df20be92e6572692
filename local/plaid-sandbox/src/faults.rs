//! Faults on demand: what the next calls of an endpoint answer instead of the truth.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One fault, for so many calls of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The path, such as `/transactions/sync`; `*` for every one.
    pub path: String,
    /// Calls that pass before it sets in.
    #[serde(default)]
    pub after: u32,
    /// Calls that it hits.
    pub times: u32,
    /// Answers this error code.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Takes effect, and then answers only after so many milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// The faults in force.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Faults(Vec<Fault>);

/// What a call meets.
pub(crate) struct Met {
    pub(crate) error_code: Option<String>,
    pub(crate) delay: Duration,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a call, and gives the fault that it meets.
    pub(crate) fn meet(&mut self, path: &str) -> Option<Met> {
        let fault = self.0.iter_mut().find(|fault| fault.path == path || fault.path == "*")?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let met = Met { error_code: fault.error_code.clone(), delay: Duration::from_millis(fault.delay_ms) };
        self.0.retain(|fault| fault.times > 0);
        Some(met)
    }
}
