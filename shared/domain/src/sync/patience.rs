//! How long to wait before a call is tried again: pure rules, and the loop that follows them inside a deadline.

use std::{future::Future, time::Duration};

use jiff::Timestamp;

use super::engine::{Deps, Halt};
use crate::{
    bank::{BankError, Meaning, Patience},
    time::{later, until},
};

/// Tries of one call in one run.
const TRIES: u32 = 3;
/// What a run keeps for writing down how it ended.
const RESERVE: Duration = Duration::from_secs(3);
/// Until an outage of the bank is worth another look.
const HOURS: Duration = Duration::from_hours(4);
/// Until what is not supported is: banks come back.
const WEEK: Duration = Duration::from_hours(7 * 24);
/// Until an outage of Plaid's is.
const MOMENT: Duration = Duration::from_mins(1);

/// Full jitter: anything between nothing and a ceiling that doubles.
pub(super) fn backoff(attempt: u32, random: u8) -> Duration {
    let ceiling_ms = 500_u64 << attempt.min(6);
    Duration::from_millis(ceiling_ms * u64::from(random) / 255)
}

/// When what was refused is worth another try; `None` if it needs a person.
pub(super) fn retry_at(error: &BankError, now: Timestamp) -> Option<Timestamp> {
    match error.meaning {
        Meaning::Later { patience, retry_after_s } => {
            let at_least = match patience {
                Patience::Hours => HOURS,
                Patience::Minute | Patience::Seconds => MOMENT,
            };
            let asked = Duration::from_secs(retry_after_s.unwrap_or_default().into());
            Some(later(now, at_least.max(asked)))
        }
        Meaning::RestartPagination => Some(later(now, MOMENT)),
        Meaning::AccountGone => Some(later(now, HOURS)),
        Meaning::Unsupported => Some(later(now, WEEK)),
        Meaning::NeedsUser
        | Meaning::Gone
        | Meaning::CursorRefused
        | Meaning::Endless
        | Meaning::PublicTokenRefused
        | Meaning::OurFault => None,
    }
}

/// Calls until it works, the error is not of the passing kind, or the deadline leaves no room for another try, which
/// may cost up to `cost`. Without room for the first one the run hands over.
pub(super) async fn with_patience<T, F>(
    deps: &Deps,
    deadline: Timestamp,
    cost: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, Halt>
where
    F: Future<Output = Result<T, BankError>>,
{
    if !has_time(deps, deadline, cost) {
        return Err(Halt::HandOver(Duration::ZERO));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(wait) = retry_in(deps, deadline, cost, attempt, &error) else {
            return Err(Halt::Bank(error));
        };
        deps.clock.sleep(wait).await;
    }
}

/// The wait before the next try of a call after `attempt` failures; `None` if another try cannot help or has no time.
pub(super) fn retry_in(
    deps: &Deps,
    deadline: Timestamp,
    cost: Duration,
    attempt: u32,
    error: &BankError,
) -> Option<Duration> {
    let Meaning::Later { patience: Patience::Seconds | Patience::Minute, retry_after_s } = error.meaning
    else {
        return None;
    };
    let [random, ..] = deps.random.entropy();
    let wait = retry_after_s.map_or_else(|| backoff(attempt, random), |s| Duration::from_secs(u64::from(s)));
    (attempt < TRIES && has_time(deps, deadline, wait + cost)).then_some(wait)
}

/// Whether there is time for `work` and for writing down how it went.
pub(super) fn has_time(deps: &Deps, deadline: Timestamp, work: Duration) -> bool {
    until(later(deps.clock.now(), work), deadline) > RESERVE
}
