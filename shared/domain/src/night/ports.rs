//! What the night asks of the store and the queues.

use std::{ops::AddAssign, time::Duration};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::{
    LASTS, SHARDS,
    message::{NightMessage, Shard, ShardMessage},
};
use crate::{ids::ItemRef, store::StoreError, sync::QueueError, time::later};

/// Reads the due index.
#[async_trait]
pub trait DueItems: Send + Sync {
    /// Up to `limit` items of a shard, those after `after`, in the order of the index. The index trails: an item that was
    /// linked a moment ago may be missing, and its own first sync covers it.
    async fn due(&self, shard: Shard, after: Option<&ItemRef>, limit: usize) -> Result<DuePage, StoreError>;
}

/// A page of the due index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// The items.
    pub items: Vec<ItemRef>,
    /// Where to go on, if there may be more.
    pub next: Option<ItemRef>,
}

/// A night that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// When, by whoever did it first.
    pub at: Timestamp,
    /// Whether it was this call.
    pub is_new: bool,
}

impl Begun {
    /// When the night is over.
    pub fn ends(&self) -> Timestamp {
        later(self.at, LASTS)
    }
}

/// How far the plan of a shard is. Each state is written down before its page is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardPlan {
    /// The revision: a write requires it unchanged and adds one.
    pub rev: u64,
    /// Items read so far, those of the page included, each once.
    pub queued: u64,
    /// Messages before those of the page.
    pub messages: u32,
    /// Items whose messages are to be sent, or were sent last.
    pub page: Vec<ItemRef>,
    /// The last item that was read.
    pub after: Option<ItemRef>,
    /// Whether the index has been read to its end.
    pub is_read: bool,
}

impl ShardPlan {
    /// Whether everything has been sent.
    pub fn is_over(&self) -> bool {
        self.is_read && self.page.is_empty()
    }
}

/// Keeps the plans of nights.
#[async_trait]
pub trait NightPlans: Send + Sync {
    /// Begins a night, or tells when it was begun.
    async fn begin(&self, night: Date, now: Timestamp) -> Result<Begun, StoreError>;

    /// How far the plan of a shard is, read consistently; a new one if nobody has begun it.
    async fn shard_plan(&self, night: Date, shard: Shard) -> Result<ShardPlan, StoreError>;

    /// Replaces the plan of a shard, whose revision is `plan.rev` - 1 until then. False if somebody else did.
    async fn save_shard_plan(
        &self,
        night: Date,
        shard: Shard,
        plan: &ShardPlan,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// What became of an item in a night. Each is exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The bank was asked, and so many rows changed.
    Succeeded(u32),
    /// The bank's side refused, which stands on the item, or the night was over first.
    Failed,
    /// Nothing was to be asked: fetched not long ago.
    Fresh,
    /// Nothing was to be asked: it syncs no more. Counts as fresh, and beside it.
    Gone,
    /// Nobody understood what happened: it is among the dead letters.
    Parked,
}

/// Counts of a night: `queued` = `succeeded` + `failed` + `fresh` + `parked`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NightCounts {
    /// The bank was asked.
    pub succeeded: u64,
    /// The bank's side refused, or the night was over first.
    pub failed: u64,
    /// Nothing was to be asked.
    pub fresh: u64,
    /// Those of the fresh that sync no more: disconnected, or on their way out.
    pub gone: u64,
    /// Among the dead letters.
    pub parked: u64,
    /// Rows that changed.
    pub rows: u64,
}

impl NightCounts {
    /// How many items have been counted.
    pub fn items(&self) -> u64 {
        self.succeeded + self.failed + self.fresh + self.parked
    }
}

impl AddAssign<Settled> for NightCounts {
    fn add_assign(&mut self, settled: Settled) {
        match settled {
            Settled::Succeeded(rows) => {
                self.succeeded += 1;
                self.rows += u64::from(rows);
            }
            Settled::Failed => self.failed += 1,
            Settled::Fresh => self.fresh += 1,
            Settled::Gone => {
                self.fresh += 1;
                self.gone += 1;
            }
            Settled::Parked => self.parked += 1,
        }
    }
}

impl AddAssign for NightCounts {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.fresh += other.fresh;
        self.gone += other.gone;
        self.parked += other.parked;
        self.rows += other.rows;
    }
}

/// Counts what became of items.
#[async_trait]
pub trait NightCounting: Send + Sync {
    /// Counts the places of a message that have not been counted yet, and says what it counted: each once, whoever
    /// tells it and how often.
    async fn count(
        &self,
        message: &NightMessage,
        settled: &[(u8, Settled)],
        now: Timestamp,
    ) -> Result<NightCounts, StoreError>;
}

/// A night so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NightReport {
    /// When it was begun.
    pub begun: Timestamp,
    /// Shards whose items have all been sent.
    pub planned: u32,
    /// Items, each once.
    pub queued: u64,
    /// What became of them.
    pub counts: NightCounts,
}

impl NightReport {
    /// Whether every item has been counted.
    pub fn is_complete(&self) -> bool {
        self.planned == u32::from(SHARDS) && self.queued == self.counts.items()
    }
}

/// Reads nights for people.
#[async_trait]
pub trait Nights: Send + Sync {
    /// A night so far; `None` if nobody has begun it. Reads a row for each message.
    async fn night(&self, night: Date) -> Result<Option<NightReport>, StoreError>;
}

/// The queue of shards.
#[async_trait]
pub trait ShardQueue: Send + Sync {
    /// Queues all of them. After an error any of them may be queued.
    async fn send_all(&self, messages: &[ShardMessage]) -> Result<(), QueueError>;
}

/// The queue of the night.
#[async_trait]
pub trait NightQueue: Send + Sync {
    /// Queues all of them. After an error any of them may be queued.
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError>;

    /// Queues one, to be seen after `delay` (at most 15 minutes).
    async fn send(&self, message: &NightMessage, delay: Duration) -> Result<(), QueueError>;
}
