//! EventBridge Scheduler, every 15 minutes — looks again at items that failed in a way that passes.
//!
//! Order of effects, for each item whose `retry_at` has come: the claim, which keeps it from the next sweeps for an hour → a
//! message to the queue of syncs. A crash in between, or a message that is lost, costs that hour. What is too much for one
//! sweep is left to the next one.

pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    retries::{CLAIMED, Retries, Retry, RetryShard},
    sync::{Cause, SyncMessage, SyncQueue},
    time::{Clock, later, until},
};
use edge::schedule::{Run, RunError};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What this function reaches the world through.
pub struct Deps {
    /// What is to be tried again.
    pub retries: Arc<dyn Retries>,
    /// Where syncs are asked for.
    pub queue: Arc<dyn SyncQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Items of one shard that one sweep takes at most. All shards together are what the workers can do until the next one.
const MOST: usize = 500;
/// Items that are claimed side by side.
const AT_ONCE: usize = 16;
/// What a shard may take.
const SHARD: Duration = Duration::from_secs(8);

/// What the schedule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The time that it was set for.
    pub scheduled_at: Timestamp,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Syncs that it asked for.
    pub swept: u64,
    /// Whether there may be more, which the next sweep takes.
    pub is_partial: bool,
}

/// Asks for a sync of each item whose time has come.
///
/// # Errors
/// When the store or the queue failed; running it again goes on.
pub async fn handle(deps: &Deps, run: Run<Input>) -> Result<Answer, RunError> {
    let mut answer = Answer::default();
    for shard in RetryShard::all() {
        let now = deps.clock.now();
        if until(now, run.deadline) < SHARD {
            answer.is_partial = true;
            break;
        }
        let page = deps.retries.due_retries(shard, now, MOST).await;
        let page = page.map_err(|error| RunError::because(&error))?;
        answer.is_partial |= !page.is_last;
        let swept = stream::iter(page.retries).map(|retry| sweep(deps, retry, now)).buffer_unordered(AT_ONCE);
        let swept: Vec<bool> = swept.try_collect().await?;
        answer.swept += u64::try_from(swept.into_iter().filter(|swept| *swept).count()).unwrap_or(u64::MAX);
    }
    edge::metrics::emit(&[], &[("RetriesSwept", "Count", answer.swept)]);
    tracing::info!(target: "function", swept = answer.swept, is_partial = answer.is_partial, "retries swept");
    Ok(answer)
}

/// False if the item is somebody else's.
async fn sweep(deps: &Deps, retry: Retry, now: Timestamp) -> Result<bool, RunError> {
    let claimed = deps.retries.claim(&retry, later(now, CLAIMED)).await;
    if !claimed.map_err(|error| RunError::because(&error))? {
        return Ok(false);
    }
    let message = SyncMessage::unnumbered(retry.at, Cause::Sweep);
    deps.queue.send(&message, Duration::ZERO).await.map_err(|error| RunError::because(&error))?;
    Ok(true)
}
