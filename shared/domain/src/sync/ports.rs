//! What the sync asks of the store and the queue.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{
    fold::PageFacts,
    ledger::{DayBalance, RunEntry},
    message::SyncMessage,
    plan::{RowWrite, StoredRow},
};
use crate::{
    account::{Account, AccountState, BankAccount, Generation},
    bank::HistoryStatus,
    event::News,
    ids::{AccountId, Cursor, InstitutionId, ItemRef, TransactionId},
    item::{Counts, Health, LastFailure, LastRun, Stage, SyncState},
    store::StoreError,
    transaction::Month,
};

/// What the sync reads. Everything here decides a write, so everything here is consistent.
#[async_trait]
pub trait SyncReads: Send + Sync {
    /// The item with its accounts; `None` if there is no such item.
    async fn state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError>;

    /// For every id that is known, as a key or as a later id, its row.
    async fn rows(
        &self,
        at: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError>;

    /// Live rows of the item in the order of their keys, those after `after`; a page of them.
    async fn live_rows(&self, at: &ItemRef, after: Option<&TransactionId>) -> Result<LiveRows, StoreError>;
}

/// A page of live rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRows {
    /// The rows.
    pub rows: Vec<StoredRow>,
    /// Where to go on, if there are more.
    pub next: Option<TransactionId>,
}

/// A change of one attribute: most commits leave most attributes alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Write this.
    Set(T),
    /// Take it away.
    Clear,
}

impl<T> Edit<T> {
    /// The same change of what `change` makes of it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Edit<U> {
        match self {
            Self::Keep => Edit::Keep,
            Self::Set(value) => Edit::Set(change(value)),
            Self::Clear => Edit::Clear,
        }
    }
}

impl<T: Clone> Edit<T> {
    /// Makes the change.
    pub fn apply(&self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(new) => *value = Some(new.clone()),
            Self::Clear => *value = None,
        }
    }
}

/// What a commit changes on the item's row, besides the revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemPatch {
    /// The cursor.
    pub cursor: Edit<Cursor>,
    /// The `want` that this run has covered.
    pub done: Option<u64>,
    /// The open stage.
    pub stage: Edit<Stage>,
    /// How far the history is.
    pub history: Option<HistoryStatus>,
    /// How the item is.
    pub health: Option<Health>,
    /// The last run that ended well.
    pub last_run: Option<LastRun>,
    /// The last failure.
    pub failure: Edit<LastFailure>,
    /// What all runs together have changed.
    pub totals: Option<Counts>,
    /// All months that the item's transactions have been in.
    pub months: Option<BTreeSet<Month>>,
    /// That all accounts have been asked for now, and the `want` read before that.
    pub looked: Option<u64>,
    /// Whether a selection of accounts in Link has been applied.
    pub selection_applied: bool,
    /// What is to be announced.
    pub news: Option<News>,
    /// When the item will be calm again.
    pub calm: Option<Timestamp>,
    /// Whether the bank has accounts that are not shared.
    pub new_accounts: Option<bool>,
    /// When the item's budget of calls will be full again.
    pub budget: Option<Timestamp>,
    /// The bank, if it was not known before.
    pub institution: Option<InstitutionId>,
    /// Its name, likewise.
    pub institution_name: Option<String>,
}

/// An account to be written: the bank's half of it, and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountWrite {
    /// Our id.
    pub id: AccountId,
    /// What the bank says now.
    pub bank: BankAccount,
    /// What becomes of it in a sync.
    pub state: AccountState,
    /// Under which of its ids it goes on.
    pub generation: Generation,
}

impl From<&Account> for AccountWrite {
    fn from(account: &Account) -> Self {
        let Account { id, bank, state, generation, .. } = account;
        Self { id: id.clone(), bank: bank.clone(), state: *state, generation: *generation }
    }
}

/// One atomic write of the sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The item.
    pub at: ItemRef,
    /// The revision that it must still have. The write adds one.
    pub rev: u64,
    /// When: what expires counts from here.
    pub now: Timestamp,
    /// Changes of the item's row.
    pub item: ItemPatch,
    /// Transactions.
    pub rows: Vec<RowWrite>,
    /// Accounts.
    pub accounts: Vec<AccountWrite>,
    /// What is on accounts today, where it differs from what was known.
    pub balances: Vec<DayBalance>,
    /// The line of the ledger, at the end of a run that changed something or failed.
    pub run: Option<RunEntry>,
    /// A page for the redo log: run, number, content.
    pub page: Option<(u64, u32, PageFacts)>,
    /// Months that the household has not had from this item before.
    pub new_months: BTreeSet<Month>,
}

impl Commit {
    /// A write that changes nothing yet.
    pub fn new(at: &ItemRef, rev: u64, now: Timestamp) -> Self {
        Self {
            at: at.clone(),
            rev,
            now,
            item: ItemPatch::default(),
            rows: Vec::new(),
            accounts: Vec::new(),
            balances: Vec::new(),
            run: None,
            page: None,
            new_months: BTreeSet::new(),
        }
    }
}

/// Why a commit did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The item has another revision, or is on its way out: read again.
    #[error("the item changed meanwhile")]
    Conflict,
    /// The store failed; whether the commit took effect is not known. Reading again tells.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the sync writes.
#[async_trait]
pub trait SyncWrites: Send + Sync {
    /// All of it or nothing, if the item has the revision, is not on its way out, and what a write asks of its row
    /// holds. Up to 100 actions, the item's own counted; a retry inside takes effect once.
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError>;

    /// A page of the redo log, read consistently; `None` if it is not there.
    async fn stage_page(&self, at: &ItemRef, run: u64, page: u32) -> Result<Option<PageFacts>, StoreError>;

    /// Removes the pages of a stage that is closed. What is left behind expires by itself.
    async fn drop_pages(&self, at: &ItemRef, run: u64, pages: u32) -> Result<(), StoreError>;
}

/// Remembers what has been announced.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// Takes news off the item's row, unless younger ones stand there.
    async fn announced(&self, at: &ItemRef, news: &News) -> Result<(), StoreError>;
}

/// The queue of syncs.
#[async_trait]
pub trait SyncQueue: Send + Sync {
    /// Queues a message to be seen after `delay` (at most 15 minutes). Delivered at least once, in any order.
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError>;
}

/// The queue did not take the message; whether it will be delivered is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the queue cannot be reached: {0}")]
pub struct QueueError(pub String);
