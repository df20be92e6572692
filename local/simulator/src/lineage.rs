//! What became of the bank's ids of accounts: which one follows which, and which were lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::moves::Move;

/// The ids of all items' accounts.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// By the id before.
    next: BTreeMap<String, String>,
    /// Ids without a recognisable successor.
    lost: BTreeSet<String>,
}

impl Lineage {
    /// Notes a move: an item's ids before it and after it, in the order of its accounts.
    pub(crate) fn note(&mut self, which: Move, before: Vec<String>, after: &[String]) {
        match which {
            Move::Renumber => self.next.extend(before.into_iter().zip(after.iter().cloned())),
            Move::Reissue | Move::LoseAccount => {
                self.lost.extend(before.into_iter().filter(|id| !after.contains(id)));
            }
            _ => {}
        }
    }

    /// Whether an account is lost, under this id or one that followed it.
    pub(crate) fn is_lost(&self, id: &str) -> bool {
        let followers = std::iter::successors(Some(id), |id| self.next.get(*id).map(String::as_str));
        followers.into_iter().any(|id| self.lost.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_lost_under_all_ids_that_it_had() {
        let ids = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut lineage = Lineage::default();
        lineage.note(Move::Renumber, ids("a b"), &ids("c d"));
        assert!(!lineage.is_lost("a"));
        lineage.note(Move::LoseAccount, ids("c d"), &ids("d"));
        assert!(lineage.is_lost("a") && lineage.is_lost("c") && !lineage.is_lost("b"));
        lineage.note(Move::Reissue, ids("d"), &ids("e"));
        assert!(lineage.is_lost("b") && !lineage.is_lost("e"));
    }
}
