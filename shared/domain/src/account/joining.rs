//! Merging accounts, undoing it, and finding out which accounts are one.
//!
//! Order of effects of a merge: the household's list of merges → the account that is no longer kept up to date is silenced →
//! its rows that the other account has too are superseded, with what people wrote on them copied → whoever removes items is
//! asked. A crash in between leaves rows that are shown twice until the same request, or the next sync, comes again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

use super::{
    Account, AccountState,
    merging::{Merge, Merges, UNDO},
    overlap::{AccountRow, Overlap, same_rows},
};
use crate::{
    category::Categories,
    ids::{AccountId, HouseholdId, ItemRef},
    item::{Connection, HealthState, Item},
    pairing::{is_of_kind, may_be_same},
    removal::{RemovalMessage, RemovalQueue},
    store::{Connections, StoreError},
    sync::QueueError,
    time::{Clock, until},
};

/// What merging reaches the world through.
#[derive(Clone)]
pub struct Deps {
    /// The list of merges stands beside the categories.
    pub categories: Arc<dyn Categories>,
    /// The household's accounts.
    pub connections: Arc<dyn Connections>,
    /// Their rows.
    pub rows: Arc<dyn MergeSteps>,
    /// Items of which no account is kept up to date any more are removed.
    pub removals: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Reads and writes of merges. Each is safe to come to again.
#[async_trait]
pub trait MergeSteps: Send + Sync {
    /// All rows of an account, those without a transaction too, read consistently. They are few thousands at most.
    async fn account_rows(&self, at: &ItemRef, account: &AccountId) -> Result<Vec<AccountRow>, StoreError>;

    /// Gives an account a state, under its item's revision. Busy if a sync is at the item.
    async fn set_state(
        &self,
        at: &ItemRef,
        account: &AccountId,
        state: AccountState,
    ) -> Result<(), StoreError>;

    /// For each pair, the second row goes on for the first: only the second is listed, ids of the first lead to it, and what
    /// people wrote on the first, and not on the second, is copied. `merge` names the merge that it belongs to.
    async fn supersede(
        &self,
        pairs: &[(&AccountRow, &AccountRow)],
        merge: &AccountId,
    ) -> Result<(), StoreError>;

    /// Undoes what [`Self::supersede`] did to the rows of an item for a merge. What people wrote since stays.
    async fn restore(&self, at: &ItemRef, merge: &AccountId) -> Result<(), StoreError>;

