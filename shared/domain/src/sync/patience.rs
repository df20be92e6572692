//! How long to wait before a call is tried again: pure rules, and the loop that follows them inside a deadline.

use std::{future::Future, time::Duration};

use jiff::Timestamp;

use super::engine::Deps;
use crate::{
    bank::{BankError, Patience},
    time::{later, until},
};

/// Tries of one call in one run.
const TRIES: u32 = 3;
/// What a run keeps for writing down how it ended.
const RESERVE: Duration = Duration::from_secs(3);
/// Until an outage of the bank is worth another look.
pub(super) const HOURS: Duration = Duration::from_hours(4);

/// Full jitter: anything between nothing and a ceiling that doubles.
pub(super) fn backoff(attempt: u32, random: u8, retry_after_s: Option<u32>) -> Duration {
    if let Some(seconds) = retry_after_s {
        return Duration::from_secs(u64::from(seconds));
    }
    let ceiling_ms = 500_u64 << attempt.min(6);
    Duration::from_millis(ceiling_ms * u64::from(random) / 255)
}

/// Calls until it works, the error is not of the passing kind, or the deadline leaves no room for another try, which
/// may cost up to `cost`.
pub(super) async fn with_patience<T, F>(
    deps: &Deps,
    deadline: Timestamp,
    cost: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, BankError>
where
    F: Future<Output = Result<T, BankError>>,
{
    let mut attempt = 0;
    loop {
        if !has_time(deps, deadline, cost) {
            let code = "out_of_time".to_owned();
            return Err(BankError::Later { code, patience: Patience::Seconds, retry_after_s: None });
        }
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        attempt += 1;
        let BankError::Later { patience: Patience::Seconds, retry_after_s, .. } = &error else {
            return Err(error);
        };
        let [random, ..] = deps.random.entropy();
        let wait = backoff(attempt, random, *retry_after_s);
        if attempt >= TRIES || !has_time(deps, deadline, wait + cost) {
            return Err(error);
        }
        deps.clock.sleep(wait).await;
    }
}

/// Whether there is time for `work` and for writing down how it went.
pub(super) fn has_time(deps: &Deps, deadline: Timestamp, work: Duration) -> bool {
    until(later(deps.clock.now(), work), deadline) > RESERVE
}
