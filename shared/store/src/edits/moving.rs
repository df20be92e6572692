//! What was written on a transaction that went away, moved to another.

use async_trait::async_trait;
use domain::{
    edit::{EditMoves, Found, Moved, UserHalf},
    ids::{ItemRef, TransactionId},
    store::StoreError,
};

use super::{
    FIRST, LATER, TRIES,
    find::whole,
    half::{HALF, encode, user_half},
};
use crate::{
    Store, keys,
    row::{Change, Reader, key, number, text},
};

/// Nobody has written on it since, and the transaction has not come back.
const LOST: &str = "attribute_not_exists(id) AND ur = :read";

#[async_trait]
impl EditMoves for Store {
    async fn move_edits(&self, from: &Found, to: &Found) -> Result<Moved, StoreError> {
        let way = way(&to.at, &to.key);
        for _ in 0..TRIES {
            let Some((_, source)) = self.read_followed(&from.at, &from.key).await? else {
                return Ok(Moved::NotOrphaned);
            };
            let target = self.read_followed(&to.at, &to.key).await?;
            let Some((key, target)) = target else { return Ok(Moved::TargetGone) };
            let Some(whole) = whole(&to.at, &target)? else { return Ok(Moved::TargetGone) };
            let half = user_half(Reader(&source))?;
            // The same move was made before.
            if half.rev == 0 && Reader(&source).maybe_text("mv") == Some(&way) {
                return Ok(Moved::Done(Box::new(whole)));
            }
            if source.contains_key("id") || half.is_empty() {
                return Ok(Moved::NotOrphaned);
            }
            let there = &whole.listed.half;
            if !there.is_empty() {
                return Ok(Moved::TargetEdited);
            }
            let moved = UserHalf { rev: there.rev + 1, ..half.clone() };
            match self.write_move(from, half.rev, (to, &key, there.rev, &moved), &way).await {
                // Read again: by then a sync may have changed it too.
                Ok(()) | Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

/// Where a half has gone, as its old row remembers it.
fn way(at: &ItemRef, key: &TransactionId) -> String {
    format!("{}#{key}", at.item)
}

impl Store {
    async fn write_move(
        &self,
        from: &Found,
        read: u64,
        (to, key_there, read_there, half): (&Found, &TransactionId, u64, &UserHalf),
        way: &str,
    ) -> Result<(), StoreError> {
        let mut source = Change::default();
        source.set("mv", text(way)).value("read", number(read));
        for name in HALF {
            source.remove(name);
        }
        let mut target = encode(half);
        if read_there > 0 {
            target.value("read", number(read_there));
        }
        let condition = if read_there > 0 { LATER } else { FIRST };
        let row_key = |at, id| key(keys::transactions(at), keys::transaction(id));
        let actions = vec![
            self.update(row_key(&from.at, &from.key), source, Some(LOST))?,
            self.update(row_key(&to.at, key_there), target, Some(condition))?,
        ];
        self.transact(actions).await
    }
}
