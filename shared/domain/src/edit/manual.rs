//! Transactions that people enter: no bank knows of them, and no sync touches them.

use async_trait::async_trait;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Change, Edited, UserHalf, Whole};
use crate::{
    ids::{AccountId, ItemRef, TransactionId},
    money::Currency,
    store::StoreError,
    sync::Edit,
};

/// What a person says has happened, in place of a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The account.
    pub account: AccountId,
    /// When.
    pub date: Date,
    /// Positive leaves the account.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: Option<Currency>,
    /// What for, in a few words.
    pub name: String,
    /// With whom.
    pub merchant_name: Option<String>,
    /// Whether it has yet to happen.
    pub pending: bool,
}

/// What a person changes of that. The account stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactsChange {
    /// When.
    pub date: Option<Date>,
    /// The amount.
    pub amount: Option<Decimal>,
    /// Its currency.
    pub currency: Option<Currency>,
    /// What for.
    pub name: Option<String>,
    /// With whom.
    pub merchant_name: Edit<String>,
    /// Whether it has yet to happen.
    pub pending: Option<bool>,
}

impl FactsChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Facts {
    /// The facts after a change.
    #[must_use]
    pub fn with(mut self, change: &FactsChange) -> Self {
        let FactsChange { date, amount, currency, name, merchant_name, pending } = change.clone();
        self.date = date.unwrap_or(self.date);
        self.amount = amount.unwrap_or(self.amount);
        self.currency = currency.or(self.currency);
        self.name = name.unwrap_or(self.name);
        merchant_name.apply(&mut self.merchant_name);
        self.pending = pending.unwrap_or(self.pending);
        self
    }
}

/// A transaction to be entered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTransaction {
    /// The item that its account belongs to.
    pub at: ItemRef,
    /// Its id: one of ours.
    pub id: TransactionId,
    /// What has happened.
    pub facts: Facts,
    /// What else is written on it. Its revision is at least 1.
    pub half: UserHalf,
}

/// What became of a new transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// It is there, as it stands there now.
    Done(Box<Whole>),
    /// There is no such account, or none any more.
    NoAccount,
    /// The account takes no new ones: it is closed, or on its way out.
    Closed,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// There is no such transaction, or a bank knows of it.
    NotFound,
    /// Somebody has written since.
    Stale,
}

/// Keeps what people enter.
#[async_trait]
pub trait ManualTransactions: Send + Sync {
    /// Enters a transaction, in one write on the condition that its account is open. Entering the same id again is
    /// success, and leaves it as it is.
    async fn enter(&self, new: &NewTransaction) -> Result<Entered, StoreError>;

    /// Changes the facts of one that was entered, and the person's half, as [`super::TransactionEdits::edit`] does. One
    /// that a bank knows of is not found.
    async fn amend(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        (facts, change): (&FactsChange, &Change),
        if_rev: Option<u64>,
    ) -> Result<Edited, StoreError>;

    /// Removes one that was entered; only if it has `if_rev`, where that is given.
    async fn delete(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        if_rev: Option<u64>,
    ) -> Result<Deleted, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_facts_leaves_what_it_does_not_speak_of() {
        let facts = Facts {
            account: "acc_0000000000000000_0000000000".parse().unwrap(),
            date: jiff::civil::date(2026, 1, 2),
            amount: Decimal::ONE,
            currency: Some(Currency::Iso("EUR".to_owned())),
            name: "Tea".to_owned(),
            merchant_name: Some("Shop".to_owned()),
            pending: true,
        };
        assert_eq!(facts.clone().with(&FactsChange::default()), facts);
        let change =
            FactsChange { amount: Some(Decimal::TEN), merchant_name: Edit::Clear, ..FactsChange::default() };
        let changed = facts.clone().with(&change);
        assert!(!change.is_empty());
        assert_eq!(changed, Facts { amount: Decimal::TEN, merchant_name: None, ..facts });
    }
}
