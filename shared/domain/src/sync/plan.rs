//! From an update and the stored rows to the writes that make them equal.
//!
//! A row's key never changes: when a pending transaction posts, the same row takes the posted facts and an alias
//! leads from the posted id to it. So nothing a person wrote ever moves. While the bank has both, both are there: the
//! posting in a row of its own, and the pending one's row remembers it as the next. When the pending one goes, its
//! row takes the posting in.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::civil::Date;

use super::{
    fold::{PageFacts, UpdateIndex},
    links::{LinkFinder, Links},
};
use crate::{
    account::{Account, AccountState, Generation},
    ids::{AccountId, ItemId, PlaidAccountId, TransactionId},
    item::Counts,
    transaction::{BankFacts, Digest, Signature},
};

/// What the store has of a transaction, as far as the sync needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The id under which it was first seen: its key.
    pub key: TransactionId,
    /// The id that its bank half carries; `None` for a tombstone.
    pub carries: Option<TransactionId>,
    /// Of the bank half; `None` for a tombstone.
    pub digest: Option<Digest>,
    /// Whether a person has written on it.
    pub edited: bool,
    /// The posting that takes this row over when its pending transaction goes.
    pub next: Option<TransactionId>,
    /// What it may be recognised by when it posts without a link. Kept on tombstones too.
    pub signature: Option<(Signature, Date)>,
    /// Whether its bank half is a pending transaction's.
    pub pending: bool,
    /// When it was authorized.
    pub authorized: Option<Date>,
    /// Under which of its account's ids the bank half was written.
    pub generation: u32,
    /// Whether the row was ever another transaction's, which the bank did not link to the one that took it over.
    pub guessed: bool,
}

/// One row to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum RowWrite {
    /// The bank half of the row at `key`.
    Bank {
        /// The row.
        key: TransactionId,
        /// The account, by our id.
        account: AccountId,
        /// Under which of its ids.
        generation: u32,
        /// What the bank says.
        facts: Box<BankFacts>,
        /// Its digest.
        digest: Digest,
        /// The posting that takes this row over later.
        next: Option<TransactionId>,
        /// Whether the row was another transaction's, which the bank did not link to this one.
        guessed: bool,
    },
    /// The posting that takes the row at `key` over later.
    Next {
        /// The row.
        key: TransactionId,
        /// The posting.
        next: TransactionId,
    },
    /// The bank half of the row at `from`, as it is stored, becomes the one of the row at `to`.
    Copy {
        /// Where it stands.
        from: TransactionId,
        /// Where it goes.
        to: TransactionId,
        /// The posting that takes the row over later, in place of what the source has.
        next: Option<TransactionId>,
        /// Whether the row was another transaction's, which the bank did not link to this one.
        guessed: bool,
    },
    /// A later id of the transaction at `of`.
    Alias {
        /// The later id.
        id: TransactionId,
        /// The row.
        of: TransactionId,
        /// The row's account, by our id: what is erased with it.
        account: AccountId,
        /// Whether there is a row under this id, which goes. Only if no person has written on it.
        replaces: bool,
    },
    /// The bank half goes, the person's half stays.
    Tombstone {
        /// The row.
        key: TransactionId,
        /// Whether the row had no person's half when this was decided. It must not have one now: an edit looks for a
        /// successor.
        unedited: bool,
    },
}

impl RowWrite {
    /// The row that is written.
    pub fn target(&self) -> &TransactionId {
        match self {
            Self::Bank { key, .. } | Self::Next { key, .. } | Self::Tombstone { key, .. } => key,
            Self::Copy { to, .. } => to,
            Self::Alias { id, .. } => id,
        }
    }

    /// About how many bytes it sends.
    pub(super) fn weight(&self) -> usize {
        const KEYS_AND_NUMBERS: usize = 600;
        const WHOLE_ROW: usize = 4_000;
        match self {
            Self::Bank { facts, .. } => facts.weight(),
            Self::Copy { .. } => WHOLE_ROW,
            Self::Next { .. } | Self::Alias { .. } | Self::Tombstone { .. } => KEYS_AND_NUMBERS,
        }
    }
}

/// Writes that belong together, and what they count for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    pub(super) writes: Vec<RowWrite>,
    pub(super) counts: Counts,
}

/// Our ids of an item's accounts, by Plaid's.
#[derive(Debug, Clone)]
pub(super) struct AccountIds {
    item: ItemId,
    known: HashMap<PlaidAccountId, AccountId>,
    states: HashMap<AccountId, (AccountState, Generation)>,
}

