//! What was written on a transaction that went away, or that a guess brought to one, moved to another.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    edit::{EditMoves, Found, Moved, UserHalf},
    ids::TransactionId,
    store::StoreError,
};
use jiff::Timestamp;

use super::{
    FIRST, LATER, TRIES,
    find::whole,
    half::{HALF, encode, is_guessed, user_half},
};
use crate::{
    Store,
    actions::{TOMBSTONE_DAYS, expires},
    encode::SCHEMA,
    row::{Change, Reader, Row, number, text},
    transactions::{reference, transaction_key},
};

/// Unchanged since it was read, and still not the transaction's own.
const LOST: &str = "(attribute_not_exists(id) OR (gu = :yes AND id = :carried)) AND ur = :read";

#[async_trait]
impl EditMoves for Store {
    async fn move_edits(&self, from: &Found, to: &Found) -> Result<Moved, StoreError> {
        let way = reference(&to.at, &to.key);
        for _ in 0..TRIES {
            let Some((_, source)) = self.read_followed(&from.at, &from.key).await? else {
                return Ok(Moved::NotOrphaned);
            };
            let target = self.read_followed(&to.at, &to.key).await?;
            let Some((key, target)) = target else { return Ok(Moved::TargetGone) };
            let Some(whole) = whole(&to.at, &target)? else { return Ok(Moved::TargetGone) };
            let half = user_half(Reader(&source))?;
            // The same move was made before.
            if half.is_empty() && Reader(&source).maybe_text("mv") == Some(&way) {
                return Ok(Moved::Done(Box::new(whole)));
            }
            if is_own(&source) || half.is_empty() {
                return Ok(Moved::NotOrphaned);
            }
            let there = &whole.listed.half;
            if !there.is_empty() {
                return Ok(Moved::TargetEdited);
            }
            let moved = UserHalf { rev: there.rev + 1, ..half.clone() };
            let mut target = encode(&moved);
            if there.rev > 0 {
                target.value("read", number(there.rev));
            }
            let condition = if there.rev > 0 { LATER } else { FIRST };
            let target_key = transaction_key(&to.at, &key);
            let actions = vec![
                self.update(transaction_key(&from.at, &from.key), left(&source, half.rev, &way), Some(LOST))?,
                self.update(target_key, target, Some(condition))?,
            ];
            match self.transact(actions).await {
                // Read again: by then a sync may have changed it too.
                Ok(()) | Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    async fn take_back(&self, from: &Found, now: Timestamp) -> Result<Moved, StoreError> {
        for _ in 0..TRIES {
            let Some((key, row)) = self.read_followed(&from.at, &from.key).await? else {
                return Ok(Moved::TargetGone);
            };
            let Some(whole) = whole(&from.at, &row)? else { return Ok(Moved::NotOrphaned) };
            let half = user_half(Reader(&row))?;
            let lost = |rev| format!("{}{TAKEN_BACK}{rev}", from.key).parse::<TransactionId>();
            let (lost, before) = (lost(half.rev), lost(half.rev.saturating_sub(1)));
            let (lost, before) =
                lost.and_then(|lost| Ok((lost, before?))).map_err(|_bad| StoreError::Corrupt("sk"))?;
            let is_done =
                half.is_empty() && Reader(&row).maybe_text("mv") == Some(&reference(&from.at, &before));
            if is_done {
                return Ok(Moved::Done(Box::new(whole)));
            }
            if is_own(&row) || !HALF.iter().any(|name| *name != "ur" && row.contains_key(*name)) {
                return Ok(Moved::NotOrphaned);
            }
            let way = reference(&from.at, &lost);
            let mut target = Change::default();
            target
                .set("v", number(SCHEMA))
                .set("gone", text(now.to_string()))
                .set("ttl", expires(now, TOMBSTONE_DAYS));
            for name in SHOWN.into_iter().chain(HALF) {
                target.put(name, row.get(name).cloned());
            }
            let actions = vec![
                self.update(transaction_key(&from.at, &key), left(&row, half.rev, &way), Some(LOST))?,
                self.update(transaction_key(&from.at, &lost), target, Some("attribute_not_exists(ur)"))?,
            ];
            match self.transact(actions).await {
                Ok(()) | Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

/// Behind a row's key: the key of what was taken off it.
const TAKEN_BACK: char = '~';
/// What an orphaned edit is shown by.
const SHOWN: [&str; 5] = ["ac", "am", "cu", "dt", "nm"];

/// Whether a row has a transaction, and what is written there was written on it.
fn is_own(row: &Row) -> bool {
    row.contains_key("id") && !is_guessed(Reader(row))
}

/// A row that what was written on it has left. One that is still there goes on counting its changes.
fn left(row: &Row, read: u64, way: &str) -> Change {
    let mut change = Change::default();
    let carried = Reader(row).maybe_text("id");
    change
        .set("mv", text(way))
        .value("read", number(read))
        .value("yes", AttributeValue::Bool(true))
        .value("carried", text(carried.unwrap_or_default()));
    for name in HALF.into_iter().filter(|name| carried.is_none() || *name != "ur") {
        change.remove(name);
    }
    // What is written from now on is written on this one; a sync that is under way may write `gu` again.
    if let Some(carried) = carried {
        change.set("ur", number(read + 1)).set("gk", text(carried));
    }
    change
}
