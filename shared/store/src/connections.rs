//! Items with their accounts: one query reads them all.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{query::builders::QueryFluentBuilder, update_item::UpdateItemError},
    types::{AttributeValue, Put, ReturnValue, TransactWriteItem},
};
use domain::{
    account::Account,
    bank::{BankItem, HistoryStatus},
    event::News,
    ids::{HouseholdId, ItemRef},
    item::{Connection, Health, NewItem, SyncState},
    store::{
        Added, Connections, NewConnections, OneConnection, Replaced, Saved, StoreError, SyncRequests, Wanted,
    },
    sync::{AccountWrite, Commit, CommitError, DayBalance, SyncWrites},
};

use jiff::Timestamp;

use crate::{
    Store,
    admission::AWAITS,
    decode::{self, ItemRow, item_row},
    encode::{self, SCHEMA},
    keys,
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, bytes, key, number, text},
};

/// Accounts of one transaction, each with its balance of the day, beside the item.
const ACCOUNTS_AT_ONCE: usize = 45;

impl Store {
    /// Every row of a query, however many pages it takes.
    pub(crate) async fn all(&self, query: QueryFluentBuilder) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        let mut start: Option<Row> = None;
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| unavailable(&error))?;
            rows.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The rows of one item or, without one, of all items of a household.
    pub(crate) async fn item_rows(
        &self,
        household: &HouseholdId,
        item: Option<&ItemRef>,
        consistent: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let prefix = item.map_or_else(|| "I#".to_owned(), |at| keys::item(&at.item));
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(consistent)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::household(household)))
            .expression_attribute_values(":sk", text(prefix));
        self.all(query).await
    }
}

/// Rows in the order of their keys: an item, then its accounts.
pub(crate) fn connections(household: &HouseholdId, rows: &[Row]) -> Result<Vec<Connection>, StoreError> {
    let mut all: Vec<Connection> = Vec::new();
    for row in rows {
        match item_row(row)? {
            ItemRow::Item(id) => {
                let item = decode::item(household, id, row)?;
                all.push(Connection { item, accounts: Vec::new() });
            }
            ItemRow::Account(item, tail) => {
                let owner = all.last_mut().filter(|connection| connection.item.at.item == item);
                owner.ok_or(StoreError::Corrupt("sk"))?.accounts.push(decode::account(&item, &tail, row)?);
            }
        }
    }
    Ok(all)
}

#[async_trait]
impl Connections for Store {
    async fn connections(&self, household: &HouseholdId) -> Result<Vec<Connection>, StoreError> {
        let rows = self.item_rows(household, None, false).await?;
        connections(household, &rows)
    }
}

#[async_trait]
impl OneConnection for Store {
    async fn connection(&self, at: &ItemRef) -> Result<Option<Connection>, StoreError> {
        let rows = self.item_rows(&at.household, Some(at), true).await?;
        Ok(connections(&at.household, &rows)?.pop())
    }
}

/// The item with its accounts, from the rows of one item.
pub(crate) fn sync_state(at: &ItemRef, rows: &[Row]) -> Result<Option<SyncState>, StoreError> {
    let mut state: Option<SyncState> = None;
    for row in rows {
        match item_row(row)? {
            ItemRow::Item(id) => state = Some(decode::sync_state(&at.household, id, row)?),
            ItemRow::Account(item, tail) => {
                let account = decode::account(&item, &tail, row)?;
                state.as_mut().ok_or(StoreError::Corrupt("sk"))?.accounts.push(account);
            }
        }
    }
    Ok(state)
}

impl Store {
    /// False if the item changed meanwhile.
    async fn try_commit(&self, commit: &Commit) -> Result<bool, StoreError> {
        match self.commit(commit).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    pub(crate) async fn read_state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        let rows = self.item_rows(&at.household, Some(at), true).await?;
        sync_state(at, &rows)
    }
}

#[async_trait]
impl SyncRequests for Store {
    async fn want_sync(&self, at: &ItemRef) -> Result<Option<Wanted>, StoreError> {
        self.want(at, Change::default()).await
    }
}

impl Store {
    /// Adds one to the item's `want`, beside another change.
    pub(crate) async fn want(&self, at: &ItemRef, mut change: Change) -> Result<Option<Wanted>, StoreError> {
        change.add("want", number(1)).value("removing", text("removing")).value("removed", text("removed"));
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&at.household), keys::item(&at.item))))
            .update_expression(expression)
            .condition_expression("attribute_exists(pk) AND hs <> :removing AND hs <> :removed")
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => {
                let row = answer.attributes.unwrap_or_default();
                let row = Reader(&row);
                Ok(Some(Wanted { number: row.number("want")?, calm: row.maybe_parsed("cm") }))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(unavailable(&error)),
            },
        }
    }
}

fn fill(commit: &mut Commit, accounts: &[Account]) {
    let now = commit.now;
    let kept = accounts.iter().filter(|account| !account.state.is_stopped());
    commit.balances = kept.map(|account| DayBalance::of(&account.id, &account.bank, now)).collect();
    commit.accounts = accounts.iter().map(AccountWrite::from).collect();
}