impl AccountIds {
    /// The ids of the accounts that are stored.
    pub(super) fn new(item: &ItemId, accounts: &[Account]) -> Self {
        let known = accounts.iter().map(|account| (account.bank.id.clone(), account.id.clone())).collect();
        let state = |account: &Account| (account.id.clone(), (account.state, account.generation));
        Self { item: item.clone(), known, states: accounts.iter().map(state).collect() }
    }

    /// Under which of its ids an account goes on.
    pub(super) fn generation(&self, account: &AccountId) -> u32 {
        self.states.get(account).map_or(0, |(_, generation)| generation.number)
    }

    /// Whether a row of that generation is an earlier item's: the one of now may not reach back to it.
    pub(super) fn is_of_earlier_item(&self, account: &AccountId, generation: u32) -> bool {
        self.states.get(account).is_some_and(|(_, now)| generation < now.reaches)
    }

    /// Whether the bank's side tells of an account: what a whole history does not speak of is no more only there.
    pub(super) fn is_live(&self, account: &AccountId) -> bool {
        self.states.get(account).is_none_or(|(state, _)| *state == AccountState::Live)
    }

    /// Whether an account was stopped: what the bank says of it is left out.
    pub(super) fn is_stopped(&self, plaid: &PlaidAccountId) -> bool {
        self.are_left_out(&self.of(plaid))
    }

    /// The same, by our id.
    fn are_left_out(&self, account: &AccountId) -> bool {
        self.states.get(account).is_some_and(|(state, _)| state.is_stopped())
    }

    /// Whether any account goes on under another id than its first.
    pub(super) fn are_continued(&self) -> bool {
        self.states.values().any(|(_, generation)| generation.number > 0)
    }

    /// The account's id; the one it will get if it is not stored yet.
    pub(super) fn of(&self, plaid: &PlaidAccountId) -> AccountId {
        self.known.get(plaid).cloned().unwrap_or_else(|| AccountId::derive(&self.item, plaid))
    }
}

/// Which ids a page needs the rows of.
pub(super) fn touched(
    number: u32,
    page: &PageFacts,
    index: &UpdateIndex,
    links: &Links,
) -> Vec<TransactionId> {
    let mut ids = HashSet::new();
    for facts in index.upserts(number, page) {
        ids.insert(facts.id.clone());
        ids.extend(facts.pending_of.clone());
        ids.extend(links.removed_of(&facts.id).cloned());
        ids.extend(links.old_of(&facts.id).cloned());
    }
    sorted(ids)
}

/// Which ids the removal of `removed` needs the rows of.
pub(super) fn touched_by_removal(removed: &[TransactionId], links: &Links) -> Vec<TransactionId> {
    sorted(removed.iter().chain(removed.iter().filter_map(|id| links.posted_of(id))).cloned().collect())
}

fn sorted(ids: HashSet<TransactionId>) -> Vec<TransactionId> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

/// The postings that removed rows wait for and that were not read with them.
pub(super) fn missing_next(
    removed: &[TransactionId],
    found: &HashMap<TransactionId, StoredRow>,
) -> Vec<TransactionId> {
    let next = removed.iter().filter_map(|id| found.get(id)?.next.clone());
    let missing: BTreeSet<_> = next.filter(|id| !found.contains_key(id)).collect();
    missing.into_iter().collect()
}

