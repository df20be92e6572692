//! Queues every item of a shard of the night — SQS, the queue of shards.
//!
//! Order of effects, page by page: the plan with the page → its messages. A crash in between leaves the page in the plan,
//! and whoever goes on sends it, with the same numbers; so each item is queued at least once, and counted once. At its
//! deadline it hands over by a message to itself.

pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    night::{PlanDeps, PlanError, Planned, ShardMessage, ShardQueue, plan_shard},
    store::StoreError,
};
use edge::batch::{Message, Verdict};

/// What this function reaches the world through.
pub struct Deps {
    /// What planning needs.
    pub plan: PlanDeps,
    /// The queue of shards, for whoever goes on.
    pub shards: Arc<dyn ShardQueue>,
}

/// Plans a shard.
pub async fn handle(deps: &Deps, message: Message<ShardMessage>) -> Verdict {
    let Message { content, deadline } = message;
    if content.ends <= deps.plan.clock.now() {
        return Verdict::Park("the night was over before its shard was planned".to_owned());
    }
    match plan_shard(&deps.plan, &content, deadline).await {
        Ok(Planned::Over(queued)) => {
            edge::metrics::emit(&[], &[("NightQueued", "Count", queued)]);
            tracing::info!(target: "function", night = %content.night, shard = %content.shard, queued, "shard planned");
            Verdict::Done
        }
        Ok(Planned::AlreadyOver) => Verdict::Done,
        Ok(Planned::HandOver) => match deps.shards.send_all(&[content]).await {
            Ok(()) => Verdict::Done,
            Err(error) => Verdict::Retry(error.to_string()),
        },
        Err(error @ PlanError::Store(StoreError::Corrupt(_) | StoreError::Refused(_))) => {
            Verdict::Park(error.to_string())
        }
        Err(error) => Verdict::Retry(error.to_string()),
    }
}