    /// Remembers that an account was compared with the others, and which one it may be.
    async fn set_compared(
        &self,
        at: &ItemRef,
        account: &AccountId,
        twin: Option<&AccountId>,
    ) -> Result<(), StoreError>;
}

/// Why accounts were not merged, or a merge not undone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// One of them is not there.
    #[error("there is no such account")]
    NotFound,
    /// It is shown as another account already, or is the other account.
    #[error("the account is merged already")]
    Merged,
    /// They are of two types, or hold two currencies.
    #[error("the accounts are of different kinds")]
    Different,
    /// The history of one is still being fetched: what comes later would stand beside what the other has.
    #[error("the history of an account is not there yet")]
    Coming,
    /// There is nothing to be undone.
    #[error("the account is not merged")]
    NotMerged,
    /// It is too late to undo it.
    #[error("the merge is older than 30 days")]
    TooLate,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// How often the list of merges is read again because somebody else wrote it.
const TRIES: usize = 8;

/// Merges an account into another of the household. The same again goes on where an earlier try stopped.
///
/// # Errors
/// If they cannot be merged.
pub async fn merge(
    deps: &Deps,
    household: &HouseholdId,
    account: &AccountId,
    into: &AccountId,
) -> Result<(), MergeError> {
    for _ in 0..TRIES {
        let mut tree = deps.categories.tree(household).await?;
        let all = Accounts(deps.connections.connections(household).await?);
        let into = tree.merges().shown_as(into).clone();
        let (old, new) = (all.shown(account)?, all.shown(&into)?);
        match tree.merges().get(account) {
            Some(_) if tree.merges().shown_as(account) == &into => {
                return finish(deps, &all, tree.merges(), account).await;
            }
            Some(_) => return Err(MergeError::Merged),
            None if *account == into => return Err(MergeError::Merged),
            None => {}
        }
        if !are_alike(old, new) {
            return Err(MergeError::Different);
        }
        if all.is_history_coming(account) || all.is_history_coming(&into) {
            return Err(MergeError::Coming);
        }
        let sides = [account, &into].map(|shown| tree.merges().together(shown));
        let [is_old_live, is_new_live] = [&sides[0], &sides[1]].map(|side| all.live(side).is_some());
        let quiet_side = if is_old_live && !is_new_live { &sides[1] } else { &sides[0] };
        let quiet = all.loudest(quiet_side).ok_or(MergeError::NotFound)?;
        let (quiet, was_manual) = (quiet.id.clone(), quiet.state == AccountState::Manual);
        let merge = Merge { into, at: deps.clock.now(), quiet, was_manual };
        tree.merges_mut().insert(account, merge);
        if deps.categories.save(household, &tree).await? {
            return finish(deps, &all, tree.merges(), account).await;
        }
    }
    Err(StoreError::Busy.into())
}

/// What follows once the list of merges has it.
async fn finish(deps: &Deps, all: &Accounts, merges: &Merges, account: &AccountId) -> Result<(), MergeError> {
    let merge = merges.get(account).ok_or(MergeError::NotMerged)?;
    let at = all.at(&merge.quiet)?;
    deps.rows.set_state(at, &merge.quiet, AccountState::Merged).await?;
    let mut before = merges.clone();
    before.remove(account);
    let quiet_side = before.together(&merge.quiet);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for id in merges.together(account).iter().filter(|id| all.find(id).is_some()) {
        let rows = deps.rows.account_rows(all.at(id)?, id).await?;
        if quiet_side.contains(id) { old.extend(rows) } else { new.extend(rows) }
    }
    deps.rows.supersede(&same_rows(&old, &new), account).await?;
    if all.is_last(&merge.quiet) {
        deps.removals.send(&RemovalMessage::of_item(at.clone()), Duration::ZERO).await?;
    }
    Ok(())
}

/// Undoes the merge of an account, within 30 days: it is shown by itself again, as is what it was merged into.
///
/// # Errors
/// If there is none, or it is too old.
pub async fn undo(deps: &Deps, household: &HouseholdId, account: &AccountId) -> Result<(), MergeError> {
    for _ in 0..TRIES {
        let mut tree = deps.categories.tree(household).await?;
        let Some(merge) = tree.merges().get(account).cloned() else { return Err(MergeError::NotMerged) };
        if until(merge.at, deps.clock.now()) > UNDO {
            return Err(MergeError::TooLate);
        }
        let all = Accounts(deps.connections.connections(household).await?);
        let items: BTreeSet<_> =
            tree.merges().together(account).iter().filter_map(|id| all.item_of(id)).collect();
        for at in items {
            deps.rows.restore(at, account).await?;
        }
        if let Some((item, _)) = all.find(&merge.quiet) {
            let is_kept = merge.was_manual || !item.health.may_sync();
            // What its bank told meanwhile was left out: once it is listed again, its whole history is asked for.
            let listed_again = AccountState::Unshared { missed_sweep: true };
            let state = if is_kept { AccountState::Manual } else { listed_again };
            deps.rows.set_state(&item.at, &merge.quiet, state).await?;
        }
        tree.merges_mut().remove(account);
        if deps.categories.save(household, &tree).await? {
            return Ok(());
        }
    }
    Err(StoreError::Busy.into())
}

/// Compares the new accounts of an item, once their history is there, with the household's other accounts. What one history
/// proves to be the same goes on under the account that was there before; what only seems to be is remembered for a person.
///
/// # Errors
/// When the store or a queue fails: the next sync compares again.
pub async fn compare(deps: &Deps, at: &ItemRef) -> Result<(), MergeError> {
    let all = Accounts(deps.connections.connections(&at.household).await?);
    let is_new = |(item, account): &(&Item, &Account)| {
        item.at == *at && account.state == AccountState::Live && !account.is_compared()
    };
    let new: Vec<_> = all.all().filter(is_new).collect();
    if new.is_empty() {
        return Ok(());
    }
    let tree = deps.categories.tree(&at.household).await?;
    // What an earlier run, or a person, has begun.
    let (begun, new): (Vec<_>, Vec<_>) =
        new.into_iter().partition(|(_, account)| tree.merges().get(&account.id).is_some());
    for (_, account) in begun {
        finish(deps, &all, tree.merges(), &account.id).await?;
        deps.rows.set_compared(at, &account.id, None).await?;
    }
    let mut old = Vec::new();
    for (item, account) in all.all().filter(|(_, account)| !new.iter().any(|(_, new)| new.id == account.id)) {
        let is_seen = account.state.is_listed() && account.state != AccountState::Merged;
        let is_fitting = new.iter().any(|(_, new)| are_alike(account, new));
        if is_seen && is_fitting && !account.bank.is_placeholder() && !is_by_hand(item, account) {
            old.push((item, account, deps.rows.account_rows(&item.at, &account.id).await?));
        }
    }
    if old.is_empty() {
        return Ok(());
    }
    let mut compared = Vec::new();
    for (_, account) in &new {
        let rows = deps.rows.account_rows(at, &account.id).await?;
        let candidates = old.iter().filter(|(_, old, _)| are_alike(old, account));
        let candidates = candidates.map(|(item, old, history)| Candidate {
            id: &old.id,
            overlap: Overlap::of(history, &rows),
            evidence: evidence((item, old, history), (at, account, &rows)),
            is_quiet: is_quiet(item, old),
        });
        compared.push((*account, candidates.collect::<Vec<_>>()));
    }
    for (account, candidates) in &compared {
        let proven = proven(candidates).filter(|id| {
            let others = compared.iter().filter(|(other, _)| other.id != account.id);
            others.into_iter().all(|(_, candidates)| proven(candidates) != Some(*id))
        });
        if let Some(old) = proven.filter(|id| tree.merges().get(id).is_none()) {
            merge(deps, &at.household, &account.id, old).await?;
            deps.rows.set_compared(at, &account.id, None).await?;
            continue;
        }
        let hint = candidates.iter().filter(|one| one.evidence != Evidence::Nothing);
        let hint = hint.max_by_key(|one| (one.overlap, one.evidence)).map(|one| one.id);
        deps.rows.set_compared(at, &account.id, hint).await?;
    }
    Ok(())
}

/// What suggests that two accounts are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Nothing,
    /// A person should be asked.
    Hint,
    /// Their histories are the same.
    Proof,
}

