//! A person's half of a transaction, and the halves that have lost theirs.

mod find;
mod half;
mod manual;
mod moving;

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::ReturnValue};
use domain::{
    edit::{Change as UserChange, Edited, Orphan, Orphans, SomeOrphans, TransactionEdits, UserHalf},
    ids::{ItemRef, TransactionId},
    store::StoreError,
};

pub(crate) use half::{HALF, is_guessed, user_half};

use crate::{
    Store,
    encode::read_currency,
    keys,
    outcome::unavailable,
    row::{Reader, Row, key, number, text},
    transactions::{account_of, transaction_id},
};
use find::whole;
use half::encode;

/// How often an edit starts over because a sync or another person was at the row.
const TRIES: usize = 8;
/// Aliases on the way to a row: one, or two while rows are being joined.
const HOPS: usize = 3;
/// Nobody has written since, and the transaction is still there.
const FIRST: &str = "attribute_exists(id) AND attribute_not_exists(ur)";
const LATER: &str = "attribute_exists(id) AND ur = :read";

#[async_trait]
impl TransactionEdits for Store {
    async fn edit(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        change: &UserChange,
        if_rev: Option<u64>,
    ) -> Result<Edited, StoreError> {
        let mut intended: Option<UserHalf> = None;
        // What the person has seen: a sync may bring another transaction to the row between two tries.
        let mut seen: Option<String> = None;
        for _ in 0..TRIES {
            let Some((key, row)) = self.read_followed(at, id).await? else { return Ok(Edited::NotFound) };
            let stored = user_half(Reader(&row))?;
            // The answer of our own write was lost: this is what it wrote.
            if let Some(half) = intended.take_if(|half| *half == stored) {
                return done(at, key, half, &row);
            }
            if !row.contains_key("id") {
                return Ok(Edited::NotFound);
            }
            if if_rev.is_some_and(|rev| rev != stored.rev) {
                return Ok(Edited::Stale(stored));
            }
            let read = stored.rev;
            let half = stored.with(change);
            if !half.fits() {
                return Ok(Edited::TooMuch);
            }
            let carried = Reader(&row).owned("id");
            let seen = seen.get_or_insert_with(|| carried.unwrap_or_default());
            let guessed = Some(seen.as_str()).filter(|_| Reader(&row).flag("gu"));
            match self.write_half(at, &key, (read, guessed), &half).await {
                Ok(Some(row)) => return done(at, key, half, &row),
                Ok(None) | Err(StoreError::Busy) => intended = Some(half),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

/// A half that is written, with the row that it stands on.
fn done(at: &ItemRef, key: TransactionId, half: UserHalf, row: &Row) -> Result<Edited, StoreError> {
    Ok(Edited::Done { key, half, whole: whole(at, row)?.map(Box::new) })
}

impl Store {
    /// A person's half, by any id that the transaction has had.
    pub async fn half(&self, at: &ItemRef, id: &TransactionId) -> Result<Option<UserHalf>, StoreError> {
        let Some((_, row)) = self.read_followed(at, id).await? else { return Ok(None) };
        user_half(Reader(&row)).map(Some)
    }

    /// The row that an id leads to, with its key.
    async fn read_followed(
        &self,
        at: &ItemRef,
        id: &TransactionId,
    ) -> Result<Option<(TransactionId, Row)>, StoreError> {
        let mut id = id.clone();
        for _ in 0..HOPS {
            let Some(row) = self.read_row(at, &id).await? else { return Ok(None) };
            match Reader(&row).maybe_parsed("of") {
                Some(of) => id = of,
                None => return Ok(Some((id, row))),
            }
        }
        Ok(None)
    }

    /// The row as it is now; none if somebody was faster, or the transaction is no more.
    async fn write_half(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        (read, guessed): (u64, Option<&str>),
        half: &UserHalf,
    ) -> Result<Option<Row>, StoreError> {
        let mut change = encode(half);
        if let Some(carried) = guessed {
            change.set("gk", text(carried));
        }
        if read > 0 {
            change.value("read", number(read));
        }
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::transactions(at), keys::transaction(id))))
            .update_expression(expression)
            .condition_expression(match (read, guessed) {
                (0, _) => FIRST.to_owned(),
                (_, Some(_)) => LATER.to_owned(),
                (_, None) => format!("{LATER} AND attribute_not_exists(gu)"),
            })
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(unavailable(&error)),
            },
        }
    }
}

#[async_trait]
impl Orphans for Store {
    async fn some_orphans(
        &self,
        at: &ItemRef,
        after: Option<&TransactionId>,
    ) -> Result<SomeOrphans, StoreError> {
        let partition = keys::transactions(at);
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .set_exclusive_start_key(after.map(|id| key(&partition, keys::transaction(id))))
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression(
                "attribute_exists(ur) AND attribute_not_exists(id) AND attribute_not_exists(sp)",
            )
            .expression_attribute_values(":pk", text(&partition))
            .expression_attribute_values(":sk", text("T#"));
        let page = query.send().await.map_err(|error| unavailable(&error))?;
        let mut some = SomeOrphans::default();
        for row in page.items.unwrap_or_default() {
            let orphan = orphan(at, Reader(&row))?;
            // What was written may have been taken away again.
            if !orphan.half.is_empty() {
                some.orphans.push(orphan);
            }
        }
        let last = page.last_evaluated_key.filter(|key| !key.is_empty());
        some.next = last.map(|last| transaction_id(Reader(&last))).transpose()?;
        Ok(some)
    }
}

fn orphan(at: &ItemRef, row: Reader<'_>) -> Result<Orphan, StoreError> {
    Ok(Orphan {
        key: transaction_id(row)?,
        half: user_half(row)?,
        account: account_of(at, row),
        amount: row.decimal("am"),
        currency: row.maybe_text("cu").map(|code| read_currency(code).code().to_owned()),
        date: row.maybe_parsed("dt"),
        name: row.owned("nm"),
    })
}
