//! An item's ledger: every version of every transaction, and the net difference between two points of it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// One version of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Plaid's id.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// Positive leaves the account.
    pub amount: Decimal,
    /// ISO code.
    pub currency: String,
    /// When it happened or posted.
    pub date: Date,
    /// When it was authorized.
    pub authorized_date: Option<Date>,
    /// The bank's text.
    pub name: String,
    /// The merchant.
    pub merchant_name: Option<String>,
    /// Whether it is pending.
    pub pending: bool,
    /// The pending one that it replaces.
    pub pending_transaction_id: Option<String>,
    /// `online`, `in store`, `other`.
    pub payment_channel: String,
    /// Primary and detailed category.
    pub category: (String, String),
    /// A reference for transfers.
    pub reference_number: Option<String>,
}

/// A point of the ledger: the number of changes before it.
pub(crate) type Tick = usize;

/// What one change made of a transaction: the change at place `n` leads to tick `n + 1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    /// `None` once removed.
    transaction: Option<Transaction>,
    /// The place of the version that it replaced.
    earlier: Option<usize>,
    /// The place of the version that replaced it.
    later: Option<usize>,
}

/// All versions of an item's transactions, in the order in which they were made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    versions: Vec<Version>,
    /// By id, the place of the last version.
    latest: BTreeMap<String, usize>,
}

/// The net difference between two points, each list by last change. What was removed is as it was before.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Delta<'a> {
    pub(crate) added: Vec<&'a Transaction>,
    pub(crate) modified: Vec<&'a Transaction>,
    pub(crate) removed: Vec<&'a Transaction>,
}

impl Ledger {
    pub(crate) fn tick(&self) -> Tick {
        self.versions.len()
    }

    /// Writes a version.
    pub(crate) fn put(&mut self, transaction: Transaction) {
        self.push(transaction.id.clone(), Some(transaction));
    }

    /// Removes a transaction, if it is there.
    pub(crate) fn remove(&mut self, id: &str) {
        if self.get(id).is_some() {
            self.push(id.to_owned(), None);
        }
    }

    fn push(&mut self, id: String, transaction: Option<Transaction>) {
        let place = self.versions.len();
        let earlier = self.latest.insert(id, place);
        if let Some(version) = earlier.and_then(|earlier| self.versions.get_mut(earlier)) {
            version.later = Some(place);
        }
        self.versions.push(Version { transaction, earlier, later: None });
    }

    /// Moves on without a change, so that whoever reads an update starts it over.
    pub(crate) fn touch(&mut self) {
        self.versions.push(Version { transaction: None, earlier: None, later: None });
    }

    /// A transaction that is there.
    pub(crate) fn get(&self, id: &str) -> Option<&Transaction> {
        self.versions.get(*self.latest.get(id)?)?.transaction.as_ref()
    }

    /// What is there, oldest change first.
    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = &Transaction> {
        let last = self.versions.iter().filter(|version| version.later.is_none());
        last.filter_map(|version| version.transaction.as_ref())
    }

    /// What was removed and did not come back, each in its last version, oldest removal first.
    pub(crate) fn gone(&self) -> impl DoubleEndedIterator<Item = &Transaction> {
        let last = self.versions.iter().filter(|version| version.later.is_none());
        last.filter(|version| version.transaction.is_none())
            .filter_map(|version| self.versions.get(version.earlier?)?.transaction.as_ref())
    }

    /// A copy of what is there, oldest change first.
    pub(crate) fn now(&self) -> Vec<Transaction> {
        self.live().cloned().collect()
    }

    /// The transaction as it was at a point that is not later than this version.
    fn before(&self, version: &Version, point: Tick) -> Option<&Transaction> {
        let mut place = version.earlier;
        while let Some(earlier) = place {
            let version = self.versions.get(earlier)?;
            if earlier < point {
                return version.transaction.as_ref();
            }
            place = version.earlier;
        }
        None
    }

    /// The net difference: what came and went in between does not show.
    pub(crate) fn delta(&self, from: Tick, to: Tick) -> Delta<'_> {
        let mut delta = Delta::default();
        for version in self.versions.get(from..to).unwrap_or_default() {
            if version.later.is_some_and(|later| later < to) {
                continue;
            }
            match (self.before(version, from), &version.transaction) {
                (None, Some(after)) => delta.added.push(after),
                (Some(before), Some(after)) if before != after => delta.modified.push(after),
                (Some(before), None) => delta.removed.push(before),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        delta
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn transaction(id: &str, amount: i64) -> Transaction {
        Transaction {
            id: id.to_owned(),
            account_id: "a".to_owned(),
            amount: Decimal::new(amount, 2),
            currency: "USD".to_owned(),
            date: jiff::civil::date(2026, 1, 1),
            authorized_date: None,
            name: "x".to_owned(),
            merchant_name: None,
            pending: false,
            pending_transaction_id: None,
            payment_channel: "other".to_owned(),
            category: ("A".to_owned(), "A_B".to_owned()),
            reference_number: None,
        }
    }

    #[test]
    fn a_difference_is_net() {
        let mut ledger = Ledger::default();
        ledger.put(transaction("kept", 1));
        ledger.put(transaction("reverted", 1));
        ledger.put(transaction("gone", 1));
        let from = ledger.tick();
        ledger.put(transaction("came and went", 1));
        ledger.remove("came and went");
        ledger.put(transaction("reverted", 2));
        ledger.put(transaction("reverted", 1));
        ledger.remove("gone");
        ledger.put(transaction("kept", 2));
        ledger.put(transaction("new", 1));
        let delta = ledger.delta(from, ledger.tick());
        let ids = |list: &[&Transaction]| list.iter().map(|t| t.id.clone()).collect::<Vec<_>>();
        assert_eq!((ids(&delta.added), ids(&delta.modified)), (vec!["new".into()], vec!["kept".into()]));
        assert_eq!(ids(&delta.removed), ["gone"]);
    }

    #[test]
    fn a_touch_moves_on_and_changes_nothing() {
        let mut ledger = Ledger::default();
        ledger.put(transaction("a", 1));
        let from = ledger.tick();
        ledger.touch();
        assert_ne!(ledger.tick(), from);
        assert_eq!(ledger.delta(from, ledger.tick()), Delta::default());
        assert_eq!((ledger.live().count(), ledger.gone().count()), (1, 0));
    }

    #[test]
    fn what_is_there_and_what_is_gone_come_by_their_last_change() {
        let mut ledger = Ledger::default();
        for id in ["a", "b", "c", "d"] {
            ledger.put(transaction(id, 1));
        }
        ledger.remove("c");
        ledger.remove("b");
        ledger.remove("b");
        ledger.put(transaction("a", 2));
        let ids = |list: Vec<&Transaction>| list.iter().map(|t| t.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(ledger.live().collect()), ["d", "a"]);
        assert_eq!(ids(ledger.gone().collect()), ["c", "b"]);
        assert_eq!(ledger.tick(), 7, "what is not there cannot be removed");
        assert_eq!(ledger.get("a").map(|t| t.amount), Some(Decimal::new(2, 2)));
        assert_eq!(ledger.get("b"), None);
    }
}