/// A plan under construction: the rows that may be touched, changed as it goes on, so that what one transaction does
/// the next one sees, and the writes so far.
pub(super) struct Plan<'a> {
    accounts: &'a AccountIds,
    index: &'a UpdateIndex,
    links: &'a Links,
    rows: HashMap<TransactionId, StoredRow>,
    key_of: HashMap<TransactionId, TransactionId>,
    groups: Vec<Group>,
    group_of: HashMap<TransactionId, usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        found: HashMap<TransactionId, StoredRow>,
        accounts: &'a AccountIds,
        index: &'a UpdateIndex,
        links: &'a Links,
    ) -> Self {
        let mut rows = HashMap::with_capacity(found.len());
        let mut key_of = HashMap::with_capacity(found.len());
        for (id, row) in found {
            key_of.insert(id, row.key.clone());
            rows.insert(row.key.clone(), row);
        }
        Self { accounts, index, links, rows, key_of, groups: Vec::new(), group_of: HashMap::new() }
    }

    fn find(&self, id: &TransactionId) -> Option<&StoredRow> {
        self.key_of.get(id).and_then(|key| self.rows.get(key))
    }

    /// The groups of writes, in the order in which they came up.
    pub(super) fn finish(self) -> impl Iterator<Item = Group> {
        self.groups.into_iter().filter(|group| !group.writes.is_empty())
    }

    /// A new or changed transaction. One of a stopped account is left out, and leaves the account that it was on.
    pub(super) fn upsert(&mut self, facts: &BankFacts) {
        if self.accounts.is_stopped(&facts.account) {
            return self.remove(&facts.id);
        }
        self.bring(facts);
        self.join(facts);
    }

    /// A posting in a row of its own belongs to its pending transaction's row, once that one goes. The link may come
    /// later than the posting, and the pending one too.
    pub(super) fn join(&mut self, facts: &BankFacts) {
        let Some(pending) = &facts.pending_of else { return };
        if self.accounts.is_stopped(&facts.account) {
            return;
        }
        let Some(row) = self.find(pending) else { return };
        if self.find(&facts.id).is_none_or(|own| own.key == row.key) {
            return;
        }
        let key = row.key.clone();
        match &row.carries {
            // The pending one, or a posting of it that the bank may replace by this one.
            Some(_) if row.next.as_ref() != Some(&facts.id) => {
                let next = self.remember_next(&key, &facts.id);
                self.put(vec![next], Counts::default());
            }
            None if row.edited => {
                if let Some((from, carried)) = self.ready(&facts.id, &key) {
                    self.take_in(&key, &from, &carried, false, Counts::default());
                }
            }
            Some(_) | None => {}
        }
    }

    fn bring(&mut self, facts: &BankFacts) {
        let digest = facts.digest();
        let Some(row) = self.find(&facts.id) else { return self.insert(facts, digest) };
        let (key, was_guessed) = (row.key.clone(), row.guessed);
        // An account that was taken for another is told apart later: its rows are its own again.
        let account = self.accounts.of(&facts.account);
        let is_elsewhere = row.signature.as_ref().is_some_and(|(signature, _)| signature.account != account);
        match row.carries.clone() {
            Some(id) if id == facts.id => {
                if row.digest != Some(digest) || is_elsewhere {
                    self.write(&key, facts, digest, None, modified());
                }
            }
            None => self.write(&key, facts, digest, None, added()),
            // Another id lives on the row and goes with this update.
            Some(id) if self.index.ends(&id) => self.write(&key, facts, digest, None, modified()),
            // Another id lives on the row and stays: both are there.
            Some(_) if key != facts.id => self.write(&facts.id, facts, digest, None, added()),
            // The row's own id is back beside a later one: the later one moves out, and is the next again, unless it was
            // only guessed to be.
            Some(later) => {
                let moved = self.copy(&key, &later, false);
                self.write(&key, facts, digest, Some(moved), added());
                if !was_guessed {
                    let next = self.remember_next(&key, &later);
                    self.put(vec![next], Counts::default());
                }
            }
        }
    }

    /// An id never seen before: it takes its predecessor's row over, or gets one.
    fn insert(&mut self, facts: &BankFacts, digest: Digest) {
        let links = self.links;
        let predecessors = [
            (links.old_of(&facts.id), links.is_guess(&facts.id)),
            (facts.pending_of.as_ref(), false),
            (links.removed_of(&facts.id), true),
        ];
        // A row that is not free belongs to a pending transaction that stays, or was taken by another successor.
        let mut rows = predecessors.into_iter().filter_map(|(id, guessed)| Some((self.find(id?)?, guessed)));
        let Some((row, guessed)) = rows.find(|(row, _)| self.is_free(row)) else {
            return self.write(&facts.id, facts, digest, None, added());
        };
        let (key, counts) = (row.key.clone(), if row.carries.is_some() { modified() } else { added() });
        self.take_over(&key, facts, digest, guessed, counts);
    }

    /// Whether a row carries no transaction that is there after this update.
    fn is_free(&self, row: &StoredRow) -> bool {
        row.carries.as_ref().is_none_or(|id| self.index.ends(id))
    }

    fn take_over(
        &mut self,
        key: &TransactionId,
        facts: &BankFacts,
        digest: Digest,
        guessed: bool,
        counts: Counts,
    ) {
        if let Some(row) = self.rows.get_mut(key) {
            row.guessed |= guessed;
        }
        let account = self.accounts.of(&facts.account);
        let alias = RowWrite::Alias { id: facts.id.clone(), of: key.clone(), account, replaces: false };
        self.write(key, facts, digest, Some(alias), counts);
    }

    /// A transaction that is no more. It ends a row only if the row still carries it.
    pub(super) fn remove(&mut self, id: &TransactionId) {
        let Some(row) = self.find(id).filter(|row| row.carries.as_ref() == Some(id)) else { return };
        // What was kept of a stopped account stays as it was; what is being erased is not written again.
        if row.signature.as_ref().is_some_and(|(signature, _)| self.accounts.are_left_out(&signature.account))
        {
            return;
        }
        let (key, unedited) = (row.key.clone(), !row.edited);
        let next = [(row.next.as_ref(), false), (self.links.posted_of(id), true)];
        let ready = next.into_iter().find_map(|(next, guessed)| Some((self.ready(next?, &key)?, guessed)));
        if let Some(((from, carried), guessed)) = ready {
            return self.take_in(&key, &from, &carried, guessed, removed());
        }
        if let Some(row) = self.rows.get_mut(&key) {
            row.carries = None;
            row.digest = None;
            row.next = None;
        }
        self.put(vec![RowWrite::Tombstone { key, unedited }], removed());
    }

    /// The row of a posting that waits to be taken in, and the id that it carries: alive, and nobody's own.
    fn ready(&self, next: &TransactionId, key: &TransactionId) -> Option<(TransactionId, TransactionId)> {
        let row = self.find(next).filter(|row| row.key != *key && !row.edited)?;
        let carried = row.carries.clone().filter(|id| !self.index.ends(id))?;
        Some((row.key.clone(), carried))
    }

    /// The row at `key` takes in what the row at `from` carries; the ids of that one lead here from now on.
    fn take_in(
        &mut self,
        key: &TransactionId,
        from: &TransactionId,
        carried: &TransactionId,
        guessed: bool,
        counts: Counts,
    ) {
        let guessed = guessed || self.rows.get(key).is_some_and(|row| row.guessed);
        let copied = self.copy(from, key, guessed);
        let mut writes = vec![copied];
        if let Some((Signature { account, .. }, _)) = self.rows.get(key).and_then(|row| row.signature.clone())
        {
            let alias = |id: &TransactionId, replaces| RowWrite::Alias {
                id: id.clone(),
                of: key.clone(),
                account: account.clone(),
                replaces,
            };
            writes.push(alias(from, true));
            if carried != from {
                writes.push(alias(carried, false));
            }
        }
        self.rows.remove(from);
        self.key_of.insert(from.clone(), key.clone());
        self.put(writes, counts);
    }

    /// The write that brings the bank half of one row to another, and the rows as they are then.
    fn copy(&mut self, from: &TransactionId, to: &TransactionId, guessed: bool) -> RowWrite {
        let mut next = None;
        if let Some(source) = self.rows.get(from).cloned() {
            next.clone_from(&source.next);
            let edited = self.rows.get(to).is_some_and(|row| row.edited);
            self.key_of.extend(source.carries.clone().map(|id| (id, to.clone())));
            self.rows.insert(to.clone(), StoredRow { key: to.clone(), edited, guessed, ..source });
        }
        // What this plan is about to write there is not stored yet.
        match self.planned(from) {
            Some(RowWrite::Bank { account, generation, facts, digest, .. }) => RowWrite::Bank {
                key: to.clone(),
                account: account.clone(),
                generation: *generation,
                facts: facts.clone(),
                digest: *digest,
                next,
                guessed,
            },
            // Nor is what it is about to copy there.
            Some(RowWrite::Copy { from: origin, .. }) => {
                RowWrite::Copy { from: origin.clone(), to: to.clone(), next, guessed }
            }
            _ => RowWrite::Copy { from: from.clone(), to: to.clone(), next, guessed },
        }
    }

    fn remember_next(&mut self, key: &TransactionId, next: &TransactionId) -> RowWrite {
        if let Some(row) = self.rows.get_mut(key) {
            row.next = Some(next.clone());
        }
        match self.planned(key).cloned() {
            Some(RowWrite::Bank { key, account, generation, facts, digest, guessed, .. }) => {
                RowWrite::Bank { key, account, generation, facts, digest, next: Some(next.clone()), guessed }
            }
            Some(RowWrite::Copy { from, to, guessed, .. }) => {
                RowWrite::Copy { from, to, next: Some(next.clone()), guessed }
            }
            _ => RowWrite::Next { key: key.clone(), next: next.clone() },
        }
    }

    fn write(
        &mut self,
        key: &TransactionId,
        facts: &BankFacts,
        digest: Digest,
        beside: Option<RowWrite>,
        counts: Counts,
    ) {
        let account = self.accounts.of(&facts.account);
        let generation = self.accounts.generation(&account);
        let mut facts = facts.clone();
        // An undated transaction stays on the day on which it was first seen.
        let first_seen = self.rows.get(key).and_then(|row| Some(row.signature.as_ref()?.1));
        facts.date = first_seen.filter(|_| facts.is_undated).unwrap_or(facts.date);
        let row = self.rows.entry(key.clone()).or_insert_with(|| StoredRow {
            key: key.clone(),
            carries: None,
            digest: None,
            edited: false,
            next: None,
            signature: None,
            pending: false,
            authorized: None,
            generation: 0,
            guessed: false,
        });
        // Who waits for this row waits for the id that it carried.
        if row.carries.as_ref() != Some(&facts.id) {
            row.next = None;
        }
        row.carries = Some(facts.id.clone());
        row.digest = Some(digest);
        row.signature = Some((facts.signature(account.clone()), facts.date));
        row.pending = facts.pending;
        row.authorized = facts.authorized_date;
        row.generation = generation;
        let (next, guessed) = (row.next.clone(), row.guessed);
        self.key_of.insert(facts.id.clone(), key.clone());
        let facts = Box::new(facts);
        let bank = RowWrite::Bank { key: key.clone(), account, generation, facts, digest, next, guessed };
        self.put(std::iter::once(bank).chain(beside).collect(), counts);
    }

    fn planned(&self, key: &TransactionId) -> Option<&RowWrite> {
        let group = self.groups.get(*self.group_of.get(key)?)?;
        group.writes.iter().find(|write| write.target() == key)
    }

    /// Adds writes that belong together, and with them whatever was planned for the same rows: one transaction
    /// writes a row once, so the last plan for a row counts.
    fn put(&mut self, mut writes: Vec<RowWrite>, counts: Counts) {
        for write in &mut writes {
            // A row that was to go under this id has not gone yet.
            if let RowWrite::Alias { id, replaces, .. } = write
                && let Some(RowWrite::Alias { replaces: true, .. }) = self.planned(id)
            {
                *replaces = true;
            }
        }
        let known: BTreeSet<usize> =
            writes.iter().filter_map(|write| self.group_of.get(write.target()).copied()).collect();
        let place = known.first().copied().unwrap_or(self.groups.len());
        let mut group = Group::default();
        for other in known {
            let other = self.groups.get_mut(other).map(std::mem::take).unwrap_or_default();
            group.counts = group.counts.plus(other.counts);
            let stays = |write: &RowWrite| !writes.iter().any(|new| new.target() == write.target());
            group.writes.extend(other.writes.into_iter().filter(stays));
        }
        group.counts = group.counts.plus(counts);
        group.writes.extend(writes);
        for write in &group.writes {
            self.group_of.insert(write.target().clone(), place);
        }
        match self.groups.get_mut(place) {
            Some(slot) => *slot = group,
            None => self.groups.push(group),
        }
    }
}

