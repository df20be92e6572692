//! The successor rule: a removed pending transaction that a person wrote on, and the posting that takes it over although
//! Plaid did not link them. Unique, same account, amount, currency and name, in the same update; posted on its day or
//! within 14 days after it, and authorized when it was.

use std::collections::{HashMap, HashSet};

use jiff::{Unit, civil::Date};

use super::{
    fold::{PageFacts, UpdateIndex},
    pairs::Pairs,
    plan::{AccountIds, StoredRow},
};
use crate::{
    ids::TransactionId,
    transaction::{BankFacts, Signature},
};

/// A pending transaction posts within so many days.
const MAX_DAYS_TO_POST: i32 = 14;
/// Where only the posting says when it was authorized, that may differ from the pending transaction's day: time zones.
const MAX_DAYS_AUTHORIZED_APART: i32 = 1;

/// Which posted id takes over the row of which removed id, and which new id that of which old one.
#[derive(Debug, Default)]
pub(super) struct Links {
    removed_of: HashMap<TransactionId, TransactionId>,
    posted_of: HashMap<TransactionId, TransactionId>,
    pairs: Pairs,
}

impl Links {
    /// Nothing but the pairs of accounts that continue under new ids.
    pub(super) fn of_pairs(pairs: Pairs) -> Self {
        Self { pairs, ..Self::default() }
    }

    /// The old id whose row a new id takes over: the same transaction of an account that goes on under a new id.
    pub(super) fn old_of(&self, new: &TransactionId) -> Option<&TransactionId> {
        self.pairs.old_of.get(new)
    }

    /// Whether it is a guess that a new id takes that row over.
    pub(super) fn is_guess(&self, new: &TransactionId) -> bool {
        self.pairs.guesses.contains(new)
    }

    /// The removed id whose row a posted id takes over.
    pub(super) fn removed_of(&self, posted: &TransactionId) -> Option<&TransactionId> {
        self.removed_of.get(posted)
    }

    /// The posted id that takes over a removed id's row.
    pub(super) fn posted_of(&self, removed: &TransactionId) -> Option<&TransactionId> {
        self.posted_of.get(removed)
    }
}

struct Orphan {
    id: TransactionId,
    date: Date,
    authorized: Option<Date>,
    linked: bool,
    candidates: Vec<TransactionId>,
}

/// Looks through an update, page by page, for successors of removed rows. What is paired has its successor: each old id
/// has one successor at most, and each new id one predecessor.
#[derive(Default)]
pub(super) struct LinkFinder {
    pairs: Pairs,
    paired: HashSet<TransactionId>,
    orphans: Vec<Orphan>,
    by_id: HashMap<TransactionId, usize>,
    by_signature: HashMap<Signature, Vec<usize>>,
}

impl LinkFinder {
    /// A finder for what is not paired already.
    pub(super) fn beside(pairs: Pairs) -> Self {
        let paired = pairs.old_of.values().cloned().collect();
        Self { pairs, paired, ..Self::default() }
    }

    /// Adds rows that the update removes. Only pending ones that a person wrote on need a successor.
    pub(super) fn add_removed<'a>(&mut self, rows: impl Iterator<Item = &'a StoredRow>, index: &UpdateIndex) {
        for row in rows.filter(|row| row.edited && row.pending) {
            if let (Some(id), Some((signature, date))) = (&row.carries, &row.signature)
                && index.ends(id)
                && !self.paired.contains(id)
                && !self.by_id.contains_key(id)
            {
                let place = self.orphans.len();
                self.by_id.insert(id.clone(), place);
                self.by_signature.entry(signature.clone()).or_default().push(place);
                self.orphans.push(Orphan {
                    id: id.clone(),
                    date: *date,
                    authorized: row.authorized,
                    linked: false,
                    candidates: Vec::new(),
                });
            }
        }
    }

    /// Whether there is anything to look for.
    pub(super) fn is_idle(&self) -> bool {
        self.orphans.is_empty()
    }

    /// Looks at the upserts of one page.
    pub(super) fn look(&mut self, number: u32, page: &PageFacts, index: &UpdateIndex, accounts: &AccountIds) {
        if self.is_idle() {
            return;
        }
        for facts in index.upserts(number, page) {
            if self.pairs.old_of.contains_key(&facts.id) {
                continue;
            }
            if let Some(pending) = &facts.pending_of {
                let place = self.by_id.get(pending);
                if let Some(orphan) = place.and_then(|place| self.orphans.get_mut(*place)) {
                    orphan.linked = true;
                }
            } else if !facts.pending {
                self.add_candidate(facts, &facts.signature(accounts.of(&facts.account)));
            }
        }
    }

    fn add_candidate(&mut self, facts: &BankFacts, signature: &Signature) {
        for place in self.by_signature.get(signature).into_iter().flatten() {
            if let Some(orphan) = self.orphans.get_mut(*place)
                && orphan.may_post_as(facts)
            {
                orphan.candidates.push(facts.id.clone());
            }
        }
    }

    /// The links: where both sides have just one possibility.
    pub(super) fn settle(self) -> Links {
        let mut claims: HashMap<TransactionId, Vec<TransactionId>> = HashMap::new();
        for orphan in self.orphans.into_iter().filter(|orphan| !orphan.linked) {
            if let [only] = orphan.candidates.as_slice() {
                claims.entry(only.clone()).or_default().push(orphan.id);
            }
        }
        let mut links = Links::of_pairs(self.pairs);
        for (posted, removed) in claims {
            if let [only] = removed.as_slice() {
                links.removed_of.insert(posted.clone(), only.clone());
                links.posted_of.insert(only.clone(), posted);
            }
        }
        links
    }
}

impl Orphan {
    fn may_post_as(&self, posted: &BankFacts) -> bool {
        let days = days_between(self.date, posted.date);
        let is_authorized_then = match (self.authorized, posted.authorized_date) {
            (Some(pending), Some(posted)) => pending == posted,
            (None, Some(posted)) => days_between(self.date, posted).abs() <= MAX_DAYS_AUTHORIZED_APART,
            (_, None) => true,
        };
        (0..=MAX_DAYS_TO_POST).contains(&days) && is_authorized_then
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until((Unit::Day, to)).map_or(i32::MAX, |span| span.get_days())
}
