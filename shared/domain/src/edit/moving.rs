//! What was written on a transaction that went away, or that a guess brought to one, moves to another.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Found, Whole};
use crate::store::StoreError;

/// What became of a move.
#[derive(Debug, Clone, PartialEq)]
pub enum Moved {
    /// It stands on the other one, which is this now.
    Done(Box<Whole>),
    /// The first is still there and what is written on it is its own, or nothing is.
    NotOrphaned,
    /// Something is written on the other one already.
    TargetEdited,
    /// The other one is no more.
    TargetGone,
}

/// Moves what has lost its transaction.
#[async_trait]
pub trait EditMoves: Send + Sync {
    /// Moves all that people wrote on `from` to `to`, in one write: it never stands on both or on neither. They are of
    /// one household, perhaps of two items. Moving the same again is success.
    async fn move_edits(&self, from: &Found, to: &Found) -> Result<Moved, StoreError>;

    /// Takes what a guess brought to `from` off it, in one write: it then stands among what has lost its transaction,
    /// for 90 days.
    async fn take_back(&self, from: &Found, now: Timestamp) -> Result<Moved, StoreError>;
}
