//! Planning a shard: page by page, each page written down before it is sent.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    message::{ITEMS_OF_A_MESSAGE, NightMessage, ShardMessage},
    ports::{DueItems, NightPlans, NightQueue, ShardPlan},
};
use crate::{
    store::StoreError,
    sync::QueueError,
    time::{Clock, until},
};

/// Items of a page, where nothing speaks for fewer: ten requests of ten messages, and one row of some 25 KB.
pub const PAGE_ITEMS: usize = 1_000;
/// What a page may take: the index is read, the plan written, the messages sent.
const PAGE: Duration = Duration::from_secs(10);

/// What planning reaches the world through.
#[derive(Clone)]
pub struct PlanDeps {
    /// The due index.
    pub due: Arc<dyn DueItems>,
    /// The plans.
    pub plans: Arc<dyn NightPlans>,
    /// Where the messages go.
    pub queue: Arc<dyn NightQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Items of a page.
    pub page_items: usize,
}

/// How planning a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// Everything has been sent, so many items, and this call saw it end.
    Over(u64),
    /// Everything had been sent before.
    AlreadyOver,
    /// The deadline came first: somebody must go on.
    HandOver,
}

/// Why a shard could not be planned. Nothing is lost: the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Somebody else plans the same shard.
    #[error("somebody else plans this shard")]
    Overtaken,
}

/// Queues every item of a shard at least once, from wherever its plan stands. Two at once do no harm: a message that is
/// sent twice is the same message.
///
/// # Errors
/// When it could not go on; calling it again does.
pub async fn plan_shard(
    deps: &PlanDeps,
    message: &ShardMessage,
    deadline: Timestamp,
) -> Result<Planned, PlanError> {
    let mut plan = deps.plans.shard_plan(message.night, message.shard).await?;
    if plan.is_over() {
        return Ok(Planned::AlreadyOver);
    }
    loop {
        if !plan.page.is_empty() {
            deps.queue.send_all(&NightMessage::of_page(message, plan.messages, &plan.page)).await?;
        }
        let is_late = until(deps.clock.now(), deadline) < PAGE;
        let next =
            if plan.is_read || is_late { after_page(&plan) } else { read_on(deps, message, &plan).await? };
        if !deps.plans.save_shard_plan(message.night, message.shard, &next, deps.clock.now()).await? {
            return Err(PlanError::Overtaken);
        }
        plan = next;
        if plan.is_over() {
            return Ok(Planned::Over(plan.queued));
        }
        if is_late {
            return Ok(Planned::HandOver);
        }
    }
}

/// The plan once its page is sent.
fn after_page(plan: &ShardPlan) -> ShardPlan {
    let sent = plan.page.len().div_ceil(ITEMS_OF_A_MESSAGE);
    ShardPlan {
        rev: plan.rev + 1,
        messages: plan.messages + u32::try_from(sent).unwrap_or(u32::MAX),
        page: Vec::new(),
        ..plan.clone()
    }
}

async fn read_on(deps: &PlanDeps, message: &ShardMessage, plan: &ShardPlan) -> Result<ShardPlan, StoreError> {
    let found = deps.due.due(message.shard, plan.after.as_ref(), deps.page_items).await?;
    let queued = plan.queued + u64::try_from(found.items.len()).unwrap_or(u64::MAX);
    let is_read = found.next.is_none();
    Ok(ShardPlan { queued, page: found.items, after: found.next, is_read, ..after_page(plan) })
}
