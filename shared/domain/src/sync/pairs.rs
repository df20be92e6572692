//! Pairing the history of an account that goes on under a new id: its transactions all have new ids too, and only what
//! they say tells which is which. As multisets, so that two equal ones stay two.
//!
//! Only a whole history is paired, and only with rows that it does not speak of and that were written under an earlier
//! id of the account: a transaction of now is never taken for one of before.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;

use super::{
    fold::UpdateIndex,
    plan::{AccountIds, StoredRow},
};
use crate::{
    ids::TransactionId,
    time::days_apart,
    transaction::{BankFacts, Signature},
};

/// A posting may have another date at the bank's new side.
pub(crate) const DAYS_APART: i32 = 3;
/// A pending transaction posts within so many days.
const DAYS_TO_POST: i32 = 14;

/// One side of a pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Half {
    date: Date,
    pending: bool,
    id: TransactionId,
}

/// What is equal on both sides, and the halves that have it.
#[derive(Debug, Default)]
struct Bucket {
    old: Vec<Half>,
    new: Vec<Half>,
}

/// Collects both sides.
#[derive(Debug, Default)]
pub(super) struct PairFinder {
    buckets: HashMap<Signature, Bucket>,
    /// Ids of the new history that have a row already.
    known: HashSet<TransactionId>,
    /// The first day of each account's new history.
    first_days: BTreeMap<String, Date>,
}

impl PairFinder {
    /// Adds a transaction of the new history, unless its account has only ever had one id.
    pub(super) fn add_new(&mut self, facts: &BankFacts, accounts: &AccountIds) {
        let account = accounts.of(&facts.account);
        if accounts.generation(&account) == 0 {
            return;
        }
        let first = self.first_days.entry(account.to_string()).or_insert(facts.date);
        *first = (*first).min(facts.date);
        let half = Half { date: facts.date, pending: facts.pending, id: facts.id.clone() };
        self.buckets.entry(facts.signature(account)).or_default().new.push(half);
    }

    /// Adds a row. Only one that the history does not speak of, and of an earlier id of its account, is for pairing.
    pub(super) fn add_old(&mut self, row: &StoredRow, index: &UpdateIndex, accounts: &AccountIds) {
        let (Some(id), Some((signature, date))) = (&row.carries, &row.signature) else { return };
        if accounts.generation(&signature.account) == 0 {
            return;
        }
        if !index.ends(id) {
            self.known.insert(id.clone());
        } else if row.generation < accounts.generation(&signature.account)
            && let Some(bucket) = self.buckets.get_mut(signature)
        {
            bucket.old.push(Half { date: *date, pending: row.pending, id: id.clone() });
        }
    }

    /// The pairs and the first days.
    pub(super) fn settle(self) -> (Pairs, FirstDays) {
        let (mut pairs, mut guesses) = (HashMap::new(), HashSet::new());
        for mut bucket in self.buckets.into_values() {
            bucket.new.retain(|half| !self.known.contains(&half.id));
            bucket.old.sort();
            bucket.new.sort();
            pair(&mut bucket, &mut pairs, |old, new| old.date == new.date && old.pending == new.pending);
            let is_near = |days| move |old: &Half, new: &Half| days_apart(old.date, new.date) <= days;
            pair_nearest(&mut bucket, &mut pairs, |old, new| {
                old.pending == new.pending && is_near(DAYS_APART)(old, new)
            });
            // Pending then, posted by now: a guess, since a hold may have lapsed and another purchase be as much.
            let mut posted = HashMap::new();
            pair_nearest(&mut bucket, &mut posted, |old, new| {
                old.pending && !new.pending && new.date >= old.date && is_near(DAYS_TO_POST)(old, new)
            });
            guesses.extend(posted.keys().cloned());
            pairs.extend(posted);
        }
        (Pairs { old_of: pairs, guesses }, FirstDays(self.first_days))
    }
}

/// Which transaction of the new history is which of before.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// The old id of a new id.
    pub(super) old_of: HashMap<TransactionId, TransactionId>,
    /// The new ids of which that is a guess.
    pub(super) guesses: HashSet<TransactionId>,
}

/// The first day of the new history of each account that goes on under a new id.
#[derive(Debug, Default)]
pub(super) struct FirstDays(BTreeMap<String, Date>);

impl FirstDays {
    /// Whether a row is older than all that the bank's new side tells of its account.
    pub(super) fn is_older(&self, row: &StoredRow, accounts: &AccountIds) -> bool {
        let Some((signature, date)) = &row.signature else { return false };
        accounts.is_of_earlier_item(&signature.account, row.generation)
            && self.0.get(&signature.account.to_string()).is_none_or(|first| date < first)
    }
}

/// Pairs in their order what fits exactly.
fn pair(
    bucket: &mut Bucket,
    pairs: &mut HashMap<TransactionId, TransactionId>,
    fits: impl Fn(&Half, &Half) -> bool,
) {
    let Bucket { old, new } = bucket;
    new.retain(|half| match old.iter().position(|candidate| fits(candidate, half)) {
        Some(place) => {
            pairs.insert(half.id.clone(), old.remove(place).id);
            false
        }
        None => true,
    });
}

/// Pairs each with the nearest by date among what fits.
fn pair_nearest(
    bucket: &mut Bucket,
    pairs: &mut HashMap<TransactionId, TransactionId>,
    fits: impl Fn(&Half, &Half) -> bool,
) {
    let Bucket { old, new } = bucket;
    new.retain(|half| {
        let fitting = old.iter().enumerate().filter(|(_, candidate)| fits(candidate, half));
        match fitting.min_by_key(|(_, candidate)| days_apart(candidate.date, half.date)).map(|(at, _)| at) {
            Some(place) => {
                pairs.insert(half.id.clone(), old.remove(place).id);
                false
            }
            None => true,
        }
    });
}
