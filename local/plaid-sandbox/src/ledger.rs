//! An item's ledger: every version of every transaction, and the net difference between two points of it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
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
pub(crate) type Tick = u64;

/// All versions of an item's transactions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    tick: Tick,
    /// By id, the versions with the change that made each; `None` once removed.
    versions: BTreeMap<String, Vec<(Tick, Option<Transaction>)>>,
}

/// The net difference between two points, each list by last change.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Delta {
    pub(crate) added: Vec<Transaction>,
    pub(crate) modified: Vec<Transaction>,
    pub(crate) removed: Vec<(String, String)>,
}

impl Ledger {
    pub(crate) fn tick(&self) -> Tick {
        self.tick
    }

    /// Writes a version.
    pub(crate) fn put(&mut self, transaction: Transaction) {
        self.tick += 1;
        let versions = self.versions.entry(transaction.id.clone()).or_default();
        versions.push((self.tick, Some(transaction)));
    }

    /// Removes a transaction, if it is there.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(versions) = self.versions.get_mut(id) {
            self.tick += 1;
            versions.push((self.tick, None));
        }
    }

    fn at(versions: &[(Tick, Option<Transaction>)], tick: Tick) -> Option<&Transaction> {
        versions.iter().rev().find(|(since, _)| *since <= tick).and_then(|(_, version)| version.as_ref())
    }

    /// What is there now, oldest change first.
    pub(crate) fn now(&self) -> Vec<Transaction> {
        self.delta(0, self.tick).added
    }

    /// The net difference: what came and went in between does not show.
    pub(crate) fn delta(&self, from: Tick, to: Tick) -> Delta {
        let mut changes: Vec<(Tick, Option<&Transaction>, Option<&Transaction>)> = Vec::new();
        for versions in self.versions.values() {
            let Some((last, _)) = versions.iter().rev().find(|(tick, _)| *tick > from && *tick <= to) else {
                continue;
            };
            changes.push((*last, Self::at(versions, from), Self::at(versions, to)));
        }
        changes.sort_by_key(|(tick, _, _)| *tick);
        let mut delta = Delta::default();
        for (_, before, after) in changes {
            match (before, after) {
                (None, Some(after)) => delta.added.push(after.clone()),
                (Some(before), Some(after)) if before != after => delta.modified.push(after.clone()),
                (Some(before), None) => delta.removed.push((before.id.clone(), before.account_id.clone())),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        delta
    }
}

/// A place in an update: of which item, between which points, how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) item: String,
    pub(crate) from: Tick,
    pub(crate) to: Tick,
    pub(crate) offset: usize,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        STANDARD.encode(format!("{}:{}:{}:{}", self.item, self.from, self.to, self.offset))
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let mut parts = plain.split(':');
        Some(Self {
            item: parts.next()?.to_owned(),
            from: parts.next()?.parse().ok()?,
            to: parts.next()?.parse().ok()?,
            offset: parts.next()?.parse().ok()?,
        })
    }
}

/// One page of a difference, and whether another follows.
pub(crate) fn page(mut delta: Delta, offset: usize, count: usize) -> (Delta, bool) {
    let total = delta.added.len() + delta.modified.len() + delta.removed.len();
    let mut skip = offset;
    let mut room = count;
    cut(&mut delta.added, &mut skip, &mut room);
    cut(&mut delta.modified, &mut skip, &mut room);
    cut(&mut delta.removed, &mut skip, &mut room);
    (delta, offset + count < total)
}

fn cut<T>(list: &mut Vec<T>, skip: &mut usize, room: &mut usize) {
    let skipped = (*skip).min(list.len());
    list.drain(..skipped);
    *skip -= skipped;
    list.truncate(*room);
    *room -= list.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(id: &str, amount: i64) -> Transaction {
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
        let ids = |list: &[Transaction]| list.iter().map(|t| t.id.clone()).collect::<Vec<_>>();
        assert_eq!((ids(&delta.added), ids(&delta.modified)), (vec!["new".into()], vec!["kept".into()]));
        assert_eq!(delta.removed, vec![("gone".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn pages_are_a_partition() {
        for count in 1..8 {
            let mut ledger = Ledger::default();
            ledger.put(transaction("m", 1));
            ledger.put(transaction("r", 1));
            let from = ledger.tick();
            ledger.put(transaction("m", 2));
            ledger.remove("r");
            for number in 0..4 {
                ledger.put(transaction(&number.to_string(), 1));
            }
            let (mut offset, mut seen) = (0, 0);
            loop {
                let (part, more) = page(ledger.delta(from, ledger.tick()), offset, count);
                seen += part.added.len() + part.modified.len() + part.removed.len();
                offset += count;
                if !more {
                    break;
                }
            }
            assert_eq!(seen, 6);
        }
    }

    #[test]
    fn cursors_read_back() {
        let cursor = Cursor { item: "i".to_owned(), from: 1, to: 9, offset: 500 };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        assert_eq!(Cursor::decode("?"), None);
    }
}
