//! A store in memory behind the sync's ports: what is left is the sync itself.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::{
    account::Account,
    event::News,
    ids::{ItemRef, TransactionId},
    item::SyncState,
    store::StoreError,
    sync::{
        Announcements, Commit, CommitError, LiveRows, PageFacts, RowWrite, StoredRow, SyncReads, SyncWrites,
    },
};

/// One item and its rows.
pub(crate) struct Memory(Mutex<Inner>);

struct Inner {
    state: SyncState,
    rows: BTreeMap<TransactionId, StoredRow>,
    pages: HashMap<u32, PageFacts>,
}

impl Memory {
    pub(crate) fn new(state: SyncState) -> Self {
        Self(Mutex::new(Inner { state, rows: BTreeMap::new(), pages: HashMap::new() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.inner().rows.len()
    }
}

#[async_trait]
impl SyncReads for Memory {
    async fn state(&self, _: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        Ok(Some(self.inner().state.clone()))
    }

    async fn rows(
        &self,
        _: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        let inner = self.inner();
        Ok(ids.iter().filter_map(|id| Some((id.clone(), inner.rows.get(id)?.clone()))).collect())
    }

    async fn live_rows(&self, _: &ItemRef, _: Option<&TransactionId>) -> Result<LiveRows, StoreError> {
        Ok(LiveRows { rows: self.inner().rows.values().cloned().collect(), next: None })
    }
}

#[async_trait]
impl Announcements for Memory {
    async fn announced(&self, _: &ItemRef, _: &News) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SyncWrites for Memory {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut inner = self.inner();
        let Inner { state, rows, pages } = &mut *inner;
        if state.rev != commit.rev {
            return Err(CommitError::Conflict);
        }
        state.rev += 1;
        commit.item.cursor.apply(&mut state.cursor);
        commit.item.stage.apply(&mut state.stage);
        state.item.done = commit.item.done.unwrap_or(state.item.done);
        state.accounts_known |= commit.item.looked.is_some();
        state.months = commit.item.months.clone().unwrap_or_else(|| state.months.clone());
        for write in &commit.accounts {
            state.accounts.retain(|account| account.id != write.id);
            state.accounts.push(Account::new(write.id.clone(), write.bank.clone()));
        }
        if let Some((_, number, page)) = &commit.page {
            pages.insert(*number, page.clone());
        }
        for write in &commit.rows {
            let RowWrite::Bank { key, facts, digest, .. } = write else { continue };
            let row = StoredRow {
                key: key.clone(),
                carries: Some(facts.id.clone()),
                digest: Some(*digest),
                edited: false,
                next: None,
                signature: None,
                pending: facts.pending,
                authorized: facts.authorized_date,
                generation: 0,
                guessed: false,
            };
            rows.insert(key.clone(), row);
        }
        Ok(())
    }

    async fn stage_page(&self, _: &ItemRef, _: u64, page: u32) -> Result<Option<PageFacts>, StoreError> {
        Ok(self.inner().pages.get(&page).cloned())
    }

    async fn drop_pages(&self, _: &ItemRef, _: u64, _: u32) -> Result<(), StoreError> {
        self.inner().pages.clear();
        Ok(())
    }
}
