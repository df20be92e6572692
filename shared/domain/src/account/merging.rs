//! Merging accounts, undoing a merge, and comparing new accounts with the others of their household.
//!
//! Order of effects of a merge: the household's list of merges → the state of the account that stops → its rows that the other
//! account has as well → a message to remove a connection without synced accounts. After a crash in between, transactions are
//! listed twice until the request is repeated or the next comparison runs.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

use super::{
    Account, AccountState,
    history::{AccountRow, Overlap, same_rows},
    merges::{Merge, Merges, UNDO, visible_accounts},
};
use crate::{
    admission::Admissions,
    bank::HistoryStatus,
    category::Categories,
    ids::{AccountId, HouseholdId, ItemRef},
    item::{Connection, HealthState, Item},
    pairing::{is_of_kind, may_be_same},
    removal::{RemovalMessage, RemovalQueue},
    store::StoreError,
    sync::{Outcome, QueueError},
    time::{Clock, until},
};

/// Dependencies.
#[derive(Clone)]
pub struct Deps {
    /// The list of merges, which is stored with the categories.
    pub categories: Arc<dyn Categories>,
    /// Consistent reads of the household's accounts.
    pub admissions: Arc<dyn Admissions>,
    /// Rows and states of accounts.
    pub store: Arc<dyn MergeStore>,
    /// Removes connections without synced accounts.
    pub removals: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Reads and writes of merges. All writes are idempotent.
#[async_trait]
pub trait MergeStore: Send + Sync {
    /// All rows of an account, tombstones included, read consistently.
    async fn account_rows(&self, at: &ItemRef, account: &AccountId) -> Result<Vec<AccountRow>, StoreError>;

    /// Sets the state of an account, under the revision of its item. `Busy` if a sync keeps changing the item.
    async fn set_state(
        &self,
        at: &ItemRef,
        account: &AccountId,
        state: AccountState,
    ) -> Result<(), StoreError>;

    /// Replaces the first row of each pair by the second: only the second is listed, ids of the first lead to it, and edits
    /// of the first are copied where the second has none. `merge` is the account whose merge this is.
    async fn supersede(
        &self,
        pairs: &[(&AccountRow, &AccountRow)],
        merge: &AccountId,
    ) -> Result<(), StoreError>;

    /// Reverts [`Self::supersede`] for the rows of an item. Edits made since stay.
    async fn restore(&self, at: &ItemRef, merge: &AccountId) -> Result<(), StoreError>;

