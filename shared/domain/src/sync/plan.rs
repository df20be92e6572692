//! From an update and the stored rows to the writes that make them equal.
//!
//! A row's key never changes: when a pending transaction posts, the same row takes the posted facts and an alias
//! leads from the posted id to it. So nothing a person wrote ever moves.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::{
    fold::{PageFacts, UpdateIndex},
    links::{LinkFinder, Links},
};
use crate::{
    account::Account,
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
    /// What it may be recognised by when it posts without a link. Kept on tombstones too.
    pub signature: Option<(Signature, Date)>,
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
        /// What the bank says.
        facts: Box<BankFacts>,
    },
    /// A later id of the transaction at `of`.
    Alias {
        /// The later id.
        id: TransactionId,
        /// The row.
        of: TransactionId,
    },
    /// The bank half goes, the person's half stays.
    Tombstone {
        /// The row.
        key: TransactionId,
    },
}

impl RowWrite {
    /// About how many bytes it sends.
    pub(super) fn weight(&self) -> usize {
        const KEYS_AND_NUMBERS: usize = 600;
        let texts = |facts: &BankFacts| {
            [facts.detail.as_ref(), facts.raw.as_ref(), facts.merchant_name.as_ref()]
                .into_iter()
                .flatten()
                .map(String::len)
                .sum::<usize>()
                + facts.name.len()
        };
        match self {
            Self::Bank { facts, .. } => KEYS_AND_NUMBERS + texts(facts),
            Self::Alias { .. } | Self::Tombstone { .. } => KEYS_AND_NUMBERS,
        }
    }
}

/// Writes that belong together, and what they count for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) writes: Vec<RowWrite>,
    pub(super) counts: Counts,
}

/// Our ids of an item's accounts, by Plaid's.
#[derive(Debug, Clone)]
pub(super) struct AccountIds {
    item: ItemId,
    known: HashMap<PlaidAccountId, AccountId>,
}

impl AccountIds {
    /// The ids of the accounts that are stored.
    pub(super) fn new(item: &ItemId, accounts: &[Account]) -> Self {
        let known = accounts.iter().map(|account| (account.bank.id.clone(), account.id.clone())).collect();
        Self { item: item.clone(), known }
    }

    /// The account's id; the one it will get if it is not stored yet.
    pub(super) fn of(&self, plaid: &PlaidAccountId) -> AccountId {
        self.known.get(plaid).cloned().unwrap_or_else(|| AccountId::derive(&self.item, plaid))
    }
}

/// The rows a page may touch, changed as the plan goes on: what one transaction of the page does, the next one sees.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    accounts: &'a AccountIds,
    by_key: HashMap<TransactionId, StoredRow>,
    key_of: HashMap<TransactionId, TransactionId>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(found: HashMap<TransactionId, StoredRow>, accounts: &'a AccountIds) -> Self {
        let mut rows = Self { accounts, by_key: HashMap::new(), key_of: HashMap::new() };
        for (id, row) in found {
            rows.key_of.insert(id, row.key.clone());
            rows.by_key.insert(row.key.clone(), row);
        }
        rows
    }

    fn find(&self, id: &TransactionId) -> Option<&StoredRow> {
        self.key_of.get(id).and_then(|key| self.by_key.get(key))
    }

    fn put(&mut self, key: &TransactionId, facts: &BankFacts, digest: Digest) {
        self.key_of.insert(facts.id.clone(), key.clone());
        let row = self.by_key.entry(key.clone()).or_insert_with(|| StoredRow {
            key: key.clone(),
            carries: None,
            digest: None,
            edited: false,
            signature: None,
        });
        row.carries = Some(facts.id.clone());
        row.digest = Some(digest);
        row.signature = Some((facts.signature(self.accounts.of(&facts.account)), facts.date));
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
        ids.extend(links.successors.get(&facts.id).cloned());
    }
    ids.extend(index.removals(number, page).into_iter().cloned());
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

