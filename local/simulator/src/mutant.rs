//! Faults of our own, to see that the simulator finds them: what the sync would do if a rule of it were left out. They
//! stand around the engine and the store, not in them.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use clap::ValueEnum;
use domain::{
    account::Generation,
    ids::{AccountId, ItemRef, TransactionId},
    item::{Phase, SyncState},
    store::StoreError,
    sync::{Commit, CommitError, Edit, LiveRows, PageFacts, StoredRow, SyncReads, SyncWrites},
};
use store::Store;

/// A rule that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// Writes do not require the item's revision.
    SkipTheRevCondition,
    /// The cursor moves with each page of the redo log.
    CursorBeforeTheStage,
    /// A stage is applied while pages are still missing.
    ApplyAnUnfinishedStage,
    /// Rows are compared as an eventually consistent read has them.
    DiffOnAnOldRead,
    /// A commit covers the triggers that came while it was under way.
    SkipATrigger,
    /// A removed id ends its row, whatever id that carries.
    ClearAnotherId,
    /// A row that one transaction has taken over is free for another.
    TakeATakenRow,
    /// An account under a new id is a new account.
    ForgetContinuations,
    /// A cursor that Plaid refuses is kept.
    KeepARefusedCursor,
    /// What a bank changes while it is asked is told by no webhook.
    LoseAWebhook,
}

/// The store, with a rule left out.
pub(crate) struct Mutated {
    pub(crate) store: Arc<Store>,
    pub(crate) mutant: Mutant,
}

#[async_trait]
impl SyncReads for Mutated {
    async fn state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        let mut state = self.store.state(at).await?;
        if self.mutant == Mutant::ApplyAnUnfinishedStage
            && let Some(stage) = state.as_mut().and_then(|state| state.stage.as_mut())
            && let Phase::Fetching(_) = stage.phase
        {
            stage.phase = Phase::Applying(0);
        }
        Ok(state)
    }

    async fn rows(
        &self,
        at: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        let mut rows = self.store.rows(at, ids).await?;
        if self.mutant == Mutant::TakeATakenRow {
            for (id, row) in &mut rows {
                row.carries = row.carries.take().filter(|carried| carried == id);
            }
        }
        if self.mutant == Mutant::ClearAnotherId {
            for (id, row) in &mut rows {
                row.carries = row.carries.take().map(|_| id.clone());
            }
        }
        Ok(rows)
    }

    async fn live_rows(&self, at: &ItemRef, after: Option<&TransactionId>) -> Result<LiveRows, StoreError> {
        self.store.live_rows(at, after).await
    }
}

#[async_trait]
impl SyncWrites for Mutated {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut commit = commit.clone();
        match self.mutant {
            Mutant::CursorBeforeTheStage => {
                if let Edit::Set(stage) = &commit.item.stage
                    && let Phase::Fetching(next) = &stage.phase
                {
                    commit.item.cursor = Edit::Set(next.clone());
                }
            }
            Mutant::ForgetContinuations => {
                for account in commit.accounts.iter_mut().filter(|account| account.generation.number > 0) {
                    account.id = AccountId::derive(&commit.at.item, &account.bank.id);
                    account.generation = Generation::default();
                }
            }
            Mutant::KeepARefusedCursor if commit.item.cursor == Edit::Clear => {
                commit.item.cursor = Edit::Keep;
            }
            Mutant::SkipATrigger if commit.item.done.is_some() => {
                commit.item.done = self.store.state(&commit.at).await?.map(|state| state.item.want);
            }
            _ => {}
        }
        self.store.commit(&commit).await
    }

    async fn stage_page(&self, at: &ItemRef, run: u64, page: u32) -> Result<Option<PageFacts>, StoreError> {
        self.store.stage_page(at, run, page).await
    }

    async fn drop_pages(&self, at: &ItemRef, run: u64, pages: u32) -> Result<(), StoreError> {
        self.store.drop_pages(at, run, pages).await
    }
}
