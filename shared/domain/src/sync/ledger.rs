//! The ledger of runs, and the balances of days: what happened, for whoever is asked about it later.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    account::{Balances, BankAccount},
    ids::{AccountId, ItemRef},
    item::Counts,
    money::Currency,
    store::StoreError,
};

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A new connection, and the looks for its history.
    Link,
    /// A person, by the API.
    Person,
    /// Plaid, by a webhook.
    Webhook,
    /// The night.
    Night,
    /// Something that was to be tried again.
    Sweep,
}

/// Plaid's ids of a run's calls that are kept: the first ones tell as much as all of a long history's.
pub(super) const MOST_REQUEST_IDS: usize = 20;
/// Of entries that were left out, so many are kept.
pub(super) const MAX_LEFT_OUT: usize = 10;

/// One line of the ledger: written when something changed or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// When it ended.
    pub at: Timestamp,
    /// When it began; for an update that several invocations wrote, the first of them.
    pub began: Timestamp,
    /// Who asked for it.
    pub cause: Cause,
    /// Pages read.
    pub pages: u32,
    /// What changed.
    pub counts: Counts,
    /// The bank's code, if it failed.
    pub failure: Option<String>,
    /// Plaid's ids of the calls.
    pub request_ids: Vec<String>,
    /// The beginnings of entries of which nothing could be made, since they named neither a transaction nor an account.
    pub left_out: Vec<String>,
}

/// What was on an account at the last look of a day (UTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayBalance {
    /// The account.
    pub account: AccountId,
    /// The day.
    pub date: Date,
    /// What was on it.
    pub balances: Balances,
    /// In which currency.
    pub currency: Option<Currency>,
}

impl DayBalance {
    /// What the bank says is on an account now.
    pub fn of(account: &AccountId, bank: &BankAccount, now: Timestamp) -> Self {
        Self {
            account: account.clone(),
            date: now.to_zoned(TimeZone::UTC).date(),
            balances: bank.balances.clone(),
            currency: bank.currency.clone(),
        }
    }
}

/// Reads what the sync wrote down.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The last runs of an item that changed something or failed, newest first.
    async fn runs(&self, at: &ItemRef, limit: u32) -> Result<Vec<RunEntry>, StoreError>;

    /// The balances of an item's accounts by day, oldest first. A day on which nothing differed has none.
    async fn balances(&self, at: &ItemRef) -> Result<Vec<DayBalance>, StoreError>;
}
