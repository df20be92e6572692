//! Keys. Every key of the data carries the household, so a wrong household finds nothing.

use domain::{
    ids::{AccountId, HouseholdId, ItemId, ItemRef, PlaidItemId, TransactionId, UserId},
    transaction::Month,
};
use jiff::{Timestamp, civil::Date};

/// The index of transactions by household and month.
pub(crate) const BY_MONTH: &str = "by-month";

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const META: &str = "META";
pub(crate) const REF: &str = "REF";
const DUE_SHARDS: u32 = 64;

pub(crate) fn user(user: &UserId) -> String {
    format!("U#{user}")
}

pub(crate) fn member(user: &UserId) -> String {
    format!("M#{user}")
}

pub(crate) fn household(household: &HouseholdId) -> String {
    format!("H#{household}")
}

pub(crate) fn item(item: &ItemId) -> String {
    format!("I#{item}")
}

pub(crate) fn account(account: &AccountId) -> String {
    format!("I#{}#A#{}", account.item(), account.tail())
}

pub(crate) fn plaid_item(item: &PlaidItemId) -> String {
    format!("PI#{item}")
}

/// The partition of an item's transactions and redo log.
pub(crate) fn transactions(at: &ItemRef) -> String {
    format!("H#{}#I#{}", at.household, at.item)
}

pub(crate) fn transaction(id: &TransactionId) -> String {
    format!("T#{id}")
}

pub(crate) fn stage(run: u64, page: u32, part: usize) -> String {
    format!("STAGE#{run:012}#{page:05}#{part}")
}

/// A line of the ledger: by time; the revision tells apart what ended in the same moment.
pub(crate) fn run(at: Timestamp, rev: u64) -> String {
    format!("RUN#{at:.3}#{rev:012}")
}

/// What was on an account on a day.
pub(crate) fn balance(account: &AccountId, date: Date) -> String {
    format!("BAL#{}#{date}", account.tail())
}

/// The partition of the index by month.
pub(crate) fn month(household: &HouseholdId, month: Month) -> String {
    format!("H#{household}#{month}")
}

/// The place in a month: by date, then id.
pub(crate) fn place(date: Date, id: &TransactionId) -> String {
    format!("{date}#{id}")
}

/// The partition of the due index: spread, so that a night of everybody has no hot one.
pub(crate) fn due(item: &ItemId) -> String {
    let sum =
        item.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("DUE#{:02}", sum % DUE_SHARDS)
}
