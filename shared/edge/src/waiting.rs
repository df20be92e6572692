//! Waiting until a sync that was asked for has ended.

use std::time::Duration;

use domain::{
    ids::ItemRef,
    item::{Item, LastFailure},
    store::{OneConnection, StoreError},
    time::{Clock, later},
};
use jiff::Timestamp;

use crate::Problem;

/// How long a caller waits for the worker.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks: short at first, since most syncs take less than a second.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// What is kept for the answer.
const ANSWER: Duration = Duration::from_secs(2);
const BUSY_TRIES: u32 = 6;

/// What became of a sync.
#[derive(Debug, Clone, PartialEq)]
pub enum Waited {
    /// It ended well.
    Covered(Box<Item>),
    /// The bank's side refused; the item says why.
    Failed(Box<Item>),
    /// It has not ended.
    Running,
    /// The item is not there any more.
    Gone,
}

/// Asks until the item's row is not busy: it is, while a large update is being written. The moment passes.
pub async fn ask<T>(
    clock: &dyn Clock,
    mut request: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut pause = FIRST_LOOK;
    for _ in 0..BUSY_TRIES {
        match request().await {
            Err(StoreError::Busy) => clock.sleep(pause).await,
            other => return other,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    request().await
}

/// Looks at the item until the worker has covered `number`, has failed at it, or the patience is over.
pub async fn wait(
    connections: &dyn OneConnection,
    clock: &dyn Clock,
    at: &ItemRef,
    number: u64,
    deadline: Timestamp,
) -> Result<Waited, StoreError> {
    let answered = deadline.checked_sub(ANSWER).unwrap_or(deadline);
    let end = later(clock.now(), PATIENCE).min(answered);
    let mut pause = FIRST_LOOK;
    while clock.now() < end {
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(connection) = connections.connection(at).await? else { return Ok(Waited::Gone) };
        let item = Box::new(connection.item);
        if item.done >= number {
            return Ok(Waited::Covered(item));
        }
        // The queue tries again what failed on our side and passes: it is running still.
        let is_over = |failure: &LastFailure| !(failure.is_ours() && failure.retry_at.is_some());
        if item.failure.as_ref().is_some_and(|failure| failure.want >= number && is_over(failure)) {
            return Ok(Waited::Failed(item));
        }
    }
    Ok(Waited::Running)
}

/// What the caller is told of a sync that the bank's side refused.
pub fn refused(item: &Item) -> Problem {
    let failure = item.failure.as_ref();
    // What is broken on our side, no repair of a person's mends.
    if let Some(ours) = failure.filter(|failure| failure.is_ours() && failure.retry_at.is_none()) {
        return Problem::new(500, "internal_error", ours.words());
    }
    // The item says what happened in words that a person can act on.
    let words = item.trouble().unwrap_or_default();
    let problem = match (item.health.advice(), failure.and_then(|failure| failure.retry_at)) {
        (Some(_), _) => Problem::new(409, "item_needs_attention", words),
        (None, Some(_)) => Problem::later("bank_unavailable", words, 60),
        (None, None) => Problem::new(500, "plaid_refused", words),
    };
    Problem { plaid_code: failure.map(|failure| failure.code.clone()), ..problem }
}