    /// Stores the result of a comparison: the possible twin, if there is one.
    async fn set_compared(
        &self,
        at: &ItemRef,
        account: &AccountId,
        twin: Option<&AccountId>,
    ) -> Result<(), StoreError>;
}

/// Why accounts cannot be merged, or a merge cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// One of the accounts does not exist.
    #[error("account not found")]
    NotFound,
    /// The account is merged already, or both are the same account.
    #[error("account is merged already")]
    Merged,
    /// The types or the currencies differ.
    #[error("accounts differ in type or currency")]
    Different,
    /// The history of an account is still being fetched; its later rows would be listed twice.
    #[error("history of an account is incomplete")]
    HistoryComing,
    /// There is no merge to undo.
    #[error("account is not merged")]
    NotMerged,
    /// The merge is too old to be undone.
    #[error("merge is older than 30 days")]
    TooLate,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Attempts to write the list of merges beside other writers.
const MAX_ATTEMPTS: usize = 8;

/// Merges an account into another one of the household. Repeating it resumes an unfinished merge.
///
/// # Errors
/// If the accounts cannot be merged, or a dependency fails.
pub async fn merge(
    deps: &Deps,
    household: &HouseholdId,
    account: &AccountId,
    into: &AccountId,
) -> Result<(), MergeError> {
    for _ in 0..MAX_ATTEMPTS {
        let mut tree = deps.categories.tree(household).await?;
        let all = Accounts::read(deps, household).await?;
        let into = tree.merges().visible_id(into).clone();
        all.can_merge(account, &into)?;
        match tree.merges().get(account) {
            Some(_) if tree.merges().visible_id(account) == &into => {}
            Some(_) => return Err(MergeError::Merged),
            None if *account == into => return Err(MergeError::Merged),
            None => {
                let merge = all.new_merge(tree.merges(), account, into, &*deps.clock)?;
                tree.merges_mut().insert(account, merge);
                if !deps.categories.save(household, &tree).await? {
                    continue;
                }
            }
        }
        return apply(deps, &all, tree.merges(), account).await;
    }
    Err(StoreError::Busy.into())
}

/// The steps after the list of merges has the merge of an account.
async fn apply(deps: &Deps, all: &Accounts, merges: &Merges, account: &AccountId) -> Result<(), MergeError> {
    let merge = merges.get(account).ok_or(MergeError::NotMerged)?;
    let at = all.item_of(&merge.stopped).ok_or(MergeError::NotFound)?;
    deps.store.set_state(at, &merge.stopped, AccountState::Merged).await?;
    let mut before = merges.clone();
    before.remove(account);
    let stopped_group = before.group(&merge.stopped);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for id in &merges.group(account) {
        let Some(at) = all.item_of(id) else { continue };
        let rows = deps.store.account_rows(at, id).await?;
        if stopped_group.contains(id) { old.extend(rows) } else { new.extend(rows) }
    }
    deps.store.supersede(&same_rows(&old, &new), account).await?;
    if all.is_last_synced(&merge.stopped) {
        deps.removals.send(&RemovalMessage::of_item(at.clone()), Duration::ZERO).await?;
    }
    Ok(())
}

/// Undoes the merge of an account.
///
/// # Errors
/// If the account is not merged, the merge is older than 30 days, or a dependency fails.
pub async fn undo(deps: &Deps, household: &HouseholdId, account: &AccountId) -> Result<(), MergeError> {
    for _ in 0..MAX_ATTEMPTS {
        let mut tree = deps.categories.tree(household).await?;
        let Some(merge) = tree.merges().get(account).cloned() else { return Err(MergeError::NotMerged) };
        if until(merge.at, deps.clock.now()) > UNDO {
            return Err(MergeError::TooLate);
        }
        let all = Accounts::read(deps, household).await?;
        let group = tree.merges().group(account);
        for at in group.iter().filter_map(|id| all.item_of(id)).collect::<BTreeSet<_>>() {
            deps.store.restore(at, account).await?;
        }
        if let Some((item, _)) = all.find(&merge.stopped) {
            let is_manual = merge.was_manual || !item.health.may_sync();
            // The sync left its updates out meanwhile: the next list of accounts makes it fetch the whole history.
            let unsynced = AccountState::Unshared { missed_sweep: true };
            let state = if is_manual { AccountState::Manual } else { unsynced };
            deps.store.set_state(&item.at, &merge.stopped, state).await?;
        }
        tree.merges_mut().remove(account);
        if deps.categories.save(household, &tree).await? {
            return Ok(());
        }
    }
    Err(StoreError::Busy.into())
}

/// The visible account for an id with its item, read consistently.
///
/// # Errors
/// If the store fails.
pub async fn visible(
    deps: &Deps,
    household: &HouseholdId,
    id: &AccountId,
) -> Result<Option<(Item, Account)>, StoreError> {
    let tree = deps.categories.tree(household).await?;
    let all = Accounts::read(deps, household).await?;
    let visible = visible_accounts(tree.merges(), all.0).into_iter();
    Ok(visible.into_iter().find(|(_, account)| account.id == *tree.merges().visible_id(id)))
}

/// Compares the accounts of an item after a run, if it may have completed the history of a new account: it added
/// transactions, or it is one of the scheduled runs after a link (`is_after_link`).
///
/// # Errors
/// If a dependency fails; the next such run compares again.
pub async fn compare_after(
    deps: &Deps,
    at: &ItemRef,
    outcome: &Outcome,
    is_after_link: bool,
) -> Result<(), MergeError> {
    match outcome {
        Outcome::Finished { counts, history: HistoryStatus::Complete, .. }
            if counts.added > 0 || is_after_link =>
        {
            compare(deps, at).await
        }
        _ => Ok(()),
    }
}

/// Compares the new accounts of an item with the other accounts of the household. An account whose history proves that it
/// is an account that is not synced any longer is merged into it. Weaker evidence is stored as a possible twin.
///
/// # Errors
/// If a dependency fails.
pub async fn compare(deps: &Deps, at: &ItemRef) -> Result<(), MergeError> {
    let all = Accounts::read(deps, &at.household).await?;
    let new: Vec<_> = all.all().filter(|(item, account)| item.at == *at && is_new(account)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let tree = deps.categories.tree(&at.household).await?;
    let (unfinished, new): (Vec<_>, Vec<_>) =
        new.into_iter().map(|(_, account)| account).partition(|new| tree.merges().get(&new.id).is_some());
    for account in unfinished {
        apply(deps, &all, tree.merges(), &account.id).await?;
        deps.store.set_compared(at, &account.id, None).await?;
    }
    let others = all.with_history(deps, &new).await?;
    if others.is_empty() {
        return Ok(());
    }
    let mut compared = Vec::new();
    for account in new {
        let rows = deps.store.account_rows(at, &account.id).await?;
        compared.push((account, candidates(&others, (at, account, &rows))));
    }
    for (account, candidates) in &compared {
        let is_claimed_twice =
            |old: &AccountId| compared.iter().filter(|(_, others)| proven(others) == Some(old)).count() > 1;
        let same =
            proven(candidates).filter(|old| !is_claimed_twice(old) && tree.merges().get(old).is_none());
        if let Some(old) = same {
            merge(deps, &at.household, &account.id, old).await?;
        }
        let twin = if same.is_some() { None } else { possible_twin(candidates) };
        deps.store.set_compared(at, &account.id, twin).await?;
    }
    Ok(())
}

fn is_new(account: &Account) -> bool {
    account.state == AccountState::Live && !account.is_compared()
}

/// The strength of the evidence that two accounts are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    None,
    /// A person has to decide.
    Hint,
    /// The histories are the same.
    Proof,
}

/// An account that a new one may be.
struct Candidate<'a> {
    id: &'a AccountId,
    overlap: Overlap,
    evidence: Evidence,
    is_synced: bool,
}

