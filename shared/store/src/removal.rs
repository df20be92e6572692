//! Removing: beginning it under the item's revision, erasing, burying.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, DeleteRequest, TransactWriteItem, WriteRequest};
use domain::{
    account::{Account, AccountState},
    ids::{AccountId, ItemRef, PlaidItemId},
    item::{Health, HealthState, SyncState},
    removal::{Begun, RemovalStarts, RemovalSteps},
    secret::SealedToken,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    Store,
    accounts::account_key,
    actions::expires,
    encode, keys,
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Row, bytes, key, number, text},
};

/// Rows that one request deletes.
const DELETES: usize = 25;
/// A tombstone of an item whose data went, and the way from Plaid's id to it: longer than any webhook is late.
pub(crate) const TOMBSTONE_DAYS: i64 = 400;
/// Actions of one transaction.
const ACTIONS: usize = 100;
/// Tries of a request whose rest was not processed.
const TRIES: u32 = 8;

fn flag(is_set: bool) -> Option<AttributeValue> {
    is_set.then_some(AttributeValue::Bool(true))
}

/// An item that is being removed: nothing of it syncs any more.
pub(crate) fn removing(keep_data: bool, now: Timestamp) -> Change {
    let mut change = Change::default();
    encode::health(&mut change, &Health { state: HealthState::Removing, ..Health::healthy(now) });
    for name in ["sg", "fa", "rp", "rs", "nt"] {
        change.remove(name);
    }
    change.put("kd", flag(keep_data)).value("removed", text("removed"));
    change
}

fn stopped(keep_data: bool) -> AccountState {
    if keep_data { AccountState::Manual } else { AccountState::Removed { erased: false } }
}

impl Store {
    /// The way from Plaid's id leads to nothing any more: late webhooks are ignored.
    pub(crate) fn gone(&self, id: &PlaidItemId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let mut change = Change::default();
        change.set("gone", text(now.to_string())).set("ttl", expires(now, TOMBSTONE_DAYS));
        self.update(key(keys::plaid_item(id), keys::REF), change, None)
    }

    pub(crate) async fn delete_all(&self, keys: Vec<Row>) -> Result<(), StoreError> {
        let mut rest = Vec::new();
        for row in keys {
            let delete = DeleteRequest::builder().set_key(Some(row)).build().map_err(unbuildable)?;
            rest.push(WriteRequest::builder().delete_request(delete).build());
        }
        let mut tries = 0;
        while !rest.is_empty() {
            let some: Vec<_> = rest.drain(..rest.len().min(DELETES)).collect();
            let request = self.client.batch_write_item().request_items(&self.data, some);
            let answer = request.send().await.map_err(|error| unavailable(&error))?;
            let left =
                answer.unprocessed_items.and_then(|mut all| all.remove(&self.data)).unwrap_or_default();
            if !left.is_empty() {
                tries += 1;
                if tries > TRIES {
                    return Err(StoreError::Unavailable("UnprocessedItems".to_owned()));
                }
            }
            rest.extend(left);
        }
        Ok(())
    }

    /// A page of an item's partition, as far as erasing needs to know it.
    async fn some_rows(
        &self,
        at: &ItemRef,
        prefix: &str,
        filter: &str,
        tail: Option<&str>,
    ) -> Result<Found, StoreError> {
        let partition = keys::transactions(at);
        let mut found = Found { rows: Vec::new(), are_more: false };
        let mut start = None;
        loop {
            let mut query = self
                .client
                .query()
                .table_name(&self.data)
                .consistent_read(true)
                .projection_expression("pk, sk")
                .expression_attribute_values(":pk", text(&partition))
                .set_exclusive_start_key(start);
            query = match prefix {
                "" => query.key_condition_expression("pk = :pk"),
                prefix => query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                    .expression_attribute_values(":sk", text(prefix)),
            };
            if !filter.is_empty() {
                query = query.filter_expression(filter);
            }
            if let Some(tail) = tail {
                query = query.expression_attribute_values(":ac", text(tail));
            }
            let page = query.send().await.map_err(|error| unavailable(&error))?;
            found.rows.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            found.are_more = start.is_some();
            if !found.rows.is_empty() || !found.are_more {
                return Ok(found);
            }
        }
    }
}