fn new_item_row(new: &NewItem) -> Row {
    let mut row = key(keys::household(&new.at.household), keys::item(&new.at.item));
    let health = Health::healthy(new.at_time);
    let or_text = |value: Option<&str>| value.map(text);
    let fields = [
        ("v", Some(number(SCHEMA))),
        ("rev", Some(number(1))),
        // The first sync is asked for with the item itself: its message carries 1.
        ("want", Some(number(1))),
        ("done", Some(number(0))),
        ("us", Some(text(new.user.as_str()))),
        ("pi", Some(text(new.plaid_item.as_str()))),
        ("in", or_text(new.institution.as_ref().map(domain::ids::InstitutionId::as_str))),
        ("im", or_text(new.institution_name.as_deref())),
        ("tk", Some(bytes(new.token.0.clone()))),
        ("hs", Some(text(encode::health_name(health.state)))),
        ("ha", Some(text(health.since.to_string()))),
        ("hi", Some(text(HistoryStatus::NotReady.as_str()))),
        ("ct", Some(text(new.at_time.to_string()))),
        ("dp", Some(text(keys::due(&new.at.item)))),
        ("ds", Some(text(keys::transactions(&new.at)))),
        (AWAITS, new.awaits_admission.then_some(AttributeValue::Bool(true))),
    ];
    row.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    row
}

#[async_trait]
impl NewConnections for Store {
    async fn add(&self, new: &NewItem) -> Result<Added, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.put_new(new_item_row(new))?)
            .transact_items(self.put_new(way_back(new))?)
            .transact_items(self.lives(&new.at.household)?);
        match request.send().await {
            Ok(_) => Ok(Added::Stored),
            Err(error) => match cancelled(&error) {
                // Our ids are random: a row that is there is our own first try, whose answer was lost.
                Cancelled::Condition(0) => Ok(Added::Stored),
                Cancelled::Condition(2) => Ok(Added::NoHousehold),
                Cancelled::Condition(_) => Ok(Added::AlreadyConnected),
                Cancelled::Conflict => Err(StoreError::Busy),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }

    async fn save_accounts(
        &self,
        at: &ItemRef,
        rev: u64,
        accounts: &[Account],
        bank: &BankItem,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut chunks: Vec<&[Account]> = accounts.chunks(ACCOUNTS_AT_ONCE).collect();
        let last = chunks.pop().unwrap_or_default();
        let mut commit = Commit::new(at, rev, now);
        for chunk in chunks {
            fill(&mut commit, chunk);
            if !self.try_commit(&commit).await? {
                return Ok(Saved::Conflict);
            }
            commit.rev += 1;
        }
        fill(&mut commit, last);
        commit.item.looked = Some(0);
        commit.item.institution = bank.institution.clone();
        commit.item.institution_name = bank.institution_name.clone();
        Ok(if self.try_commit(&commit).await? { Saved::Stored } else { Saved::Conflict })
    }

    async fn replace(&self, old: &SyncState, new: &NewItem) -> Result<Replaced, StoreError> {
        let at = &old.item.at;
        let mut change = Change::default();
        change
            .set("rev", number(old.rev + 1))
            .set("pi", text(new.plaid_item.as_str()))
            .set("tk", bytes(new.token.0.clone()))
            .set("us", text(new.user.as_str()))
            .set("hi", text(HistoryStatus::NotReady.as_str()))
            // Whoever is asked next looks at all accounts: they have new ids.
            .set("al", number(old.item.want + 1))
            .set("want", number(old.item.want + 1))
            .put("ot", replaced_tokens(old))
            .set("ep", number(old.succession + 1))
            // One of which only the accounts were kept is due again.
            .set("dp", text(keys::due(&at.item)))
            .set("ds", text(keys::transactions(at)))
            .value("read", number(old.rev))
            .value("read_want", number(old.item.want))
            .value("removing", text("removing"));
        let health = old.item.health.restored(new.at_time);
        encode::health(&mut change, &health);
        change.set("nt", encode::news(&News { since: health.since, reason: None }));
        for name in ["cr", "sg", "fa", "rp", "rs", "bu", "kd", AWAITS] {
            change.remove(name);
        }
        let item_key = key(keys::household(&at.household), keys::item(&at.item));
        let mut request = self
            .client
            .transact_write_items()
            .transact_items(self.update(item_key, change, Some(STILL))?)
            .transact_items(self.put_new(way_back(new))?);
        request = request.transact_items(self.gone(&old.plaid_item, new.at_time)?);
        request = request.transact_items(self.lives(&at.household)?);
        match request.send().await {
            Ok(_) => Ok(Replaced::Stored),
            Err(error) => match cancelled(&error) {
                // Which may be our own first try, whose answer was lost.
                Cancelled::Condition(0) | Cancelled::Conflict => Ok(Replaced::Conflict),
                Cancelled::Condition(3) => Ok(Replaced::NoHousehold),
                Cancelled::Condition(_) => Ok(Replaced::AlreadyConnected),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}

/// The item is as it was read.
const STILL: &str = "rev = :read AND want = :read_want AND hs <> :removing";

/// The tokens of items at Plaid that were replaced, the one that is being replaced now among them. One that was removed
/// has none.
fn replaced_tokens(old: &SyncState) -> Option<AttributeValue> {
    let tokens = old.leftovers.replaced.iter().chain([&old.token]).filter(|token| !token.0.is_empty());
    let tokens: Vec<_> = tokens.map(|token| bytes(token.0.clone())).collect();
    (!tokens.is_empty()).then_some(AttributeValue::L(tokens))
}

/// From Plaid's id to the item.
fn way_back(new: &NewItem) -> Row {
    let mut row = key(keys::plaid_item(&new.plaid_item), keys::REF);
    row.insert("v".to_owned(), number(SCHEMA));
    row.insert("hh".to_owned(), text(new.at.household.as_str()));
    row.insert("it".to_owned(), text(new.at.item.as_str()));
    row
}

impl Store {
    /// A row that must not be there yet.
    pub(crate) fn put_new(&self, row: Row) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.data).set_item(Some(row));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
