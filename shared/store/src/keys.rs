//! Keys. Every key of the data carries the household, so a wrong household finds nothing.

use domain::{
    ids::{AccountId, HouseholdId, InvitationId, ItemId, ItemRef, PlaidItemId, TransactionId, UserId},
    night::Shard,
    retries::RetryShard,
    transaction::Month,
};
use jiff::{Timestamp, civil::Date};

/// The index of transactions by household and month.
pub(crate) const BY_MONTH: &str = "by-month";
/// The sparse index of items by shard.
pub(crate) const DUE: &str = "due";
/// The sparse index of items that are to be tried again, by time.
pub(crate) const RETRY: &str = "retry";

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const META: &str = "META";
/// A household's tree of categories.
pub(crate) const CATEGORIES: &str = "CATEGORIES";
pub(crate) const REF: &str = "REF";

pub(crate) fn user(user: &UserId) -> String {
    format!("U#{user}")
}

pub(crate) fn member(user: &UserId) -> String {
    format!("M#{user}")
}

pub(crate) fn invitation(id: &InvitationId) -> String {
    format!("V#{id}")
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
    format!("RUN#{}#{rev:012}", instant(at))
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

/// An item's partition of the due index.
pub(crate) fn due(item: &ItemId) -> String {
    due_shard(Shard::of(item))
}

pub(crate) fn due_shard(shard: Shard) -> String {
    format!("DUE#{shard}")
}

/// The partition of the index of retries.
pub(crate) fn retry_shard(shard: RetryShard) -> String {
    format!("RETRY#{shard}")
}

/// The place in the index of retries: by time.
pub(crate) fn retry(at: Timestamp, item: &ItemRef) -> String {
    format!("{}#{}", instant(at), transactions(item))
}

/// An instant that sorts as text.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The partition of a night: when it was begun, and the plans of its shards.
pub(crate) fn night(night: Date) -> String {
    format!("NIGHT#{night}")
}

pub(crate) fn night_shard(shard: Shard) -> String {
    format!("SHARD#{shard}")
}

/// The partition of the messages of a shard: what has been counted of each.
pub(crate) fn night_messages(night: Date, shard: Shard) -> String {
    format!("NIGHT#{night}#{shard}")
}

pub(crate) fn night_message(number: u32) -> String {
    format!("M#{number:07}")
}
