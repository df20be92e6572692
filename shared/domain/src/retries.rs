//! Items that failed in a way that passes: somebody looks at them again once their `retry_at` has come.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    ids::{ItemId, ItemRef},
    store::StoreError,
};

/// How long a claim keeps an item away from the next sweeps: its sync has long ended by then, or its message is lost.
pub const CLAIMED: Duration = Duration::from_hours(1);

/// A part of the index of retries: spread, so that the outage of a large bank has no hot one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetryShard(u8);

const SHARDS: u8 = 8;

impl RetryShard {
    /// All shards.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard that an item is in, for as long as it lives.
    pub fn of(item: &ItemId) -> Self {
        Self(u8::from(crate::night::Shard::of(item)) % SHARDS)
    }
}

impl std::fmt::Display for RetryShard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An item whose `retry_at` has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The item.
    pub at: ItemRef,
    /// Where it stands in the index. Whoever moves it has claimed it.
    pub place: String,
}

/// A page of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPage {
    /// The items, the one that has waited longest first.
    pub retries: Vec<Retry>,
    /// Whether there are no more.
    pub is_last: bool,
}

/// Finds and claims items that are to be tried again.
#[async_trait]
pub trait Retries: Send + Sync {
    /// Up to `limit` items of a shard whose time has come. The index trails: a claim tells the truth.
    async fn due_retries(
        &self,
        shard: RetryShard,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryPage, StoreError>;

    /// Keeps an item away from other sweeps until then. False if somebody else has claimed it, if it has been synced
    /// since, or if it is on its way out.
    async fn claim(&self, retry: &Retry, until: Timestamp) -> Result<bool, StoreError>;
}
