//! Faults on demand: what the next calls of an endpoint answer instead of the truth.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    mangle::{Mangle, Met},
    reply::Reply,
    world::World,
};

/// One fault, for so many calls of one path. Those of one path set in one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The path, such as `/transactions/sync`; `*` for every one.
    pub path: String,
    /// Calls that pass before it sets in.
    #[serde(default)]
    pub after: u32,
    /// Calls that it hits.
    pub times: u32,
    /// Answers this error code, whether Plaid has it or not. The call has no effect.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The error's type, where it is not the one that Plaid documents for the code.
    #[serde(default)]
    pub error_type: Option<String>,
    /// The status, where it is not the answer's own.
    #[serde(default)]
    pub status: Option<u16>,
    /// Sends `Retry-After` with so many seconds.
    #[serde(default)]
    pub retry_after_s: Option<u32>,
    /// What else is done to the answer.
    #[serde(default)]
    pub mangle: Option<Mangle>,
    /// Takes effect, and then answers only after so many milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

impl Fault {
    /// What a call answers that meets this fault; `run` answers as if there were none.
    pub(crate) fn answer(
        &self,
        met: &Met<'_>,
        world: &mut World,
        run: impl FnOnce(&mut World) -> Reply,
    ) -> Reply {
        let answer = |world: &mut World| match self.error() {
            Some(error) => error.reply(met.request_id),
            None => run(world),
        };
        let mut reply = match self.mangle {
            Some(mangle) => mangle.answer(met, world, answer),
            None => answer(world),
        };
        reply.status = self.status.unwrap_or(reply.status);
        reply.retry_after_s = self.retry_after_s;
        reply.delay = Duration::from_millis(self.delay_ms);
        reply
    }

    fn error(&self) -> Option<PlaidError> {
        let error = PlaidError::of_code(self.error_code.as_deref()?);
        Some(match &self.error_type {
            Some(kind) => error.of_type(kind),
            None => error,
        })
    }
}

/// The faults in force.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a call, and gives the fault that it meets.
    pub(crate) fn meet(&mut self, path: &str) -> Option<Fault> {
        self.0.retain(|fault| fault.times > 0);
        let fault = self.0.iter_mut().find(|fault| fault.path == path || fault.path == "*")?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.clone())
    }
}