/// An account with its item and its rows.
struct WithHistory<'a> {
    item: &'a Item,
    account: &'a Account,
    rows: Vec<AccountRow>,
}

fn candidates<'a>(
    others: &[WithHistory<'a>],
    (at, new, rows): (&ItemRef, &Account, &[AccountRow]),
) -> Vec<Candidate<'a>> {
    let others = others.iter().filter(|other| are_alike(other.account, new));
    let candidate = |other: &WithHistory<'a>| {
        let overlap = Overlap::of(&other.rows, rows);
        Candidate {
            id: &other.account.id,
            overlap,
            evidence: evidence(other, overlap, (at, new, rows)),
            is_synced: is_synced(other.item, other.account),
        }
    };
    others.map(candidate).collect()
}

fn evidence(
    old: &WithHistory<'_>,
    overlap: Overlap,
    (at, new, rows): (&ItemRef, &Account, &[AccountRow]),
) -> Evidence {
    let left_item = old.item.at == *at && old.account.state.is_unshared();
    let balances = [old.account, new].map(|account| account.bank.balances.current);
    // Merging two accounts without transactions changes no sum.
    let are_empty = old.rows.is_empty() && rows.is_empty() && balances[0] == balances[1];
    if overlap.is_proof() || (left_item && (overlap.is_whole() || are_empty)) {
        return Evidence::Proof;
    }
    let words_agree = !is_synced(old.item, old.account) && may_be_same(&old.account.bank, &new.bank);
    if overlap.is_hint() || left_item || words_agree { Evidence::Hint } else { Evidence::None }
}

/// The only proven candidate, if it is not synced any longer.
fn proven<'a>(candidates: &[Candidate<'a>]) -> Option<&'a AccountId> {
    let mut proven = candidates.iter().filter(|one| one.evidence == Evidence::Proof);
    let one = proven.next()?;
    (!one.is_synced && proven.next().is_none()).then_some(one.id)
}

/// The candidate with the best evidence.
fn possible_twin<'a>(candidates: &[Candidate<'a>]) -> Option<&'a AccountId> {
    let hints = candidates.iter().filter(|one| one.evidence != Evidence::None);
    hints.max_by_key(|one| (one.overlap, one.evidence)).map(|one| one.id)
}

/// Whether the bank keeps the account up to date.
fn is_synced(item: &Item, account: &Account) -> bool {
    let works = match item.health.state {
        HealthState::Healthy | HealthState::Expiring => true,
        HealthState::NeedsLogin
        | HealthState::Revoked
        | HealthState::Unsupported
        | HealthState::Removing
        | HealthState::Removed => false,
    };
    works && account.state == AccountState::Live
}