/// The plan of an update of one page.
pub(super) fn plan_page(
    page: &PageFacts,
    index: &UpdateIndex,
    found: HashMap<TransactionId, StoredRow>,
    accounts: &AccountIds,
) -> (Vec<RowWrite>, Counts) {
    let mut finder = LinkFinder::default();
    finder.add_removed(found.values(), index);
    finder.look(0, page, index, accounts);
    let links = finder.settle();
    let mut plan = Plan::new(found, accounts, index, &links);
    for facts in index.upserts(0, page) {
        plan.upsert(facts);
    }
    for facts in index.upserts(0, page).into_iter().filter(|facts| index.is_early(facts)) {
        plan.join(facts);
    }
    for id in index.removals(0, page) {
        plan.remove(&id);
    }
    plan.finish().fold((Vec::new(), Counts::default()), |(mut writes, counts), group| {
        writes.extend(group.writes);
        (writes, counts.plus(group.counts))
    })
}

fn added() -> Counts {
    Counts { added: 1, ..Counts::default() }
}

fn modified() -> Counts {
    Counts { modified: 1, ..Counts::default() }
}

fn removed() -> Counts {
    Counts { removed: 1, ..Counts::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        account::BankAccount,
        sync::{fold::IndexBuilder, pairs::PairFinder},
        transaction::facts_for_tests,
    };

    /// A store of rows, as the adapter keeps them.
    #[derive(Default)]
    struct Model {
        rows: BTreeMap<TransactionId, StoredRow>,
        aliases: BTreeMap<TransactionId, TransactionId>,
        /// The rows that a person has hidden.
        hidden: HashSet<TransactionId>,
        /// The ids that rows carried when a person confirmed a guess.
        confirmed: HashMap<TransactionId, TransactionId>,
        /// The ids of the bank that a person has hidden, and those that the bank linked to them.
        hidden_ids: HashSet<TransactionId>,
        /// What the bank has linked to each other.
        linked: HashSet<(TransactionId, TransactionId)>,
    }

    impl Model {
        fn read(&self, ids: impl IntoIterator<Item = TransactionId>) -> HashMap<TransactionId, StoredRow> {
            let row = |id: &TransactionId| self.rows.get(self.aliases.get(id).unwrap_or(id)).cloned();
            ids.into_iter().filter_map(|id| Some((id.clone(), row(&id)?))).collect()
        }

        /// What the bank links to a hidden id is hidden with it.
        fn spread_hidden(&mut self) {
            for _ in 0..self.linked.len() {
                for (one, other) in &self.linked {
                    if self.hidden_ids.contains(one) || self.hidden_ids.contains(other) {
                        self.hidden_ids.extend([one.clone(), other.clone()]);
                    }
                }
            }
        }

        /// One transaction: what is copied is what was there before.
        fn write(&mut self, writes: Vec<RowWrite>) {
            let before = self.rows.clone();
            let mut targets: Vec<_> = writes.iter().map(|write| write.target().clone()).collect();
            targets.sort();
            targets.dedup();
            assert_eq!(targets.len(), writes.len(), "one transaction writes a row once");
            for write in writes {
                let edited = before.get(write.target()).is_some_and(|row| row.edited);
                match write {
                    RowWrite::Bank { key, account, generation, facts, digest, next, guessed } => {
                        let (pending, authorized) = (facts.pending, facts.authorized_date);
                        let signature = Some((facts.signature(account), facts.date));
                        let carries = Some(facts.id);
                        self.aliases.remove(&key);
                        let row = StoredRow {
                            key: key.clone(),
                            carries,
                            digest: Some(digest),
                            edited,
                            next,
                            signature,
                            pending,
                            authorized,
                            generation,
                            guessed,
                        };
                        self.rows.insert(key, row);
                    }
                    RowWrite::Next { key, next } => self.rows.get_mut(&key).unwrap().next = Some(next),
                    RowWrite::Copy { from, to, next, guessed } => {
                        self.aliases.remove(&to);
                        let row =
                            StoredRow { key: to.clone(), edited, next, guessed, ..before[&from].clone() };
                        self.rows.insert(to, row);
                    }
                    RowWrite::Alias { id, of, replaces, .. } => {
                        assert!(!edited, "an alias takes no edit away");
                        // What was only planned under this id may be said to go as well.
                        assert!(self.rows.remove(&id).is_none() || replaces);
                        self.aliases.insert(id, of);
                    }
                    RowWrite::Tombstone { key, unedited } => {
                        assert_eq!(unedited, !edited);
                        let row = self.rows.get_mut(&key).unwrap();
                        (row.carries, row.digest, row.next) = (None, None, None);
                    }
                }
            }
        }
    }

    /// What happens to the ledger between two updates.
    #[derive(Debug, Clone)]
    enum Event {
        Put(u8, i64),
        Remove(u8),
        /// A pending one posts: with or without a link, and with or without going at once.
        Post(u8, bool, bool),
        /// A person writes on a row that is there, and may hide it.
        Edit(u8, bool),
    }

    fn events() -> impl Strategy<Value = Vec<Vec<Event>>> {
        let event = prop_oneof![
            4 => (0_u8..8, 0_i64..3).prop_map(|(n, cents)| Event::Put(n, cents)),
            2 => (0_u8..24).prop_map(Event::Remove),
            4 => (0_u8..16, any::<bool>(), any::<bool>()).prop_map(|(n, linked, goes)| Event::Post(n, linked, goes)),
            2 => (0_u8..24, any::<bool>()).prop_map(|(n, hides)| Event::Edit(n, hides)),
        ];
        proptest::collection::vec(proptest::collection::vec(event, 0..12), 1..8)
    }

    /// Eight pending ids, the ids under which each may post, and those under which that one is replaced again.
    fn id(n: u8) -> TransactionId {
        let kind = ["p", "t", "u"][usize::from(n / 8)];
        format!("{kind}{}", n % 8).parse().unwrap()
    }

    fn happen(event: &Event, ledger: &mut BTreeMap<TransactionId, BankFacts>, model: &mut Model) {
        match event {
            Event::Put(n, cents) => {
                let link = ledger.get(&id(*n)).and_then(|facts| facts.pending_of.clone());
                let facts = facts_for_tests(id(*n).as_str(), *cents);
                ledger.insert(id(*n), BankFacts { pending: true, pending_of: link, ..facts });
            }
            Event::Remove(n) => drop(ledger.remove(&id(*n))),
            Event::Post(n, linked, goes) => {
                let Some(pending) = ledger.get(&id(*n)).cloned() else { return };
                if *goes {
                    ledger.remove(&pending.id);
                }
                let link = linked.then(|| pending.id.clone());
                let posted = BankFacts { id: id(n + 8), pending: false, pending_of: link.clone(), ..pending };
                model.linked.extend(link.map(|link| (posted.id.clone(), link)));
                ledger.insert(posted.id.clone(), posted);
            }
            Event::Edit(n, hides) => {
                let key = model.aliases.get(&id(*n)).cloned().unwrap_or_else(|| id(*n));
                if let Some(row) = model.rows.get_mut(&key).filter(|row| row.carries.is_some()) {
                    row.edited = true;
                    // What is seen then is what is written.
                    if row.guessed {
                        if model.confirmed.get(&key).unwrap_or(&key) != row.carries.as_ref().unwrap() {
                            model.hidden.remove(&key);
                        }
                        model.confirmed.extend(row.carries.clone().map(|id| (key.clone(), id)));
                    }
                    if *hides {
                        model.hidden.insert(key);
                        model.hidden_ids.extend(row.carries.clone());
                    }
                }
            }
        }
    }

    /// The net difference between two states of the ledger.
    fn page(
        before: &BTreeMap<TransactionId, BankFacts>,
        after: &BTreeMap<TransactionId, BankFacts>,
    ) -> PageFacts {
        let upserts = after.values().filter(|facts| before.get(&facts.id) != Some(*facts)).cloned().collect();
        let removed = before.keys().filter(|id| !after.contains_key(*id)).cloned().collect();
        PageFacts { upserts, removed, ..PageFacts::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_rows_end_equal_to_the_ledger_and_no_edit_moves(updates in events()) {
            let (mut ledger, mut model) = (BTreeMap::new(), Model::default());
            let accounts = AccountIds::new(&ItemId::from_entropy([1; 10]), &[]);
            for update in &updates {
                let before = ledger.clone();
                for event in update {
                    happen(event, &mut ledger, &mut model);
                }
                let edited: Vec<_> = model.rows.values().filter(|row| row.edited).map(|row| row.key.clone()).collect();
                let page = page(&before, &ledger);
                let index = UpdateIndex::of_page(&page);
                let mut ids = touched(0, &page, &index, &Links::default());
                ids.extend(touched_by_removal(&page.removed, &Links::default()));
                let mut found = model.read(ids);
                found.extend(model.read(missing_next(&page.removed, &found)));
                let (writes, _) = plan_page(&page, &index, found, &accounts);
                model.write(writes);
                let live: BTreeMap<_, _> = model
                    .rows
                    .values()
                    .filter_map(|row| Some((row.carries.clone()?, row.digest?.0)))
                    .collect();
                let expected: BTreeMap<_, _> =
                    ledger.values().map(|facts| (facts.id.clone(), facts.digest().0)).collect();
                prop_assert_eq!(live, expected);
                for key in edited {
                    prop_assert!(model.rows.get(&key).is_some_and(|row| row.edited), "the edit on {} is gone", key);
                }
                model.spread_hidden();
                for row in model.rows.values().filter(|row| model.hidden.contains(&row.key)) {
                    let Some(carried) = &row.carries else { continue };
                    let is_guess = row.guessed && model.confirmed.get(&row.key).unwrap_or(&row.key) != carried;
                    let is_hidden = is_guess || model.hidden_ids.contains(carried);
                    prop_assert!(is_hidden, "{} is hidden, and nobody has hidden it", carried);
                }
                // Said again, the same update changes nothing.
                let mut ids = touched(0, &page, &index, &Links::default());
                ids.extend(touched_by_removal(&page.removed, &Links::default()));
                let mut found = model.read(ids);
                found.extend(model.read(missing_next(&page.removed, &found)));
                let (again, counts) = plan_page(&page, &index, found, &accounts);
                prop_assert!(counts == Counts::default(), "{again:?}");
            }
        }
    }

    #[test]
    fn a_row_that_the_bank_moves_to_a_stopped_account_leaves_its_own() {
        let item = ItemId::from_entropy([1; 10]);
        let account = |id: &str, state| Account {
            state,
            ..Account::new(
                AccountId::derive(&item, &id.parse().unwrap()),
                BankAccount::placeholder(id.parse().unwrap()),
            )
        };
        let accounts = [account("account", AccountState::Live), account("stopped", AccountState::Manual)];
        let accounts = AccountIds::new(&item, &accounts);
        let mut model = Model::default();
        for (plaid_account, is_there) in [("account", true), ("stopped", false), ("account", true)] {
            let facts =
                BankFacts { account: plaid_account.parse().unwrap(), ..facts_for_tests(id(0).as_str(), 5) };
            let page = PageFacts { upserts: vec![facts], ..PageFacts::default() };
            let index = UpdateIndex::of_page(&page);
            let ids = touched(0, &page, &index, &Links::default());
            let (writes, _) = plan_page(&page, &index, model.read(ids), &accounts);
            model.write(writes);
            let live = model.rows.get(&id(0)).is_some_and(|row| row.carries.is_some());
            assert_eq!(live, is_there, "{plaid_account}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// A history from nothing in which an account continues under a new id: what was stored, what a person wrote on,
        /// what posts and what looks alike, in every combination. The rows end equal to it, and no edit is gone.
        #[test]
        fn a_history_under_new_ids_ends_equal_and_loses_no_edit(
            old in proptest::collection::vec((0_i64..3, any::<bool>(), any::<bool>(), 0_u8..3), 0..8),
            new in proptest::collection::vec((0_i64..3, any::<bool>(), 0_u8..3, proptest::option::of(0_u8..16)), 0..10),
        ) {
            let item = ItemId::from_entropy([1; 10]);
            let account = |id: &str, generation| Account {
                generation: Generation { number: generation, ..Generation::default() },
                ..Account::new(AccountId::derive(&item, &"old".parse().unwrap()), BankAccount::placeholder(id.parse().unwrap()))
            };
            let facts = |id: String, account: &str, cents, pending, day: u8| BankFacts {
                account: account.parse().unwrap(),
                pending,
                date: jiff::civil::date(2026, 1, 1 + i8::try_from(day).unwrap()),
                ..facts_for_tests(&id, cents)
            };
            let mut model = Model::default();
            let before = AccountIds::new(&item, &[account("old", 0)]);
            let upserts = (0..).zip(&old).map(|(n, (cents, pending, _, day))| facts(format!("o{n}"), "old", *cents, *pending, *day));
            let page = PageFacts { upserts: upserts.collect(), ..PageFacts::default() };
            let index = UpdateIndex::of_page(&page);
            let ids = touched(0, &page, &index, &Links::default());
            model.write(plan_page(&page, &index, model.read(ids), &before).0);
            for (n, _) in (0..).zip(&old).filter(|(_, (_, _, edited, _))| *edited) {
                model.rows.get_mut(&format!("o{n}").parse().unwrap()).unwrap().edited = true;
            }
            // The history: new ids, some of them postings of pending ones that it has too, or of stored ones.
            let link = |link: &Option<u8>| link.map(|n| {
                let id = if n < 8 { format!("o{n}") } else { format!("n{}", n - 8) };
                id.parse().unwrap()
            });
            let upserts = (0..).zip(&new).map(|(n, (cents, pending, day, posted))| BankFacts {
                pending_of: link(posted).filter(|id: &TransactionId| id.as_str() != format!("n{n}")),
                ..facts(format!("n{n}"), "new", *cents, *pending, *day)
            });
            let page = PageFacts { upserts: upserts.collect(), ..PageFacts::default() };
            let accounts = AccountIds::new(&item, &[account("new", 1)]);
            let mut builder = IndexBuilder::default();
            builder.add(0, &page);
            let index = builder.finish(true);
            let mut pairs = PairFinder::default();
            for facts in index.upserts(0, &page) {
                pairs.add_new(facts, &accounts);
            }
            model.rows.values().for_each(|row| pairs.add_old(row, &index, &accounts));
            let mut finder = LinkFinder::beside(pairs.settle().0);
            finder.add_removed(model.rows.values(), &index);
            finder.look(0, &page, &index, &accounts);
            let links = finder.settle();
            let ids = touched(0, &page, &index, &links);
            let mut plan = Plan::new(model.read(ids), &accounts, &index, &links);
            index.upserts(0, &page).into_iter().for_each(|facts| plan.upsert(facts));
            for facts in index.upserts(0, &page).into_iter().filter(|facts| index.is_early(facts)) {
                plan.join(facts);
            }
            plan.finish().for_each(|group| model.write(group.writes));
            let gone: Vec<_> = model.rows.values().filter_map(|row| row.carries.clone()).filter(|id| index.ends(id)).collect();
            let mut found = model.read(touched_by_removal(&gone, &links));
            found.extend(model.read(missing_next(&gone, &found)));
            let mut plan = Plan::new(found, &accounts, &index, &links);
            for id in &gone {
                plan.remove(id);
            }
            plan.finish().for_each(|group| model.write(group.writes));
            let live: BTreeMap<_, _> =
                model.rows.values().filter_map(|row| Some((row.carries.clone()?, row.digest?.0))).collect();
            let expected: BTreeMap<_, _> = page.upserts.iter().map(|facts| (facts.id.clone(), facts.digest().0)).collect();
            prop_assert_eq!(live, expected);
            for (n, _) in (0..).zip(&old).filter(|(_, (_, _, edited, _))| *edited) {
                let key: TransactionId = format!("o{n}").parse().unwrap();
                prop_assert!(model.rows.get(&key).is_some_and(|row| row.edited), "the edit on {} is gone", key);
            }
        }
    }
}
