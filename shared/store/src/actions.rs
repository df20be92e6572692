//! From a commit to the actions of one transaction, the item's own aside.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::{
    ids::{ItemRef, TransactionId},
    store::StoreError,
    sync::{AccountWrite, Commit, PageFacts, RowWrite},
    transaction::Month,
};
use jiff::{Timestamp, civil::Date};

use crate::{
    Store, encode,
    keys::{self, META},
    ledger::{balance_row, run_row},
    outcome::{unavailable, unbuildable},
    row::{Change, Reader, Row, bytes, key, number, pack, text, texts},
};

/// The redo log's rows expire long after any stage has been applied.
const STAGE_DAYS: i64 = 30;
/// Bytes of a page in one row: one holds 400 KB.
const STAGE_PART: usize = 380_000;
/// A tombstone keeps a person's half for so long.
pub(crate) const TOMBSTONE_DAYS: i64 = 90;
const DAY_S: i64 = 86_400;
/// A person has not written on the row.
const UNEDITED: &str = "attribute_not_exists(ur)";

/// When what is written at `now` expires, in Unix seconds.
pub(crate) fn expires(now: Timestamp, days: i64) -> AttributeValue {
    number(now.as_second() + days * DAY_S)
}

impl Store {
    /// All actions of a commit but the item's own.
    pub(crate) async fn actions(&self, commit: &Commit) -> Result<Vec<TransactWriteItem>, StoreError> {
        let sources = self.sources(commit).await?;
        let mut actions = Vec::with_capacity(commit.rows.len() + 4);
        for row in &commit.rows {
            actions.push(self.row_action(commit, row, &sources)?);
        }
        for account in &commit.accounts {
            actions.push(self.account_action(&commit.at, account)?);
        }
        for balance in &commit.balances {
            actions.push(self.put(balance_row(&commit.at, balance, commit.now))?);
        }
        if let Some((run, number, page)) = &commit.page {
            actions.extend(self.page_actions(commit, *run, *number, page)?);
        }
        if let Some(run) = &commit.run {
            actions.push(self.put(run_row(&commit.at, commit.rev, run))?);
        }
        if !commit.new_months.is_empty() {
            let mut change = Change::default();
            change.add("mo", texts(commit.new_months.iter().map(Month::to_string)));
            actions.push(self.update(key(keys::household(&commit.at.household), META), change, None)?);
        }
        Ok(actions)
    }

    /// The rows that are copied from, as they are stored. Only the sync writes a bank half, so the item's revision
    /// holds for them too.
    async fn sources(&self, commit: &Commit) -> Result<HashMap<TransactionId, Row>, StoreError> {
        let mut sources = HashMap::new();
        for write in &commit.rows {
            let RowWrite::Copy { from, .. } = write else { continue };
            let get = self
                .client
                .get_item()
                .table_name(&self.data)
                .set_key(Some(key(keys::transactions(&commit.at), keys::transaction(from))))
                .consistent_read(true);
            let row = get.send().await.map_err(|error| unavailable(&error))?.item;
            // Gone means that the item has moved on: the condition on its revision will say so.
            sources.insert(from.clone(), row.ok_or(StoreError::Busy)?);
        }
        Ok(sources)
    }

    fn row_action(
        &self,
        commit: &Commit,
        write: &RowWrite,
        sources: &HashMap<TransactionId, Row>,
    ) -> Result<TransactWriteItem, StoreError> {
        let at = &commit.at;
        let row_key = key(keys::transactions(at), keys::transaction(write.target()));
        let mut change = Change::default();
        let mut condition = None;
        match write {
            RowWrite::Bank { key, account, generation, facts, digest, next, guessed } => {
                let account = (account, *generation);
                change = encode::bank_half(at, key, account, facts, *digest, next.as_ref(), *guessed)?;
            }
            RowWrite::Next { next, .. } => drop(change.set("nx", text(next.as_str()))),
            RowWrite::Copy { from, to, next, guessed } => {
                let source = sources.get(from).ok_or(StoreError::Corrupt("source"))?;
                change = copied(source, to, next.as_ref(), *guessed)?;
            }
            RowWrite::Alias { of, account, replaces, .. } => {
                change
                    .set("v", number(encode::SCHEMA))
                    .set("of", text(of.as_str()))
                    .set("ac", text(account.tail()));
                if *replaces {
                    condition = Some(UNEDITED);
                    let goes = encode::BANK.into_iter().filter(|name| *name != "ac");
                    for name in goes.chain(["ms", "gone", "ttl"]) {
                        change.remove(name);
                    }
                }
            }
            RowWrite::Tombstone { unedited, .. } => {
                condition = unedited.then_some(UNEDITED);
                change
                    .set("gone", text(commit.now.to_string()))
                    .set("ttl", expires(commit.now, TOMBSTONE_DAYS));
                for name in encode::ENDED {
                    change.remove(name);
                }
            }
        }
        self.update(row_key, change, condition)
    }

    fn account_action(&self, at: &ItemRef, account: &AccountWrite) -> Result<TransactWriteItem, StoreError> {
        let row_key = key(keys::household(&at.household), keys::account(&account.id));
        self.update(row_key, encode::account(account), None)
    }

    /// A page, in as many rows as it takes.
    fn page_actions(
        &self,
        commit: &Commit,
        run: u64,
        page_number: u32,
        page: &PageFacts,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let plain = serde_json::to_vec(page).map_err(|_bad| StoreError::Corrupt("page"))?;
        let packed = pack(&plain)?;
        let parts: Vec<&[u8]> = packed.chunks(STAGE_PART).collect();
        let put = |(part, content): (usize, &&[u8])| {
            let mut row = key(keys::transactions(&commit.at), keys::stage(run, page_number, part));
            row.insert("v".to_owned(), number(encode::SCHEMA));
            row.insert("z".to_owned(), bytes(content.to_vec()));
            row.insert("ttl".to_owned(), expires(commit.now, STAGE_DAYS));
            if part + 1 < parts.len() {
                row.insert("more".to_owned(), AttributeValue::Bool(true));
            }
            self.put(row)
        };
        parts.iter().enumerate().map(put).collect()
    }

    fn put(&self, row: Row) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.data).set_item(Some(row)).build().map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    pub(crate) fn update(
        &self,
        row_key: Row,
        change: Change,
        condition: Option<&str>,
    ) -> Result<TransactWriteItem, StoreError> {
        let (expression, names, values) = change.finish();
        let update = Update::builder()
            .table_name(&self.data)
            .set_key(Some(row_key))
            .update_expression(expression)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The bank half of a stored row, for the row of another id.
fn copied(
    source: &Row,
    to: &TransactionId,
    next: Option<&TransactionId>,
    guessed: bool,
) -> Result<Change, StoreError> {
    let date: Date = Reader(source).parsed("dt")?;
    let mut change = Change::default();
    change.set("v", number(encode::SCHEMA));
    for name in encode::BANK.into_iter().filter(|name| !matches!(*name, "nx" | "gu")) {
        change.put(name, source.get(name).cloned());
    }
    change.put("nx", next.map(|id| text(id.as_str())));
    change.put("gu", guessed.then_some(AttributeValue::Bool(true)));
    change.set("ms", text(keys::place(date, to)));
    encode::revive(&mut change);
    Ok(change)
}
