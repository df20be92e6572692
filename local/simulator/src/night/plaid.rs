//! A Plaid that counts: so many syncs in any minute, and not one more, whoever asks.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    bank::{
        AccountFeed, AccountsAnswer, BankError, BankItem, HistoryStatus, Meaning, Patience, SyncPage,
        TransactionFeed,
    },
    ids::Cursor,
    secret::AccessToken,
};

use super::work::Shared;

const MINUTE_MS: u64 = 60_000;
/// What a call takes at most.
const CALL: Duration = Duration::from_millis(800);

/// What one client may ask, and has asked in the last minute.
pub(super) struct Limit {
    most: usize,
    calls: Mutex<VecDeque<u64>>,
}

impl Limit {
    pub(super) fn new(most: usize) -> Self {
        Self { most, calls: Mutex::default() }
    }

    /// Counts a call; false if it is one too many.
    fn take(&self, now_ms: u64) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while calls.front().is_some_and(|at| *at + MINUTE_MS <= now_ms) {
            calls.pop_front();
        }
        if calls.len() >= self.most {
            return false;
        }
        calls.push_back(now_ms);
        true
    }
}

/// The way to Plaid of one kind of worker.
pub(super) struct Bank {
    pub(super) shared: Shared,
    pub(super) limit: Arc<Limit>,
    /// Of 1,000 items so many need their user.
    pub(super) broken: u32,
    pub(super) calls: AtomicU64,
    /// Calls that were too many.
    pub(super) refused: AtomicU64,
}

impl Bank {
    pub(super) fn new(shared: &Shared, limit: &Arc<Limit>, broken: u32) -> Self {
        Self {
            shared: shared.clone(),
            limit: limit.clone(),
            broken,
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn count(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    fn answer(&self, token: &AccessToken) -> Result<SyncPage, BankError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !self.limit.take(self.shared.time.now_ms()) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(BankError::later(Patience::Minute, "TRANSACTIONS_SYNC_LIMIT"));
        }
        let number: u32 = token.expose().parse().unwrap_or_default();
        if number % 1_000 < self.broken {
            return Err(BankError::new(Meaning::NeedsUser, "ITEM_LOGIN_REQUIRED"));
        }
        Ok(SyncPage {
            added: Vec::new(),
            modified: Vec::new(),
            removed: Vec::new(),
            accounts: Vec::new(),
            next_cursor: "cursor".parse().ok(),
            has_more: false,
            history: HistoryStatus::Complete,
            request_id: None,
            left_out: Vec::new(),
        })
    }
}

#[async_trait]
impl TransactionFeed for Bank {
    async fn page(&self, token: &AccessToken, _: Option<&Cursor>) -> Result<SyncPage, BankError> {
        self.shared.call(CALL, || self.answer(token)).await
    }
}

#[async_trait]
impl AccountFeed for Bank {
    async fn accounts(&self, _: &AccessToken) -> Result<AccountsAnswer, BankError> {
        // Counted elsewhere, and far from its limit.
        let none = || AccountsAnswer { accounts: Vec::new(), item: BankItem::default() };
        Ok(self.shared.call(CALL, none).await)
    }
}