struct Found {
    rows: Vec<Row>,
    are_more: bool,
}

fn keys_of(rows: Vec<Row>) -> Vec<Row> {
    let is_key = |name: &str| name == keys::PK || name == keys::SK;
    rows.into_iter().map(|row| row.into_iter().filter(|(name, _)| is_key(name)).collect()).collect()
}

#[async_trait]
impl RemovalStarts for Store {
    async fn remove_item(&self, at: &ItemRef, keep_data: bool, now: Timestamp) -> Result<Begun, StoreError> {
        let mut change = removing(keep_data, now);
        change.add("rev", number(1));
        if self.change_item(at, change, "attribute_exists(pk) AND NOT hs IN (:hs, :removed)").await? {
            return Ok(Begun::Removing);
        }
        let state = self.read_state(at).await?.map(|state| state.item.health.state);
        Ok(if state == Some(HealthState::Removing) { Begun::Removing } else { Begun::NotThere })
    }

    async fn stop_account(
        &self,
        at: &ItemRef,
        rev: u64,
        account: &AccountId,
        keep_data: bool,
    ) -> Result<bool, StoreError> {
        self.write_state(at, rev, account, stopped(keep_data)).await
    }
}

impl Store {
    /// Sets the state of an account; false if its item has another revision than `rev`.
    pub(crate) async fn write_state(
        &self,
        at: &ItemRef,
        rev: u64,
        account: &AccountId,
        state: AccountState,
    ) -> Result<bool, StoreError> {
        let mut item = Change::default();
        item.set("rev", number(rev + 1)).value("read", number(rev));
        // The night looks at what has something to be erased, one that was never connected too.
        if state == (AccountState::Removed { erased: false }) {
            item.set("dp", text(keys::due(&at.item))).set("ds", text(keys::transactions(at)));
        }
        let item_key = key(keys::household(&at.household), keys::item(&at.item));
        let mut stop = Change::default();
        stop.put("st", encode::account_state(state).map(text));
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.update(item_key, item, Some("rev = :read"))?)
            .transact_items(self.update(account_key(at, account), stop, Some("attribute_exists(pk)"))?);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) | Cancelled::Conflict => Ok(false),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}

#[async_trait]
impl RemovalSteps for Store {
    async fn erase_some(&self, at: &ItemRef, account: Option<&AccountId>) -> Result<bool, StoreError> {
        let Some(account) = account else {
            let found = self.some_rows(at, "", "", None).await?;
            let is_empty = found.rows.is_empty();
            self.delete_all(keys_of(found.rows)).await?;
            return Ok(found.are_more || !is_empty);
        };
        let mut are_more = false;
        let balances = format!("BAL#{}#", account.tail());
        for (prefix, filter, tail) in
            [("T#", "ac = :ac", Some(account.tail())), (balances.as_str(), "", None)]
        {
            let found = self.some_rows(at, prefix, filter, tail).await?;
            are_more |= found.are_more || !found.rows.is_empty();
            self.delete_all(keys_of(found.rows)).await?;
        }
        Ok(are_more)
    }

    async fn account_erased(&self, at: &ItemRef, account: &AccountId) -> Result<(), StoreError> {
        let Some(state) = self.read_state(at).await? else { return Ok(()) };
        let row_key = account_key(at, account);
        if state.item.health.state == HealthState::Removed {
            return self.transact(vec![self.delete(row_key)?, self.without(&state, account)?]).await;
        }
        let mut change = Change::default();
        let erased = AccountState::Removed { erased: true };
        change.put("st", encode::account_state(erased).map(text)).value("stopped", text("removed"));
        self.change_row(row_key, change, "st = :stopped").await.map(|_was_removed| ())
    }

    async fn remove_forsaken(&self, state: &SyncState, now: Timestamp) -> Result<(), StoreError> {
        let is_kept =
            |account: &Account| matches!(account.state, AccountState::Manual | AccountState::Merged);
        let keep_data = state.accounts.iter().any(is_kept);
        let mut change = removing(keep_data, now);
        change.set("rev", number(state.rev + 1)).value("read", number(state.rev));
        let condition = "rev = :read AND NOT hs IN (:hs, :removed)";
        if self.change_item(&state.item.at, change, condition).await? {
            Ok(())
        } else {
            Err(StoreError::Busy)
        }
    }

