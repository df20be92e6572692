//! The sync's reads and its one write.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, TransactWriteItem},
};
use domain::{
    ids::{ItemRef, TransactionId},
    item::SyncState,
    store::StoreError,
    sync::{Commit, CommitError, Edit, LiveRows, PageFacts, StoredRow, SyncReads, SyncWrites},
    transaction::Month,
};
use futures::future::try_join_all;

use crate::{
    Store, encode, keys,
    outcome::{Cancelled, cancelled, unavailable},
    retries,
    row::{Change, Reader, Row, key, number, text, texts, unpack},
};

/// Pages of the redo log that are removed at once.
const DELETES_AT_ONCE: usize = 25;
/// The condition of every write of the sync: an item that is on its way out has another revision anyway.
const LOCK: &str = "rev = :read AND hs <> :removing AND hs <> :removed";

#[async_trait]
impl SyncReads for Store {
    async fn state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        self.read_state(at).await
    }

    async fn rows(
        &self,
        at: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        self.read_rows(at, ids).await
    }

    async fn live_rows(&self, at: &ItemRef, after: Option<&TransactionId>) -> Result<LiveRows, StoreError> {
        self.read_live_rows(at, after).await
    }
}

#[async_trait]
impl SyncWrites for Store {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let actions = self.actions(commit).await?;
        if actions.is_empty() {
            self.commit_item(commit).await
        } else {
            self.commit_all(commit, actions).await
        }
    }

    async fn stage_page(&self, at: &ItemRef, run: u64, page: u32) -> Result<Option<PageFacts>, StoreError> {
        let mut packed = Vec::new();
        let mut part = 0;
        loop {
            let Some(row) = self.read_stage_row(at, run, page, part).await? else { return Ok(None) };
            let row = Reader(&row);
            packed.extend_from_slice(row.bytes("z").ok_or(StoreError::Corrupt("z"))?);
            if !row.flag("more") {
                break;
            }
            part += 1;
        }
        let plain = unpack(&packed)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_bad| StoreError::Corrupt("z"))
    }

    async fn drop_pages(&self, at: &ItemRef, run: u64, pages: u32) -> Result<(), StoreError> {
        let numbers: Vec<u32> = (0..pages).collect();
        for some in numbers.chunks(DELETES_AT_ONCE) {
            try_join_all(some.iter().map(|page| self.drop_page(at, run, *page))).await?;
        }
        Ok(())
    }
}

impl Store {
    async fn drop_page(&self, at: &ItemRef, run: u64, page: u32) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::transactions(at), keys::stage(run, page, 0))));
        delete.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn read_stage_row(
        &self,
        at: &ItemRef,
        run: u64,
        page: u32,
        part: usize,
    ) -> Result<Option<Row>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::transactions(at), keys::stage(run, page, part))))
            .consistent_read(true);
        Ok(get.send().await.map_err(|error| unavailable(&error))?.item)
    }

    /// The item alone: one update, half the price of a transaction.
    async fn commit_item(&self, commit: &Commit) -> Result<(), CommitError> {
        let (expression, names, values) = item_change(commit).finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&commit.at.household), keys::item(&commit.at.item))))
            .update_expression(expression)
            .condition_expression(LOCK)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Err(CommitError::Conflict),
                _ => match unavailable(&error) {
                    StoreError::Busy => Err(CommitError::Conflict),
                    other => Err(other.into()),
                },
            },
        }
    }

    async fn commit_all(&self, commit: &Commit, actions: Vec<TransactWriteItem>) -> Result<(), CommitError> {
        let item_key = key(keys::household(&commit.at.household), keys::item(&commit.at.item));
        let mut all = vec![self.update(item_key, item_change(commit), Some(LOCK))?];
        all.extend(actions);
        let request = self.client.transact_write_items().set_transact_items(Some(all));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) | Cancelled::Conflict => Err(CommitError::Conflict),
                Cancelled::Failed(error) => Err(error.into()),
            },
        }
    }
}

/// What a commit does to the item's row: the revision in any case.
fn item_change(commit: &Commit) -> Change {
    let patch = &commit.item;
    let mut change = Change::default();
    change
        .set("rev", number(commit.rev + 1))
        .value("read", number(commit.rev))
        .value("removing", text("removing"))
        .value("removed", text("removed"));
    edit(&mut change, "cr", &patch.cursor, |cursor| text(cursor.as_str()));
    edit(&mut change, "sg", &patch.stage, encode::stage);
    edit(&mut change, "fa", &patch.failure, encode::failure);
    retries::attributes(&mut change, commit);
    if let Some(done) = patch.done {
        change.set("done", number(done));
    }
    if let Some(history) = &patch.history {
        change.set("hi", text(history.as_str()));
    }
    if let Some(health) = &patch.health {
        encode::health(&mut change, health);
    }
    if let Some(run) = &patch.last_run {
        change.set("lr", encode::last_run(run));
    }
    if let Some(totals) = &patch.totals {
        change.set("tt", encode::counts(*totals));
    }
    if let Some(months) = &patch.months {
        change.set("mo", texts(months.iter().map(Month::to_string)));
    }
    if let Some(full_at) = patch.budget {
        change.set("bu", text(full_at.to_string()));
    }
    if patch.selection_applied {
        change.remove("ch");
    }
    if let Some(looked) = patch.looked {
        change.set("ad", number(looked)).set("lk", text(commit.now.to_string()));
    }
    if let Some(calm) = patch.calm {
        change.set("cm", text(calm.to_string()));
    }
    if let Some(news) = &patch.news {
        change.set("nt", encode::news(news));
    }
    if let Some(new_accounts) = patch.new_accounts {
        change.put("na", new_accounts.then_some(AttributeValue::Bool(true)));
    }
    if let Some(institution) = &patch.institution {
        change.set("in", text(institution.as_str()));
    }
    if let Some(name) = &patch.institution_name {
        change.set_if_absent("im", text(name));
    }
    change
}

fn edit<T>(change: &mut Change, name: &str, edit: &Edit<T>, encode: impl Fn(&T) -> AttributeValue) {
    match edit {
        Edit::Keep => {}
        Edit::Set(value) => {
            change.set(name, encode(value));
        }
        Edit::Clear => {
            change.remove(name);
        }
    }
}
