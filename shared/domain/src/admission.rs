//! Admission of a new connection to its household. A second connection to the same accounts would double every
//! transaction, so the accounts of a new one are compared with those of all others before anything is synced.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    account::Account,
    ids::{HouseholdId, ItemId, ItemRef},
    item::{Connection, SyncState},
    pairing::is_twin,
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

/// A connection to the same accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The item that stays.
    pub item: ItemId,
    /// The name of one account that both have.
    pub account: String,
}

/// Reads and writes of admissions.
#[async_trait]
pub trait Admissions: Send + Sync {
    /// The household's connections, read consistently.
    async fn admitted(&self, household: &HouseholdId) -> Result<Admitted, StoreError>;

    /// Decides on an item, as of its `rev` and the number of decisions: it stays, or is on its way out with all of its
    /// data. Conflict if either has changed.
    async fn decide(
        &self,
        at: &ItemRef,
        rev: u64,
        decisions: u64,
        stays: bool,
        now: Timestamp,
    ) -> Result<Saved, StoreError>;
}

/// Decides on a new connection whose accounts are known; `None` if the item or another decision came in between. Of two
/// new connections to the same accounts, the one that is decided on first stays.
///
/// # Errors
/// When the store fails.
pub async fn admit(
    admissions: &dyn Admissions,
    state: &SyncState,
    now: Timestamp,
) -> Result<Option<Admission>, StoreError> {
    let at = &state.item.at;
    let Admitted { decisions, connections } = admissions.admitted(&at.household).await?;
    let admission = twin(state, &connections).map_or(Admission::Stays, Admission::Goes);
    let stays = admission == Admission::Stays;
    Ok(match admissions.decide(at, state.rev, decisions, stays, now).await? {
        Saved::Stored => Some(admission),
        Saved::Conflict => None,
    })
}

/// The connection to the same accounts that stays, if there is one. One account in common is enough; two log-ins at one
/// bank have none.
pub fn twin(state: &SyncState, connections: &[Connection]) -> Option<Twin> {
    let has_settled = |connection: &&Connection| {
        let item = &connection.item;
        item.at.item != state.item.at.item
            && !item.awaits_admission
            && item.health.may_sync()
            && !item.health.is_beyond_repair()
    };
    let kept = |accounts: &[Account]| -> Vec<Account> {
        accounts.iter().filter(|account| !account.state.is_stopped()).cloned().collect()
    };
    let new = kept(&state.accounts);
    connections.iter().filter(has_settled).find_map(|other| {
        let is_same_bank = match (&other.item.institution, &state.item.institution) {
            (Some(old), Some(new)) => old == new,
            (None, _) | (_, None) => true,
        };
        let old = kept(&other.accounts);
        let common =
            old.iter().find(|old| new.iter().any(|new| is_twin(&old.bank, &new.bank, is_same_bank)))?;
        Some(Twin { item: other.item.at.item.clone(), account: common.name().to_owned() })
    })
}

/// The admissions of a world with one connection in each household, where nothing awaits one.
pub struct OneEach;

#[async_trait]
impl Admissions for OneEach {
    async fn admitted(&self, _: &HouseholdId) -> Result<Admitted, StoreError> {
        Ok(Admitted { decisions: 0, connections: Vec::new() })
    }

    async fn decide(&self, _: &ItemRef, _: u64, _: u64, _: bool, _: Timestamp) -> Result<Saved, StoreError> {
        Ok(Saved::Conflict)
    }
}
