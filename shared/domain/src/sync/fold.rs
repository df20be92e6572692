//! Folding the pages of one update: the last word on each id counts.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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
    /// Plaid's id of the call.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The beginnings of entries of which nothing could be made.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl PageFacts {
    /// Takes the transactions out of a page.
    pub fn take(page: &mut SyncPage) -> Self {
        let mut upserts = std::mem::take(&mut page.added);
        upserts.append(&mut page.modified);
        Self {
            upserts,
            removed: std::mem::take(&mut page.removed),
            request_id: page.request_id.clone(),
            left_out: std::mem::take(&mut page.left_out),
        }
    }

    /// Leaves rarely read detail out until the page takes `most` bytes at most, from the largest rows first.
    pub(super) fn lighten(&mut self, most: usize) {
        let mut bytes: usize = self.upserts.iter().map(BankFacts::weight).sum();
        if bytes <= most {
            return;
        }
        let mut rows: Vec<&mut BankFacts> = self.upserts.iter_mut().collect();
        rows.sort_by_key(|facts| std::cmp::Reverse(facts.weight()));
        for facts in rows {
            if bytes <= most {
                return;
            }
            let before = facts.weight();
            (facts.detail, facts.raw) = (None, None);
            bytes -= before - facts.weight();
        }
    }

    /// Gives transactions without a readable date the day of now, on which they are seen.
    pub(super) fn date(&mut self, today: Date) {
        self.upserts.iter_mut().filter(|facts| facts.is_undated).for_each(|facts| facts.date = today);
    }
}

/// What an id is known by here: 16 bytes in place of its text, so that an update of 100,000 fits into 2.4 MB.
type Key = [u8; 16];

fn key(id: &TransactionId) -> Key {
    let mut key = Key::default();
    key.iter_mut().zip(Sha256::digest(id.as_str().as_bytes())).for_each(|(to, from)| *to = from);
    key
}

/// Where a word on an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    key: Key,
    page: u32,
    /// The place among the page's upserts, or [`REMOVED`].
    place: u32,
}

const REMOVED: u32 = u32::MAX;

impl Word {
    fn is_kept(self) -> bool {
        self.place != REMOVED
    }
}

fn place(place: usize) -> u32 {
    // A page has thousands of rows at the very most.
    u32::try_from(place).unwrap_or(REMOVED - 1)
}

/// Collects what the pages of an update say, in their order.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    words: Vec<Word>,
    /// What postings say that they replace, and the page of the posting.
    links: Vec<(Key, u32)>,
}

impl IndexBuilder {
    /// Adds the next page.
    pub(super) fn add(&mut self, number: u32, page: &PageFacts) {
        let upserts = page.upserts.iter().enumerate();
        self.words.extend(upserts.map(|(at, facts)| Word {
            key: key(&facts.id),
            page: number,
            place: place(at),
        }));
        let links = page.upserts.iter().filter_map(|facts| facts.pending_of.as_ref());
        self.links.extend(links.map(|id| (key(id), number)));
        let removed = page.removed.iter();
        self.words.extend(removed.map(|id| Word { key: key(id), page: number, place: REMOVED }));
    }

    /// The index. With `is_whole` the update is all that there is: what it does not speak of is no more.
    pub(super) fn finish(mut self, is_whole: bool) -> UpdateIndex {
        // Stable: of one id the last word stays last.
        self.words.sort_by_key(|word| word.key);
        self.words.reverse();
        self.words.dedup_by_key(|word| word.key);
        self.words.reverse();
        let mut index = UpdateIndex { last: self.words, is_whole, ..UpdateIndex::default() };
        index.removing =
            index.last.iter().filter(|word| word.place == REMOVED).map(|word| word.page).collect();
        let early = self.links.into_iter().filter(|(key, _)| index.by_key(key).is_some_and(Word::is_kept));
        index.early = early.map(|(_, page)| page).collect();
        index
    }
}

/// Which page of an update has the last word on each id. Holds no facts and no ids: a large update fits.
#[derive(Debug, Default)]
pub(super) struct UpdateIndex {
    /// One word an id, by key.
    last: Vec<Word>,
    is_whole: bool,
    removing: BTreeSet<u32>,
    early: BTreeSet<u32>,
}

