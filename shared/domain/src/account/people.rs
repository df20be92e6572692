//! What people decide about an account, and the accounts that they keep themselves.

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Account, AccountKind};
use crate::{
    ids::{AccountId, ItemRef, UserId},
    money::Currency,
    store::StoreError,
    sync::Edit,
};

/// A person's half of an account: no sync touches it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountHalf {
    /// Counts its changes; 0 as long as nobody has decided anything.
    pub rev: u64,
    /// The name in place of the bank's.
    pub name: Option<String>,
    /// Whether it is left out of budgets.
    pub is_left_out: bool,
    /// Whether it is not shown where accounts are chosen from.
    pub hidden: bool,
    /// Whether it takes no new transactions: only of one that is kept by hand.
    pub closed: bool,
    /// What is on it: only of one that is kept by hand.
    pub balance: Option<Decimal>,
}

/// What a person changes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The name.
    pub name: Edit<String>,
    /// Whether it counts in budgets.
    pub include_in_budget: Option<bool>,
    /// Whether it is not shown.
    pub hidden: Option<bool>,
    /// Whether it takes no new transactions.
    pub closed: Option<bool>,
    /// What is on it.
    pub balance: Edit<Decimal>,
    /// Whether a person says that it has no twin in the household.
    pub is_alone: bool,
}

impl AccountChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AccountHalf {
    /// The half after a change.
    #[must_use]
    pub fn with(mut self, change: &AccountChange) -> Self {
        change.name.apply(&mut self.name);
        self.is_left_out = change.include_in_budget.map_or(self.is_left_out, |counts| !counts);
        self.hidden = change.hidden.unwrap_or(self.hidden);
        self.closed = change.closed.unwrap_or(self.closed);
        change.balance.apply(&mut self.balance);
        self.rev += 1;
        self
    }
}

/// An account that is kept by hand from the start. It is an item of its own, which is connected to nothing: what goes for
/// accounts that were kept when their connection went, goes for it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewManualAccount {
    /// Its item.
    pub at: ItemRef,
    /// Who keeps it.
    pub user: UserId,
    /// Its name.
    pub name: String,
    /// Its type, by Plaid's names.
    pub kind: AccountKind,
    /// Its subtype.
    pub subtype: Option<String>,
    /// The currency of its balance, and of its transactions.
    pub currency: Currency,
    /// What is on it.
    pub balance: Option<Decimal>,
    /// When it was made.
    pub now: Timestamp,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountEdited {
    /// It is this now.
    Done(Box<Account>),
    /// There is no such account, or none any more.
    NotFound,
    /// Somebody has written since.
    Stale,
    /// It is the bank's to say.
    NotManual,
}

/// Keeps what people decide about accounts.
#[async_trait]
pub trait AccountEdits: Send + Sync {
    /// Makes an account that is kept by hand. Making the same again leaves it as it is. False if the household is gone.
    async fn open(&self, new: &NewManualAccount) -> Result<bool, StoreError>;

    /// Changes the person's half of an account; only if it has `if_rev`, where that is given.
    async fn change_account(
        &self,
        at: &ItemRef,
        account: &AccountId,
        change: &AccountChange,
        if_rev: Option<u64>,
    ) -> Result<AccountEdited, StoreError>;
}
