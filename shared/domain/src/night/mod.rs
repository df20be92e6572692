//! The night: every connection is looked at once a day, whether or not a webhook told of it.
//!
//! A night is a date. It is planned once (`NightPlans::begin`), then each shard of the due index becomes messages of ten
//! items (`plan_shard`), and each message becomes ten syncs. A plan is written down before it is sent, page by page: a
//! message that is sent again is the same message, so each of its items is counted once.

mod breaker;
mod message;
mod plan;
mod ports;

pub use breaker::{Breaker, Guarded, Watch};
pub use message::{
    ITEMS_OF_A_MESSAGE, NightItem, NightMessage, SHARDS, Shard, ShardError, ShardMessage, letter,
};
pub use plan::{PAGE_ITEMS, PlanDeps, PlanError, Planned, plan_shard};
pub use ports::{
    Begun, DueItems, DuePage, NightCounting, NightCounts, NightPlans, NightQueue, NightReport, Nights,
    Settled, ShardPlan, ShardQueue,
};

use std::time::Duration;

/// An item whose last good run is not older than this needs no look.
pub const FRESH: Duration = Duration::from_hours(20);
/// How long a night lasts: what it has not reached by then is left to the next one.
pub const LASTS: Duration = Duration::from_hours(22);
