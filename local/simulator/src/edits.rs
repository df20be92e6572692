//! What people wrote, to be compared with what is there in the end.

use std::collections::BTreeMap;

use domain::{edit::UserHalf, ids::TransactionId};

/// The edits of one item.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// By the row's key: the last half that was certainly written.
    pub(crate) done: BTreeMap<TransactionId, UserHalf>,
    /// Notes that may have been written: their answers never came.
    pub(crate) maybe: Vec<String>,
}

impl Edits {
    /// An edit that was answered.
    pub(crate) fn add(&mut self, key: TransactionId, half: UserHalf) {
        let last = self.done.entry(key).or_default();
        if half.rev > last.rev {
            *last = half;
        }
    }
}