/// The writes for the upserts of one page.
pub(super) fn plan_upserts(
    number: u32,
    page: &PageFacts,
    index: &UpdateIndex,
    links: &Links,
    rows: &mut Rows<'_>,
) -> Vec<Group> {
    index
        .upserts(number, page)
        .into_iter()
        .filter_map(|facts| plan_upsert(facts, index, links, rows))
        .collect()
}

fn plan_upsert(facts: &BankFacts, index: &UpdateIndex, links: &Links, rows: &mut Rows<'_>) -> Option<Group> {
    let digest = facts.digest();
    if let Some(row) = rows.find(&facts.id) {
        if row.carries.as_ref() == Some(&facts.id) {
            let unchanged = row.digest == Some(digest);
            let key = row.key.clone();
            return (!unchanged).then(|| write(rows, key, facts, digest, false, modified()));
        }
        // The row was this transaction's once. It is again, unless another id lives on it.
        if row.carries.is_none() {
            let key = row.key.clone();
            return Some(write(rows, key, facts, digest, false, added()));
        }
        if !carrier_stays(row, index) {
            let key = row.key.clone();
            return Some(write(rows, key, facts, digest, false, modified()));
        }
        // A pending id that comes back to life beside its posting: the row is the posting's, nothing is doubled.
        return None;
    }
    let predecessor = facts.pending_of.as_ref().or_else(|| links.successors.get(&facts.id));
    if let Some(row) = predecessor.and_then(|id| rows.find(id)) {
        // Taken by another posting, or by the pending one itself, which this update speaks of as still there.
        let taken = row
            .carries
            .as_ref()
            .is_some_and(|id| index.keeps(id) || (Some(id) != predecessor && !index.ends(id)));
        if !taken {
            let counts = if row.carries.is_some() { modified() } else { added() };
            let key = row.key.clone();
            return Some(write(rows, key, facts, digest, true, counts));
        }
    }
    Some(write(rows, facts.id.clone(), facts, digest, false, added()))
}

/// Whether the id that lives on the row survives this update.
fn carrier_stays(row: &StoredRow, index: &UpdateIndex) -> bool {
    row.carries.as_ref().is_some_and(|id| index.keeps(id) || !index.ends(id))
}

fn write(
    rows: &mut Rows<'_>,
    key: TransactionId,
    facts: &BankFacts,
    digest: Digest,
    is_later_id: bool,
    counts: Counts,
) -> Group {
    rows.put(&key, facts, digest);
    let mut writes = vec![RowWrite::Bank {
        key: key.clone(),
        account: rows.accounts.of(&facts.account),
        facts: Box::new(facts.clone()),
    }];
    if is_later_id {
        writes.push(RowWrite::Alias { id: facts.id.clone(), of: key });
    }
    Group { writes, counts }
}

/// The writes for the removals of one page. A removed id ends a row only if the row still carries it.
pub(super) fn plan_removals(
    number: u32,
    page: &PageFacts,
    index: &UpdateIndex,
    rows: &mut Rows<'_>,
) -> Vec<Group> {
    let mut groups = Vec::new();
    for id in index.removals(number, page) {
        let Some(key) =
            rows.find(id).filter(|row| row.carries.as_ref() == Some(id)).map(|row| row.key.clone())
        else {
            continue;
        };
        if let Some(row) = rows.by_key.get_mut(&key) {
            row.carries = None;
            row.digest = None;
        }
        groups.push(Group { writes: vec![RowWrite::Tombstone { key }], counts: removed() });
    }
    groups
}

/// Both, for an update of one page.
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
    let mut rows = Rows::new(found, accounts);
    let mut groups = plan_upserts(0, page, index, &links, &mut rows);
    groups.extend(plan_removals(0, page, index, &mut rows));
    let counts = groups.iter().fold(Counts::default(), |sum, group| sum.plus(group.counts));
    (groups.into_iter().flat_map(|group| group.writes).collect(), counts)
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