    async fn forget_replaced(&self, at: &ItemRef, token: &SealedToken) -> Result<(), StoreError> {
        let Some(state) = self.read_state(at).await? else { return Ok(()) };
        let rest: Vec<_> = state.leftovers.replaced.iter().filter(|other| *other != token).collect();
        let mut change = Change::default();
        let list = (!rest.is_empty())
            .then(|| AttributeValue::L(rest.into_iter().map(|token| bytes(token.0.clone())).collect()));
        change.put("ot", list).set("rev", number(state.rev + 1)).value("read", number(state.rev));
        if self.change_item(at, change, "rev = :read").await? { Ok(()) } else { Err(StoreError::Busy) }
    }

    async fn bury(&self, state: &SyncState, now: Timestamp) -> Result<(), StoreError> {
        if state.item.health.state != HealthState::Removing {
            return Ok(());
        }
        let (at, keep_data) = (&state.item.at, state.leftovers.keep_data);
        if keep_data && state.is_erasing() {
            return Err(StoreError::Busy);
        }
        let mut change = Change::default();
        encode::health(&mut change, &Health { state: HealthState::Removed, ..Health::healthy(now) });
        change
            .set("rev", number(state.rev + 1))
            .value("read", number(state.rev))
            .value("removing", text("removing"));
        for name in ["tk", "cr", "sg", "fa", "nt", "na", "ot", "bu"] {
            change.remove(name);
        }
        change.remove("dp").remove("ds");
        if !keep_data {
            change.set("ttl", expires(now, TOMBSTONE_DAYS));
        }
        let item_key = key(keys::household(&at.household), keys::item(&at.item));
        let condition = "rev = :read AND hs = :removing";
        let mut actions =
            vec![self.update(item_key, change, Some(condition))?, self.gone(&state.plaid_item, now)?];
        for account in &state.accounts {
            actions.push(self.bury_account(at, account, keep_data)?);
        }
        // More accounts than a transaction takes go first; whoever comes again finds them as they are to be.
        while actions.len() > ACTIONS {
            let surplus = actions.split_off(ACTIONS.max(actions.len() - ACTIONS));
            self.transact(surplus).await?;
        }
        self.transact(actions).await
    }
}

impl Store {
    /// An item that is gone stands for the accounts that were kept of it: it goes with the last of them, and the night looks
    /// at it for as long as one is to be erased.
    fn without(&self, state: &SyncState, account: &AccountId) -> Result<TransactWriteItem, StoreError> {
        let item_key = key(keys::household(&state.item.at.household), keys::item(&state.item.at.item));
        let mut others = state.accounts.iter().filter(|other| other.id != *account).peekable();
        if others.peek().is_none() {
            let delete = Delete::builder()
                .table_name(&self.data)
                .set_key(Some(item_key))
                .condition_expression("rev = :read")
                .expression_attribute_values(":read", number(state.rev));
            let delete = delete.build().map_err(unbuildable)?;
            return Ok(TransactWriteItem::builder().delete(delete).build());
        }
        let mut change = Change::default();
        change.set("rev", number(state.rev + 1)).value("read", number(state.rev));
        if !others.any(|other| other.state == (AccountState::Removed { erased: false })) {
            change.remove("dp").remove("ds");
        }
        self.update(item_key, change, Some("rev = :read"))
    }

    /// What becomes of an account when its item goes.
    fn bury_account(
        &self,
        at: &ItemRef,
        account: &Account,
        keep_data: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let row_key = account_key(at, &account.id);
        if !keep_data || !account.state.is_listed() {
            return self.delete(row_key);
        }
        let mut change = Change::default();
        let kept = if account.state == AccountState::Merged { account.state } else { AccountState::Manual };
        change.put("st", encode::account_state(kept).map(text));
        self.update(row_key, change, Some("attribute_exists(pk)"))
    }

    /// All of it, or nothing: Busy if a condition does not hold or somebody else is at a row.
    pub(crate) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) | Cancelled::Conflict => Err(StoreError::Busy),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}