/// An account that a new one may be.
struct Candidate<'a> {
    id: &'a AccountId,
    overlap: Overlap,
    evidence: Evidence,
    /// Whether it is not kept up to date any more.
    is_quiet: bool,
}

/// What suggests that a new account of an item is the old one.
fn evidence(
    (item, old, history): (&Item, &Account, &[AccountRow]),
    (at, new, rows): (&ItemRef, &Account, &[AccountRow]),
) -> Evidence {
    let overlap = Overlap::of(history, rows);
    let has_gone = item.at == *at && old.state.is_unshared();
    let balances = [old, new].map(|account| account.bank.balances.current);
    // To merge two accounts without any history changes no sum.
    let are_bare = history.is_empty() && rows.is_empty() && balances[0] == balances[1];
    if overlap.is_proof() || (has_gone && (overlap.is_whole() || are_bare)) {
        return Evidence::Proof;
    }
    let words_agree = is_quiet(item, old) && may_be_same(&old.bank, &new.bank);
    if overlap.is_hint() || has_gone || words_agree { Evidence::Hint } else { Evidence::Nothing }
}

/// The only account that the histories prove to be the same, if it is not kept up to date any more.
fn proven<'a>(candidates: &[Candidate<'a>]) -> Option<&'a AccountId> {
    let mut proven = candidates.iter().filter(|one| one.evidence == Evidence::Proof);
    let one = proven.next()?;
    (one.is_quiet && proven.next().is_none()).then_some(one.id)
}

/// Whether nothing is synced into it: the bank does not list it, it was kept, or its connection does not work.
fn is_quiet(item: &Item, account: &Account) -> bool {
    let works = match item.health.state {
        HealthState::Healthy | HealthState::Expiring => true,
        HealthState::NeedsLogin
        | HealthState::Revoked
        | HealthState::Unsupported
        | HealthState::Removing
        | HealthState::Removed => false,
    };
    account.state != AccountState::Live || !works
}

/// Whether no bank has ever known of it.
fn is_by_hand(item: &Item, account: &Account) -> bool {
    account.state == AccountState::Manual && item.institution.is_none()
}

/// Whether two accounts can be one: of one type and currency.
fn are_alike(one: &Account, other: &Account) -> bool {
    let currencies = one.bank.currency.as_ref().zip(other.bank.currency.as_ref());
    is_of_kind(&one.bank, &other.bank) && currencies.is_none_or(|(one, other)| one.code() == other.code())
}

/// A household's accounts, with their items.
struct Accounts(Vec<Connection>);

impl Accounts {
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

    fn at(&self, id: &AccountId) -> Result<&ItemRef, MergeError> {
        self.item_of(id).ok_or(MergeError::NotFound)
    }

    fn shown(&self, id: &AccountId) -> Result<&Account, MergeError> {
        let is_seen =
            |(item, account): &(&Item, &Account)| account.state.is_listed() && !item.awaits_admission;
        self.find(id).filter(is_seen).map(|(_, account)| account).ok_or(MergeError::NotFound)
    }

    fn is_history_coming(&self, id: &AccountId) -> bool {
        self.find(id).is_some_and(|(item, _)| item.health.may_sync() && item.is_history_coming())
    }

    /// Whether no other account of its connection is kept up to date.
    fn is_last(&self, id: &AccountId) -> bool {
        let of_it =
            self.0.iter().find(|connection| connection.accounts.iter().any(|account| account.id == *id));
        let is_over = |account: &Account| account.id == *id || account.state.is_stopped();
        of_it.is_some_and(|connection| connection.accounts.iter().all(is_over))
    }

    /// The one of them that is kept up to date.
    fn live(&self, ids: &BTreeSet<AccountId>) -> Option<&Account> {
        let of_them = self.all().filter(|(_, account)| ids.contains(&account.id));
        of_them.filter(|(item, account)| !is_quiet(item, account)).map(|(_, account)| account).next()
    }

    /// The one of them that is kept up to date or, without one, that was last.
    fn loudest(&self, ids: &BTreeSet<AccountId>) -> Option<&Account> {
        let mut of_them =
            self.all().filter(|(_, account)| ids.contains(&account.id)).map(|(_, account)| account);
        self.live(ids).or_else(|| of_them.find(|account| account.state != AccountState::Merged))
    }
}
