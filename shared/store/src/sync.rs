//! The sync's reads and its one write.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use domain::{
    ids::{ItemRef, TransactionId},
    item::SyncState,
    store::StoreError,
    sync::{AccountWrite, Commit, CommitError, Edit, PageFacts, RowWrite, StoredRow, SyncReads, SyncWrites},
    transaction::Month,
};

use crate::{
    Store, encode,
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, bytes, key, number, pack, text, texts, unpack},
};

/// The redo log's rows expire long after any stage has been applied.
const STAGE_DAYS: i64 = 30;
/// Bytes of a page in one row.
const STAGE_PART: usize = 380_000;
/// A tombstone keeps a person's half for so long.
const TOMBSTONE_DAYS: i64 = 90;
const DAY_S: i64 = 86_400;
/// The condition of every write of the sync.
const LOCK: &str = "#rev = :read AND #hs <> :removing";

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

    async fn live_rows(&self, at: &ItemRef) -> Result<Vec<StoredRow>, StoreError> {
        self.read_live_rows(at).await
    }
}

#[async_trait]
impl SyncWrites for Store {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        let actions = self.actions(commit)?;
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
        for page in 0..pages {
            let delete = self
                .client
                .delete_item()
                .table_name(&self.data)
                .set_key(Some(key(keys::transactions(at), keys::stage(run, page, 0))));
            delete.send().await.map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }
}

impl Store {
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
        let change = item_change(commit);
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&commit.at.household), keys::item(&commit.at.item))))
            .update_expression(change.expression())
            .condition_expression(LOCK)
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
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
        let mut all = vec![self.update(item_key, &item_change(commit), Some(LOCK))?];
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

    /// All actions of a commit but the item's own.
    fn actions(&self, commit: &Commit) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = Vec::new();
        for row in &commit.rows {
            actions.push(self.row_action(commit, row)?);
        }
        for account in &commit.accounts {
            actions.push(self.account_action(&commit.at, account)?);
        }
        if let Some((run, number, page)) = &commit.page {
            actions.extend(self.page_actions(commit, *run, *number, page)?);
        }
        if !commit.new_months.is_empty() {
            let mut change = Change::default();
            change.add("mo", texts(commit.new_months.iter().map(Month::to_string)));
            actions.push(self.update(key(keys::household(&commit.at.household), META), &change, None)?);
        }
        Ok(actions)
    }

    fn row_action(&self, commit: &Commit, write: &RowWrite) -> Result<TransactWriteItem, StoreError> {
        let at = &commit.at;
        let row_key = |id| key(keys::transactions(at), keys::transaction(id));
        match write {
            RowWrite::Bank { key: id, account, facts } => {
                let mut change = encode::bank_half(at, account, facts);
                change.set("ms", text(keys::place(facts.date, id)));
                self.update(row_key(id), &change, None)
            }
            RowWrite::Alias { id, of } => {
                let mut change = Change::default();
                change.set("v", number(encode::SCHEMA)).set("of", text(of.as_str()));
                self.update(row_key(id), &change, None)
            }
            RowWrite::Tombstone { key: id } => {
                let mut change = Change::default();
                change
                    .set("gone", text(commit.now.to_string()))
                    .set("ttl", number(commit.now.as_second() + TOMBSTONE_DAYS * DAY_S));
                for name in encode::ENDED {
                    change.remove(name);
                }
                self.update(row_key(id), &change, None)
            }
        }
    }

    fn account_action(&self, at: &ItemRef, account: &AccountWrite) -> Result<TransactWriteItem, StoreError> {
        let row_key = key(keys::household(&at.household), keys::account(&account.id));
        self.update(row_key, &encode::account(&account.bank), None)
    }

    /// A page, in as many rows as it takes: one holds 400 KB.
    fn page_actions(
        &self,
        commit: &Commit,
        run: u64,
        page_number: u32,
        page: &PageFacts,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let plain = serde_json::to_vec(page).map_err(|_bad| StoreError::Corrupt("page"))?;
        let packed = pack(&plain);
        let parts: Vec<&[u8]> = packed.chunks(STAGE_PART).collect();
        let expires = commit.now.as_second() + STAGE_DAYS * DAY_S;
        let put = |(part, content): (usize, &&[u8])| {
            let mut row = key(keys::transactions(&commit.at), keys::stage(run, page_number, part));
            row.insert("v".to_owned(), number(encode::SCHEMA));
            row.insert("z".to_owned(), bytes(content.to_vec()));
            row.insert("ttl".to_owned(), number(expires));
            if part + 1 < parts.len() {
                row.insert("more".to_owned(), AttributeValue::Bool(true));
            }
            let put =
                Put::builder().table_name(&self.data).set_item(Some(row)).build().map_err(unbuildable)?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        parts.iter().enumerate().map(put).collect()
    }

    fn update(
        &self,
        row_key: Row,
        change: &Change,
        condition: Option<&str>,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.data)
            .set_key(Some(row_key))
            .update_expression(change.expression())
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// What a commit does to the item's row: the revision in any case.
fn item_change(commit: &Commit) -> Change {
    let patch = &commit.item;
    let mut change = Change::default();
    change
        .set("rev", number(commit.rev + 1))
        .value("read", number(commit.rev))
        .mention("hs")
        .value("removing", text("removing"));
    edit(&mut change, "cr", &patch.cursor, |cursor| text(cursor.as_str()));
    edit(&mut change, "sg", &patch.stage, encode::stage);
    edit(&mut change, "fa", &patch.failure, encode::failure);
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
    if patch.accounts_known {
        change.set("ak", AttributeValue::Bool(true));
    }
    if let Some(institution) = &patch.institution {
        change.set_if_absent("in", text(institution.as_str()));
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
