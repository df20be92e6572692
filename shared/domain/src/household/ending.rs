//! The end of a household.
//!
//! First it is marked: from then on nobody can do anything in it, nobody comes in, and no bank is connected. Then each of its
//! items is removed, which the item's own row remembers. Last go the rows of the household. Whoever was an owner when it was
//! marked can ask for all that again, until nothing of it is left.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Membership;
use crate::{
    ids::{HouseholdId, ItemRef, UserId},
    store::StoreError,
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
    /// if its members change at the same time.
    async fn begin(
        &self,
        household: &HouseholdId,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<Ending, StoreError>;

    /// Marks all items of the household to be removed with all their data, those whose data had been kept included, and
    /// gives those for which somebody must come.
    async fn remove_items(&self, household: &HouseholdId, now: Timestamp)
    -> Result<Vec<ItemRef>, StoreError>;

    /// Removes everything of the household but what is left of its items; itself and its members last, and at once.
    async fn end(&self, household: &HouseholdId) -> Result<(), StoreError>;
}
