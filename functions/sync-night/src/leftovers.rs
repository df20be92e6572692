//! What runs see of items that are on their way out, or have something left of what was removed.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::{
    ids::{ItemRef, TransactionId},
    item::SyncState,
    store::StoreError,
    sync::{LiveRows, StoredRow, SyncReads},
};

/// The reads of the store, which remember the items that somebody must come for: the run reads each item anyway.
pub struct Leftovers {
    reads: Arc<dyn SyncReads>,
    seen: Mutex<HashSet<ItemRef>>,
}

impl Leftovers {
    /// The same reads, watched.
    pub fn new(reads: Arc<dyn SyncReads>) -> Self {
        Self { reads, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<ItemRef>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody must come for an item, as it was read last; and forgets it.
    pub(crate) fn take(&self, at: &ItemRef) -> bool {
        self.seen().remove(at)
    }
}

#[async_trait]
impl SyncReads for Leftovers {
    async fn state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        let state = self.reads.state(at).await?;
        if state.as_ref().is_some_and(SyncState::has_leftovers) {
            self.seen().insert(at.clone());
        } else {
            self.seen().remove(at);
        }
        Ok(state)
    }

    async fn rows(
        &self,
        at: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        self.reads.rows(at, ids).await
    }

    async fn live_rows(&self, at: &ItemRef, after: Option<&TransactionId>) -> Result<LiveRows, StoreError> {
        self.reads.live_rows(at, after).await
    }
}
