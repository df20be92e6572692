//! EventBridge Scheduler, at night — begins the night.
//!
//! A night is a date in the households' time zone, begun once however often this runs. Order of effects: the night's row →
//! a message for each shard. A crash in between leaves the row; the next run sends all messages, and a shard that has been
//! planned already says so.

pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    night::{NightPlans, Shard, ShardMessage, ShardQueue},
    time::Clock,
};
use edge::schedule::{Run, RunError};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// What this function reaches the world through.
pub struct Deps {
    /// The plans of nights.
    pub plans: Arc<dyn NightPlans>,
    /// Where shards are asked for.
    pub queue: Arc<dyn ShardQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// In which zone a night has its date.
    pub zone: TimeZone,
}

/// Which night: the schedule says its time, an operator a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The time that the schedule was set for.
    ScheduledAt(Timestamp),
    /// The night of this date.
    Date(Date),
}

/// The night that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Its date.
    pub night: Date,
    /// Since when.
    pub begun: Timestamp,
    /// Whether by this run.
    pub is_new: bool,
}

/// Begins a night.
///
/// # Errors
/// When the store or the queue did not take it; running it again goes on.
pub async fn handle(deps: &Deps, run: Run<Input>) -> Result<Answer, RunError> {
    let night = match run.input {
        Input::ScheduledAt(at) => at.to_zoned(deps.zone.clone()).date(),
        Input::Date(date) => date,
    };
    let begun = deps.plans.begin(night, deps.clock.now()).await.map_err(|error| RunError::because(&error))?;
    let message = |shard| ShardMessage { night, shard, ends: begun.ends() };
    let messages: Vec<_> = Shard::all().map(message).collect();
    deps.queue.send_all(&messages).await.map_err(|error| RunError::because(&error))?;
    // Counted twice is no harm: the alarm is for a day without any.
    edge::metrics::emit(&[], &[("NightsBegun", "Count", 1)]);
    tracing::info!(target: "function", %night, is_new = begun.is_new, "night begun");
    Ok(Answer { night, begun: begun.at, is_new: begun.is_new })
}
