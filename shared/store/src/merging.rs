//! Rows of merged accounts.
//!
//! `sp` of a row is the item and the key of the row that goes on for it, `sm` the merge. What was copied to that row is named by
//! `mb`, with the merge (`mm`) and the revision that it had then (`mr`). A superseded row has no place in the index of months.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::{
    account::{AccountRow, AccountState, Presence, joining::MergeSteps},
    ids::{AccountId, ItemRef, TransactionId},
    store::StoreError,
    transaction::Month,
};

use crate::{
    Store,
    edits::HALF,
    encode::read_currency,
    keys,
    outcome::unavailable,
    row::{Change, Reader, Row, key, number, text, texts},
    transactions::transaction_id,
};

/// How often a pair starts over because somebody else was at a row.
const TRIES: usize = 8;
/// Rows without copies that one transaction supersedes.
const AT_ONCE: usize = 50;
/// Stands where a twin would: there is none.
const ALONE: &str = "-";

#[async_trait]
impl MergeSteps for Store {
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
        for _ in 0..TRIES {
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
        for some in plain.chunks(AT_ONCE) {
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
            for _ in 0..TRIES {
                let Some(row) = self.transaction_row(at, &id).await? else { break };
                let Some(mut change) = restored(at, &id, Reader(&row), merge)? else { break };
                let condition = match row.get("ur") {
                    Some(read) => {
                        change.value("read", read.clone());
                        "ur = :read"
                    }
                    None => "attribute_exists(pk) AND attribute_not_exists(ur)",
                };
                if self.change_row(row_key(at, &id), change, condition).await? {
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
        let row_key = key(keys::household(&at.household), keys::account(account));
        self.change_row(row_key, change, "attribute_exists(pk)").await.map(|_is_there| ())
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

    async fn transaction_row(&self, at: &ItemRef, id: &TransactionId) -> Result<Option<Row>, StoreError> {
        let get = self.client.get_item().table_name(&self.data).set_key(Some(row_key(at, id)));
        Ok(get.consistent_read(true).send().await.map_err(|error| unavailable(&error))?.item)
    }

    fn superseded(
        &self,
        old: &AccountRow,
        new: &AccountRow,
        merge: &AccountId,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut change = Change::default();
        change.set("sp", text(place(&new.at, &new.key))).set("sm", text(merge.as_str()));
        change.remove("mp").remove("ms");
        self.update(row_key(&old.at, &old.key), change, Some("attribute_exists(pk)"))
    }

    /// The same of a row that people have written on: what the other row does not say yet is copied to it.
    async fn supersede_edited(
        &self,
        old: &AccountRow,
        new: &AccountRow,
        merge: &AccountId,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let (from, to) = (
                self.transaction_row(&old.at, &old.key).await?,
                self.transaction_row(&new.at, &new.key).await?,
            );
            let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
            if from.contains_key("sp") {
                return Ok(());
            }
            // What was hidden is hidden only where nobody could take it for another.
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
                self.update(row_key(&new.at, &new.key), change, Some(condition))?,
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

fn row_key(at: &ItemRef, id: &TransactionId) -> Row {
    key(keys::transactions(at), keys::transaction(id))
}

/// Where the row is that goes on for another.
fn place(at: &ItemRef, id: &TransactionId) -> String {
    format!("{}#{id}", at.item)
}

/// The row that goes on for a superseded one.
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

/// A row as it was before a merge; none if that is how it is.
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

/// What a row says of the comparison of its account.
pub(crate) fn compared(row: Reader<'_>) -> domain::account::Compared {
    use domain::account::Compared;
    match row.maybe_text("tw") {
        None => Compared::Not,
        Some(ALONE) => Compared::Alone,
        Some(twin) => twin.parse().map_or(Compared::Alone, Compared::PossibleTwin),
    }
}

/// A person says that it is none of the others.
pub(crate) fn alone() -> AttributeValue {
    text(ALONE)
}