impl UpdateIndex {
    /// The index of an update of one page.
    pub(super) fn of_page(page: &PageFacts) -> Self {
        let mut builder = IndexBuilder::default();
        builder.add(0, page);
        builder.finish(false)
    }

    fn last(&self, id: &TransactionId) -> Option<Word> {
        self.by_key(&key(id))
    }

    fn by_key(&self, key: &Key) -> Option<Word> {
        let at = self.last.binary_search_by_key(key, |word| word.key).ok()?;
        self.last.get(at).copied()
    }

    /// The pages that have a last word of something being no more.
    pub(super) fn removing_pages(&self) -> Vec<u32> {
        self.removing.iter().copied().collect()
    }

    /// The pages that have a posting for which [`Self::is_early`] holds.
    pub(super) fn early_pages(&self) -> Vec<u32> {
        self.early.iter().copied().collect()
    }

    /// The upserts of a page that are the last word on their id.
    pub(super) fn upserts<'a>(&self, number: u32, page: &'a PageFacts) -> Vec<&'a BankFacts> {
        let is_last = |(at, facts): &(usize, &BankFacts)| {
            self.last(&facts.id).is_some_and(|word| word.page == number && word.place == place(*at))
        };
        page.upserts.iter().enumerate().filter(is_last).map(|(_, facts)| facts).collect()
    }

    /// The removals of a page that are the last word on their id.
    pub(super) fn removals(&self, number: u32, page: &PageFacts) -> Vec<TransactionId> {
        let is_last = |id: &&TransactionId| {
            self.last(id).is_some_and(|word| word.page == number && word.place == REMOVED)
        };
        let mut ids: Vec<_> = page.removed.iter().filter(is_last).cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether a posting says that it replaces a pending transaction that is there after this update.
    pub(super) fn is_early(&self, facts: &BankFacts) -> bool {
        facts.pending_of.as_ref().and_then(|id| self.last(id)).is_some_and(Word::is_kept)
    }

    /// Whether the transaction is no more after this update: it is said to be removed, or the update is all that
    /// there is and does not speak of it.
    pub(super) fn ends(&self, id: &TransactionId) -> bool {
        self.last(id).map_or(self.is_whole, |word| word.place == REMOVED)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::transaction::facts_for_tests;

    proptest! {
        /// Replaying all pages in order and looking only at the last words come to the same.
        #[test]
        fn the_last_words_are_what_a_replay_ends_with(
            pages in proptest::collection::vec(
                (proptest::collection::vec((0_u8..12, 0_i64..4), 0..8), proptest::collection::vec(0_u8..12, 0..4)), 0..6),
        ) {
            let pages: Vec<PageFacts> = pages.into_iter().map(|(upserts, removed)| PageFacts {
                upserts: upserts.into_iter().map(|(n, cents)| facts_for_tests(&format!("t{n}"), cents)).collect(),
                removed: removed.into_iter().map(|n| format!("t{n}").parse().unwrap()).collect(),
                ..PageFacts::default()
            }).collect();
            let mut builder = IndexBuilder::default();
            let mut replayed = BTreeMap::new();
            for (number, page) in (0..).zip(&pages) {
                builder.add(number, page);
                replayed.extend(page.upserts.iter().map(|facts| (facts.id.clone(), Some(facts.amount))));
                replayed.extend(page.removed.iter().map(|id| (id.clone(), None)));
            }
            let index = builder.finish(false);
            let mut last = BTreeMap::new();
            for (number, page) in (0..).zip(&pages) {
                for facts in index.upserts(number, page) {
                    prop_assert!(last.insert(facts.id.clone(), Some(facts.amount)).is_none());
                    prop_assert!(!index.ends(&facts.id));
                }
                for id in index.removals(number, page) {
                    prop_assert!(index.ends(&id));
                    prop_assert!(last.insert(id, None).is_none());
                }
            }
            prop_assert_eq!(last, replayed);
        }
    }

    #[test]
    fn what_a_whole_history_does_not_speak_of_is_no_more() {
        let page = PageFacts { upserts: vec![facts_for_tests("t1", 1)], ..PageFacts::default() };
        let mut builder = IndexBuilder::default();
        builder.add(0, &page);
        let index = builder.finish(true);
        assert!(index.ends(&"t2".parse().unwrap()) && !index.ends(&"t1".parse().unwrap()));
        assert!(!UpdateIndex::of_page(&page).ends(&"t2".parse().unwrap()));
    }
}
