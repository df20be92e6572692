//! Folding the pages of one update: the last word on each id counts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{bank::SyncPage, ids::TransactionId, transaction::BankFacts};

/// What a page says of transactions: `added` and `modified` in their order, then `removed`, which Plaid's own
/// samples apply last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PageFacts {
    /// New or changed.
    #[serde(rename = "u", default)]
    pub upserts: Vec<BankFacts>,
    /// No more.
    #[serde(rename = "r", default)]
    pub removed: Vec<TransactionId>,
}

impl PageFacts {
    /// Takes the transactions out of a page.
    pub fn take(page: &mut SyncPage) -> Self {
        let mut upserts = std::mem::take(&mut page.added);
        upserts.append(&mut page.modified);
        Self { upserts, removed: std::mem::take(&mut page.removed) }
    }
}

/// Where the last word on an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastWord {
    page: u32,
    /// The place among the page's upserts; `None` when the last word is that it is no more.
    upsert: Option<usize>,
}

/// Which page of an update has the last word on each id. Holds ids, not facts: a large update fits.
#[derive(Debug, Default)]
pub(super) struct UpdateIndex {
    last: HashMap<TransactionId, LastWord>,
}

impl UpdateIndex {
    /// Adds the next page. Pages come in order.
    pub(super) fn add(&mut self, number: u32, page: &PageFacts) {
        for (place, facts) in page.upserts.iter().enumerate() {
            self.last.insert(facts.id.clone(), LastWord { page: number, upsert: Some(place) });
        }
        for id in &page.removed {
            self.last.insert(id.clone(), LastWord { page: number, upsert: None });
        }
    }

    /// The upserts of a page that are the last word on their id.
    pub(super) fn upserts<'a>(&self, number: u32, page: &'a PageFacts) -> Vec<&'a BankFacts> {
        let is_last = |(place, facts): &(usize, &BankFacts)| {
            self.last.get(&facts.id) == Some(&LastWord { page: number, upsert: Some(*place) })
        };
        page.upserts.iter().enumerate().filter(is_last).map(|(_, facts)| facts).collect()
    }

    /// The removals of a page that are the last word on their id.
    pub(super) fn removals<'a>(&self, number: u32, page: &'a PageFacts) -> Vec<&'a TransactionId> {
        let is_last =
            |id: &&TransactionId| self.last.get(*id) == Some(&LastWord { page: number, upsert: None });
        let mut ids: Vec<_> = page.removed.iter().filter(is_last).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether the update ends with the transaction being there.
    pub(super) fn keeps(&self, id: &TransactionId) -> bool {
        self.last.get(id).is_some_and(|last| last.upsert.is_some())
    }

    /// Whether the update ends with the transaction being no more.
    pub(super) fn ends(&self, id: &TransactionId) -> bool {
        self.last.get(id).is_some_and(|last| last.upsert.is_none())
    }
}
