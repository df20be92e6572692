//! Rows of merged accounts.
//!
//! Attributes of a superseded row: `sp`, the reference to its successor; `sm`, the merge. It is not in the index of months.
//! Attributes of a successor: `mm`, the merge; `mb`, the names of the copied attributes; `mr`, the edit revision after the copy.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::{
    account::{AccountRow, AccountState, Presence, merging::MergeStore},
    ids::{AccountId, ItemRef, TransactionId},
    store::StoreError,
    transaction::Month,
};

use crate::{
    Store,
    accounts::account_key,
    edits::HALF,
    encode::read_currency,
    keys,
    row::{Change, Reader, Row, number, text, texts},
    transactions::{reference, transaction_id, transaction_key},
};

/// Attempts to write a row or a pair of rows beside other writers.
const MAX_ATTEMPTS: usize = 8;
/// Rows that one transaction supersedes.
const BATCH: usize = 50;
/// The value of `tw` of an account without a possible twin.
const ALONE: &str = "-";

#[async_trait]
impl MergeStore for Store {
    async fn account_rows(&self, at: &ItemRef, account: &AccountId) -> Result<Vec<AccountRow>, StoreError> {
        let query =
            self.rows_query(at, "ac = :wanted AND attribute_exists(nm) AND attribute_not_exists(#of)");
        let query = query
            .expression_attribute_names("#of", "of")
            .expression_attribute_values(":wanted", text(account.tail()));
        self.all(query).await?.iter().filter_map(|row| account_row(at, row).transpose()).collect()
    }

