//! The end of a household.
//!
//! First it is marked: from then on nobody can do anything in it, nobody comes in, and no bank is connected. Then each of its
//! items is removed, which the item's own row remembers. Last go the rows of the household. Whoever was an owner when it was
//! marked can ask for all that again, until nothing of it is left.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::Membership;
use crate::{
    ids::{HouseholdId, ItemRef, UserId},
    removal::{RemovalMessage, RemovalQueue},
    store::StoreError,
    sync::QueueError,
};

/// What became of the beginning of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has begun, now or before.
    Begun,
    /// It is not at the revision any more that the caller has seen.
    Stale,
    /// There is no such household, or none any more.
    NotThere,
}

/// Ends households. Every step may be done again.
#[async_trait]
pub trait HouseholdEnds: Send + Sync {
    /// The user's place in a household, one that is ending too.
    async fn place(&self, user: &UserId, household: &HouseholdId) -> Result<Option<Membership>, StoreError>;

    /// Marks the household and all places in it, in one transaction, if it is at `revision` or none is asked for. Busy
    /// if its members change at the same time, or `by` is no owner any more.
    async fn begin(
        &self,
        by: &UserId,
        household: &HouseholdId,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<Ending, StoreError>;

    /// Whether it has been marked, and something of it is left.
    async fn is_ending(&self, household: &HouseholdId) -> Result<bool, StoreError>;

    /// Marks all items of the household to be removed with all their data, those whose data had been kept included, and
    /// gives those for which somebody must come.
    async fn remove_items(&self, household: &HouseholdId, now: Timestamp)
    -> Result<Vec<ItemRef>, StoreError>;

    /// Removes everything of the household but what is left of its items; itself and its members last, and at once.
    async fn end(&self, household: &HouseholdId) -> Result<(), StoreError>;
}

/// Why an end did not come.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue of removals failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Removes what is in a household that has been marked, and the household. Whoever comes again goes on.
///
/// # Errors
/// Something is left then, and somebody must come again.
pub async fn finish(
    ends: &dyn HouseholdEnds,
    queue: &dyn RemovalQueue,
    household: &HouseholdId,
    now: Timestamp,
) -> Result<(), EndError> {
    for at in ends.remove_items(household, now).await? {
        queue.send(&RemovalMessage::of_item(at), Duration::ZERO).await?;
    }
    Ok(ends.end(household).await?)
}