/// Whether two accounts agree in type and currency.
fn are_alike(one: &Account, other: &Account) -> bool {
    let currencies = one.bank.currency.as_ref().zip(other.bank.currency.as_ref());
    is_of_kind(&one.bank, &other.bank) && currencies.is_none_or(|(one, other)| one.code() == other.code())
}

/// The accounts of a household, with their items.
struct Accounts(Vec<Connection>);

impl Accounts {
    async fn read(deps: &Deps, household: &HouseholdId) -> Result<Self, StoreError> {
        Ok(Self(deps.admissions.admitted(household).await?.connections))
    }

    fn all(&self) -> impl Iterator<Item = (&Item, &Account)> {
        self.0
            .iter()
            .flat_map(|connection| connection.accounts.iter().map(move |account| (&connection.item, account)))
    }

    fn find(&self, id: &AccountId) -> Option<(&Item, &Account)> {
        self.all().find(|(_, account)| account.id == *id)
    }

    fn item_of(&self, id: &AccountId) -> Option<&ItemRef> {
        self.find(id).map(|(item, _)| &item.at)
    }

    /// Checks whether two accounts can be merged.
    fn can_merge(&self, account: &AccountId, into: &AccountId) -> Result<(), MergeError> {
        let visible = |id: &AccountId| {
            let found = self.find(id).filter(|(item, _)| !item.awaits_admission);
            found.filter(|(_, account)| account.state.is_listed()).ok_or(MergeError::NotFound)
        };
        let (one, other) = (visible(account)?, visible(into)?);
        let is_coming = |(item, _): (&Item, &Account)| item.health.may_sync() && item.is_history_coming();
        if !are_alike(one.1, other.1) {
            return Err(MergeError::Different);
        }
        if is_coming(one) || is_coming(other) { Err(MergeError::HistoryComing) } else { Ok(()) }
    }

    /// The merge of two accounts: the synced one continues; of two synced ones, `into`.
    fn new_merge(
        &self,
        merges: &Merges,
        account: &AccountId,
        into: AccountId,
        clock: &dyn Clock,
    ) -> Result<Merge, MergeError> {
        let [group, into_group] = [account, &into].map(|id| merges.group(id));
        let into_stops = self.synced(&group).is_some() && self.synced(&into_group).is_none();
        let stopping = if into_stops { &into_group } else { &group };
        let mut unmerged =
            self.all().filter(|(_, one)| stopping.contains(&one.id) && one.state != AccountState::Merged);
        let stopped = self.synced(stopping).or_else(|| unmerged.next().map(|(_, account)| account));
        let stopped = stopped.ok_or(MergeError::NotFound)?;
        let (stopped, was_manual) = (stopped.id.clone(), stopped.state == AccountState::Manual);
        Ok(Merge { into, at: clock.now(), stopped, was_manual })
    }

    /// The synced account among some.
    fn synced(&self, ids: &BTreeSet<AccountId>) -> Option<&Account> {
        let mut of_them = self.all().filter(|(_, account)| ids.contains(&account.id));
        of_them.find(|(item, account)| is_synced(item, account)).map(|(_, account)| account)
    }

    /// Whether all other accounts of its connection are stopped.
    fn is_last_synced(&self, id: &AccountId) -> bool {
        let is_stopped = |account: &Account| account.id == *id || account.state.is_stopped();
        let mut of_it = self.0.iter().filter(|one| one.accounts.iter().any(|account| account.id == *id));
        of_it.any(|connection| connection.accounts.iter().all(is_stopped))
    }

    /// The accounts that one of the new ones may be, with their rows.
    async fn with_history(&self, deps: &Deps, new: &[&Account]) -> Result<Vec<WithHistory<'_>>, StoreError> {
        let mut found = Vec::new();
        for (item, account) in self.all() {
            let is_visible = account.state.is_listed() && account.state != AccountState::Merged;
            let has_bank = account.state != AccountState::Manual || item.institution.is_some();
            let is_described = !account.bank.is_placeholder();
            let is_other = new.iter().all(|new| new.id != account.id);
            let is_candidate = new.iter().any(|new| are_alike(account, new));
            if is_visible && has_bank && is_described && is_other && is_candidate {
                let rows = deps.store.account_rows(&item.at, &account.id).await?;
                found.push(WithHistory { item, account, rows });
            }
        }
        Ok(found)
    }
}
