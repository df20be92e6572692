//! Admission of a new connection to its household. A second connection to the same accounts would double every
//! transaction, so the accounts of a new one are compared with those of all others before anything is synced.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    account::{Account, BankAccount},
    ids::{HouseholdId, InstitutionId, ItemRef},
    item::{Connection, Item, SyncState, Twin},
    pairing::{Banks, is_alike, is_twin},
    store::{Saved, StoreError},
};

/// A household's connections as one read saw them.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// How many connections have been decided on so far. A decision requires that no other came first.
    pub decisions: u64,
    /// All connections.
    pub connections: Vec<Connection>,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It stays.
    Stays,
    /// It goes: its accounts are connected already.
    Goes(Twin),
}

/// Reads and writes of admissions.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// The household's connections, read consistently.
    async fn admitted(&self, household: &HouseholdId) -> Result<Admitted, StoreError>;

    /// Writes a decision on an item, as of its `rev` and the number of decisions: it stays, or is on its way out with all
    /// of its data. Conflict if either has changed.
    async fn decide(
        &self,
        at: &ItemRef,
        rev: u64,
        decisions: u64,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Saved, StoreError>;
}

/// Decides on a new connection whose accounts are known; `None` if the item or another decision came in between. Of two
/// new connections to the same accounts, the first that is decided on stays. A connection that a person insists on stays too.
///
/// # Errors
/// When the store fails.
pub async fn admit(
    admissions: &dyn Admissions,
    state: &SyncState,
    is_insisted_on: bool,
    now: Timestamp,
) -> Result<Option<Admission>, StoreError> {
    let at = &state.item.at;
    let Admitted { decisions, connections } = admissions.admitted(&at.household).await?;
    let twin = if is_insisted_on { None } else { twin(state, &connections) };
    let admission = twin.map_or(Admission::Stays, Admission::Goes);
    Ok(match admissions.decide(at, state.rev, decisions, &admission, now).await? {
        Saved::Stored => Some(admission),
        Saved::Conflict => None,
    })
}

fn twin(state: &SyncState, connections: &[Connection]) -> Option<Twin> {
    let new = state.accounts.iter().filter(|account| !account.state.is_stopped());
    let new: Vec<_> = new.map(|account| account.bank.clone()).collect();
    let mut others = connections.iter().filter(|other| other.item.at.item != state.item.at.item);
    others.find_map(|other| {
        let account = account_in_common(other, &new, state.item.institution.as_ref())?;
        Some(Twin { item: other.item.at.item.clone(), account: account.name().to_owned() })
    })
}

/// An account that an admitted connection has in common with a new one to `institution`. One is enough: two log-ins at one
/// bank have none. Without masks and with other balances, all of them have to look alike.
pub fn account_in_common<'a>(
    connection: &'a Connection,
    new: &[BankAccount],
    institution: Option<&InstitutionId>,
) -> Option<&'a Account> {
    if connection.item.awaits_admission || !connection.item.health.may_sync() {
        return None;
    }
    let kept: Vec<_> = connection.accounts.iter().filter(|account| !account.state.is_stopped()).collect();
    in_common(&connection.item, &kept, new, institution)
}

/// The same of these accounts of an item.
pub(crate) fn in_common<'a>(
    item: &Item,
    kept: &[&'a Account],
    new: &[BankAccount],
    institution: Option<&InstitutionId>,
) -> Option<&'a Account> {
    let banks = Banks::of(item.institution.as_ref(), institution);
    let is_known = |new: &BankAccount| kept.iter().any(|old| is_alike(&old.bank, new));
    let live = kept.iter().filter(|account| !account.state.is_unshared()).count();
    let are_all_known = banks == Banks::Same && live == new.len() && new.iter().all(is_known);
    let mut common = kept.iter().filter(|old| new.iter().any(|new| is_twin(&old.bank, new, banks)));
    common.next().or_else(|| kept.first().filter(|_| are_all_known)).copied()
}

/// The admissions of a world with one connection in each household, where nothing awaits one.
pub struct OneEach;

#[async_trait]
impl Admissions for OneEach {
    async fn admitted(&self, _: &HouseholdId) -> Result<Admitted, StoreError> {
        Ok(Admitted { decisions: 0, connections: Vec::new() })
    }

    async fn decide(
        &self,
        _: &ItemRef,
        _: u64,
        _: u64,
        _: &Admission,
        _: Timestamp,
    ) -> Result<Saved, StoreError> {
        Ok(Saved::Conflict)
    }
}