    async fn set_state(
        &self,
        at: &ItemRef,
        account: &AccountId,
        state: AccountState,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(read) = self.read_state(at).await? else { return Ok(()) };
            if read.accounts.iter().all(|stored| stored.id != *account || stored.state == state) {
                return Ok(());
            }
            if self.write_state(at, read.rev, account, state).await? {
                return Ok(());
            }
        }
        Err(StoreError::Busy)
    }

    async fn supersede(
        &self,
        pairs: &[(&AccountRow, &AccountRow)],
        merge: &AccountId,
    ) -> Result<(), StoreError> {
        let (edited, plain): (Vec<_>, Vec<_>) = pairs.iter().partition(|(old, _)| old.is_edited);
        for some in plain.chunks(BATCH) {
            let actions = some.iter().map(|(old, new)| self.superseded(old, new, merge));
            self.transact(actions.collect::<Result<_, _>>()?).await?;
        }
        for (old, new) in edited {
            self.supersede_edited(old, new, merge).await?;
        }
        Ok(())
    }

    async fn restore(&self, at: &ItemRef, merge: &AccountId) -> Result<(), StoreError> {
        let query = self.rows_query(at, "sm = :wanted OR mm = :wanted");
        let rows = self.all(query.expression_attribute_values(":wanted", text(merge.as_str()))).await?;
        for row in rows {
            let id = transaction_id(Reader(&row))?;
            for _ in 0..MAX_ATTEMPTS {
                let Some(row) = self.read_row(at, &id).await? else { break };
                let Some(mut change) = restored(at, &id, Reader(&row), merge)? else { break };
                let condition = match row.get("ur") {
                    Some(read) => {
                        change.value("read", read.clone());
                        "ur = :read"
                    }
                    None => "attribute_exists(pk) AND attribute_not_exists(ur)",
                };
                if self.change_row(transaction_key(at, &id), change, condition).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn set_compared(
        &self,
        at: &ItemRef,
        account: &AccountId,
        twin: Option<&AccountId>,
    ) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.set("tw", text(twin.map_or(ALONE, AccountId::as_str)));
        self.change_row(account_key(at, account), change, "attribute_exists(pk)").await.map(|_is_there| ())
    }
}

impl Store {
    fn rows_query(
        &self,
        at: &ItemRef,
        filter: &str,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression(filter)
            .expression_attribute_values(":pk", text(keys::transactions(at)))
            .expression_attribute_values(":sk", text("T#"))
    }

    fn superseded(
        &self,
        old: &AccountRow,
        new: &AccountRow,
        merge: &AccountId,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut change = Change::default();
        change.set("sp", text(reference(&new.at, &new.key))).set("sm", text(merge.as_str()));
        change.remove("mp").remove("ms");
        self.update(transaction_key(&old.at, &old.key), change, Some("attribute_exists(pk)"))
    }

    /// Supersedes an edited row and copies its edits to the successor, except where the successor has its own.
    async fn supersede_edited(
        &self,
        old: &AccountRow,
        new: &AccountRow,
        merge: &AccountId,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let (from, to) =
                (self.read_row(&old.at, &old.key).await?, self.read_row(&new.at, &new.key).await?);
            let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
            if from.contains_key("sp") {
                return Ok(());
            }
            // `hidden` is copied only between rows of equal date and name: the pair is certain.
            let is_certain = (old.date, &old.name) == (new.date, &new.name);
            let goes = |name: &&str| *name != "ur" && (*name != "uh" || is_certain);
            let is_copied = |name: &&str| goes(name) && from.contains_key(*name) && !to.contains_key(*name);
            let names: Vec<&str> = HALF.into_iter().filter(is_copied).collect();
            let rev: u64 = Reader(&to).maybe_number("ur").unwrap_or_default();
            let mut change = Change::default();
            change.set("ur", number(rev + 1));
            change.set("mm", text(merge.as_str())).set("mr", number(rev + 1));
            change.put("mb", (!names.is_empty()).then(|| texts(names.iter().map(|name| (*name).to_owned()))));
            for name in &names {
                change.put(name, from.get(*name).cloned());
            }
            if rev > 0 {
                change.value("read", number(rev));
            }
            let condition = if rev > 0 {
                "attribute_exists(id) AND ur = :read"
            } else {
                "attribute_exists(id) AND attribute_not_exists(ur)"
            };
            let actions = vec![
                self.superseded(old, new, merge)?,
                self.update(transaction_key(&new.at, &new.key), change, Some(condition))?,
            ];
            match self.transact(actions).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

/// The successor of a superseded row.
pub(crate) fn superseding(at: &ItemRef, row: Reader<'_>) -> Option<(ItemRef, TransactionId)> {
    let (item, id) = row.maybe_text("sp")?.split_once('#')?;
    Some((ItemRef { household: at.household.clone(), item: item.parse().ok()? }, id.parse().ok()?))
}

fn account_row(at: &ItemRef, row: &Row) -> Result<Option<AccountRow>, StoreError> {
    let row = Reader(row);
    let Some(date) = row.maybe_parsed("dt") else { return Ok(None) };
    Ok(Some(AccountRow {
        at: at.clone(),
        key: transaction_id(row)?,
        amount: row.decimal("am"),
        currency: row.maybe_text("cu").map(read_currency),
        date,
        name: row.text("nm")?.to_owned(),
        presence: match (row.has("id"), row.flag("pe")) {
            (true, false) => Presence::Posted,
            (true, true) => Presence::Pending,
            (false, _) => Presence::Gone,
        },
        is_edited: row.has("ur"),
        is_superseded: row.has("sp"),
    }))
}

/// The change that reverts a merge on a row; `None` if the row has no part in it.
fn restored(
    at: &ItemRef,
    id: &TransactionId,
    row: Reader<'_>,
    merge: &AccountId,
) -> Result<Option<Change>, StoreError> {
    let is_of = |name: &str| row.maybe_text(name) == Some(merge.as_str());
    let mut change = Change::default();
    if is_of("sm") {
        change.remove("sp").remove("sm");
        if row.has("id") {
            let date = row.parsed("dt")?;
            change.set("mp", text(keys::month(&at.household, Month::of(date))));
            change.set("ms", text(keys::place(date, id)));
        }
    }
    if is_of("mm") {
        change.remove("mm").remove("mr").remove("mb");
        let rev: u64 = row.maybe_number("ur").unwrap_or_default();
        if row.maybe_number("mr") == Some(rev) {
            for name in row.set::<String>("mb") {
                change.remove(&name);
            }
            change.set("ur", number(rev + 1));
        }
    }
    let is_changed = is_of("sm") || is_of("mm");
    Ok(is_changed.then_some(change))
}

/// The result of an account's comparison, as its row has it.
pub(crate) fn compared(row: Reader<'_>) -> domain::account::Compared {
    use domain::account::Compared;
    match row.maybe_text("tw") {
        None => Compared::Not,
        Some(ALONE) => Compared::Alone,
        Some(twin) => twin.parse().map_or(Compared::Alone, Compared::PossibleTwin),
    }
}

/// The value of `tw` once a person has said that an account has no twin.
pub(crate) fn alone() -> AttributeValue {
    text(ALONE)
}
