//! The successor rule: a removed transaction that a person wrote on, and the posting that takes it over although
//! Plaid did not link them. Unique, same account, amount, currency and name, within 14 days, in the same update.

use std::collections::HashMap;

use jiff::{Unit, civil::Date};

use super::{
    fold::{PageFacts, UpdateIndex},
    plan::{AccountIds, StoredRow},
};
use crate::{ids::TransactionId, transaction::Signature};

const WINDOW_DAYS: i32 = 14;

/// For a posted id, the removed id whose row it takes over.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) successors: HashMap<TransactionId, TransactionId>,
}

struct Orphan {
    id: TransactionId,
    signature: Signature,
    date: Date,
    linked: bool,
    candidates: Vec<TransactionId>,
}

/// Looks through an update, page by page, for successors of removed rows.
#[derive(Default)]
pub(super) struct LinkFinder {
    orphans: Vec<Orphan>,
}

impl LinkFinder {
    /// Adds rows that the update removes. Only those that carry a removed id and a person's half need a successor.
    pub(super) fn add_removed<'a>(&mut self, rows: impl Iterator<Item = &'a StoredRow>, index: &UpdateIndex) {
        for row in rows.filter(|row| row.edited) {
            if let (Some(id), Some((signature, date))) = (&row.carries, &row.signature)
                && index.ends(id)
                && !self.orphans.iter().any(|known| known.id == *id)
            {
                let orphan = Orphan {
                    id: id.clone(),
                    signature: signature.clone(),
                    date: *date,
                    linked: false,
                    candidates: Vec::new(),
                };
                self.orphans.push(orphan);
            }
        }
    }

    /// Whether there is anything to look for.
    pub(super) fn is_idle(&self) -> bool {
        self.orphans.is_empty()
    }

    /// Looks at the upserts of one page.
    pub(super) fn look(&mut self, number: u32, page: &PageFacts, index: &UpdateIndex, accounts: &AccountIds) {
        for facts in index.upserts(number, page) {
            for orphan in &mut self.orphans {
                if facts.pending_of.as_ref() == Some(&orphan.id) {
                    orphan.linked = true;
                } else if !facts.pending
                    && facts.pending_of.is_none()
                    && facts.signature(accounts.of(&facts.account)) == orphan.signature
                    && is_within_window(facts.date, orphan.date)
                {
                    orphan.candidates.push(facts.id.clone());
                }
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
        let unique = claims.into_iter().filter_map(|(posted, mut removed)| match removed.len() {
            1 => removed.pop().map(|id| (posted, id)),
            _ => None,
        });
        Links { successors: unique.collect() }
    }
}

fn is_within_window(a: Date, b: Date) -> bool {
    a.since((Unit::Day, b)).is_ok_and(|span| span.get_days().abs() <= WINDOW_DAYS)
}
