//! The rows of transactions, as the sync reads them.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::{
    ids::{AccountId, ItemRef, TransactionId},
    store::StoreError,
    sync::{LiveRows, StoredRow},
    transaction::{Digest, Signature},
};

use crate::{
    Store, encode, keys,
    outcome::{unavailable, unbuildable},
    row::{Reader, Row, key, text},
};

/// What the sync needs of a row. Reading less costs as much, but carries less.
const FIELDS: &str = "sk, id, #of, nx, h, ur, ac, am, cu, nm, dt, ad, pe, ge, gu";
/// The most keys of one batch read.
const BATCH: usize = 100;
/// Rounds that may bring nothing.
const SPARE_ROUNDS: usize = 10;

impl Store {
    /// Reads rows by key, however many rounds it takes.
    pub(crate) async fn batch_get(
        &self,
        keys: Vec<Row>,
        fields: Option<&str>,
        consistent: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        let mut waiting = keys;
        let mut rounds = waiting.len().div_ceil(BATCH) + SPARE_ROUNDS;
        while !waiting.is_empty() {
            // Keys that DynamoDB leaves over are asked for again; if it goes on leaving them, it is throttling us.
            rounds = rounds
                .checked_sub(1)
                .ok_or_else(|| StoreError::Unavailable("unprocessed keys".to_owned()))?;
            let batch: Vec<Row> = waiting.drain(..waiting.len().min(BATCH)).collect();
            let request = KeysAndAttributes::builder().set_keys(Some(batch)).consistent_read(consistent);
            let request = match fields {
                Some(fields) => request.projection_expression(fields).expression_attribute_names("#of", "of"),
                None => request,
            };
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.data, request.build().map_err(unbuildable)?)
                .send()
                .await
                .map_err(|error| unavailable(&error))?;
            rows.extend(answer.responses.unwrap_or_default().remove(&self.data).unwrap_or_default());
            let unprocessed = answer.unprocessed_keys.unwrap_or_default().remove(&self.data);
            waiting.extend(unprocessed.map(|keys| keys.keys).unwrap_or_default());
        }
        Ok(rows)
    }

    /// A transaction's row, read consistently. Aliases are not followed.
    pub(crate) async fn read_row(&self, at: &ItemRef, id: &TransactionId) -> Result<Option<Row>, StoreError> {
        let get = self.client.get_item().table_name(&self.data).set_key(Some(transaction_key(at, id)));
        Ok(get.consistent_read(true).send().await.map_err(|error| unavailable(&error))?.item)
    }

    pub(crate) async fn read_rows(
        &self,
        at: &ItemRef,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        let partition = keys::transactions(at);
        let row_key = |id: &TransactionId| key(&partition, keys::transaction(id));
        let first = self.batch_get(ids.iter().map(row_key).collect(), Some(FIELDS), true).await?;
        let mut found = HashMap::new();
        let mut aliases: Vec<(TransactionId, TransactionId)> = Vec::new();
        for row in &first {
            match stored(at, row)? {
                Stored::Row(stored) => drop(found.insert(stored.key.clone(), stored)),
                Stored::Alias { id, of } => aliases.push((id, of)),
            }
        }
        let missing: HashSet<_> =
            aliases.iter().map(|(_, of)| of).filter(|of| !found.contains_key(*of)).cloned().collect();
        let second = self.batch_get(missing.iter().map(row_key).collect(), Some(FIELDS), true).await?;
        let mut targets = HashMap::new();
        for row in &second {
            if let Stored::Row(stored) = stored(at, row)? {
                targets.insert(stored.key.clone(), stored);
            }
        }
        for (id, of) in aliases {
            if let Some(row) = found.get(&of).or_else(|| targets.get(&of)).cloned() {
                found.insert(id, row);
            }
        }
        Ok(found)
    }

    pub(crate) async fn read_live_rows(
        &self,
        at: &ItemRef,
        after: Option<&TransactionId>,
    ) -> Result<LiveRows, StoreError> {
        let partition = keys::transactions(at);
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            // What a person has entered is no business of the bank's.
            .filter_expression("attribute_exists(id) AND attribute_not_exists(ma)")
            .projection_expression(FIELDS)
            .expression_attribute_names("#of", "of")
            .expression_attribute_values(":pk", text(&partition))
            .expression_attribute_values(":sk", text("T#"))
            .set_exclusive_start_key(after.map(|id| key(&partition, keys::transaction(id))));
        let page = query.send().await.map_err(|error| unavailable(&error))?;
        let mut live = LiveRows { rows: Vec::new(), next: None };
        for row in page.items.unwrap_or_default() {
            if let Stored::Row(stored) = stored(at, &row)? {
                live.rows.push(stored);
            }
        }
        if let Some(last) = page.last_evaluated_key.filter(|key| !key.is_empty()) {
            live.next = Some(transaction_id(Reader(&last))?);
        }
        Ok(live)
    }
}

enum Stored {
    Row(StoredRow),
    Alias { id: TransactionId, of: TransactionId },
}

fn stored(at: &ItemRef, row: &Row) -> Result<Stored, StoreError> {
    let row = Reader(row);
    let id = transaction_id(row)?;
    if row.has("of") {
        return Ok(Stored::Alias { id, of: row.parsed("of")? });
    }
    Ok(Stored::Row(StoredRow {
        key: id,
        carries: row.maybe_parsed("id"),
        digest: row.bytes("h").and_then(|bytes| bytes.try_into().ok()).map(Digest),
        edited: row.has("ur"),
        next: row.maybe_parsed("nx"),
        signature: signature(at, row),
        pending: row.flag("pe"),
        authorized: row.maybe_parsed("ad"),
        generation: row.maybe_number("ge").unwrap_or_default(),
        guessed: row.flag("gu"),
    }))
}

/// The primary key of a transaction's row.
pub(crate) fn transaction_key(at: &ItemRef, id: &TransactionId) -> Row {
    key(keys::transactions(at), keys::transaction(id))
}

/// A reference from one row to another one of the household.
pub(crate) fn reference(at: &ItemRef, id: &TransactionId) -> String {
    format!("{}#{id}", at.item)
}

/// The id that a transaction's row is kept under.
pub(crate) fn transaction_id(row: Reader<'_>) -> Result<TransactionId, StoreError> {
    let sort = row.text("sk")?.strip_prefix("T#").ok_or(StoreError::Corrupt("sk"))?;
    sort.parse().map_err(|_bad| StoreError::Corrupt("sk"))
}

/// The account that a row's `ac` names.
pub(crate) fn account_of(at: &ItemRef, row: Reader<'_>) -> Option<AccountId> {
    AccountId::of(&at.item, row.maybe_text("ac")?).ok()
}

fn signature(at: &ItemRef, row: Reader<'_>) -> Option<(Signature, jiff::civil::Date)> {
    let signature = Signature {
        account: account_of(at, row)?,
        amount: row.decimal("am"),
        currency: row.maybe_text("cu").map(encode::read_currency),
        name: row.owned("nm")?,
    };
    Some((signature, row.maybe_parsed("dt")?))
}
