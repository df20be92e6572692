//! What is to be removed, at Plaid and here — SQS, the queue of removals.
//!
//! A message says only that somebody should look; the item's row says what is left to do. Order of effects: items at Plaid that
//! were replaced → data of stopped accounts → the mark of an item that has no other → the item at Plaid → its data → the event →
//! its tombstone. A household that is ending goes on from where it stopped. Every step may be done again, and a crash after any of them leaves the rest to the message that comes again, or to the night.

pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::AccountState,
    bank::{BankError, Exchange},
    event::{Event, EventError, EventKind, Events},
    household::{EndError, HouseholdEnds, finish},
    ids::{AccountId, HouseholdId, ItemRef},
    item::{HealthState, SyncState},
    removal::{Removal, RemovalMessage, RemovalQueue, RemovalSteps},
    secret::SealedToken,
    store::StoreError,
    sync::{QueueError, SyncReads},
    time::{Clock, until},
    vault::{TokenOpener, VaultError},
};
use edge::batch::{Message, Verdict};
use jiff::Timestamp;

/// What this function reaches the world through.
pub struct Deps {
    /// The item.
    pub reads: Arc<dyn SyncReads>,
    /// The steps of a removal.
    pub steps: Arc<dyn RemovalSteps>,
    /// The ends of households.
    pub ends: Arc<dyn HouseholdEnds>,
    /// Opens tokens.
    pub vault: Arc<dyn TokenOpener>,
    /// Plaid.
    pub bank: Arc<dyn Exchange>,
    /// The queue of removals, for what comes later.
    pub queue: Arc<dyn RemovalQueue>,
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// What one step of erasing may take.
const STEP: Duration = Duration::from_secs(5);

/// Why a removal did not come to its end.
enum Halt {
    /// Plaid does not take it now.
    Bank(BankError),
    /// The time is over.
    Late,
    Store(StoreError),
    Vault(VaultError),
    Event(EventError),
    Queue(QueueError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Removes what is left over of one item, or of a household.
pub async fn handle(deps: &Deps, message: Message<RemovalMessage>) -> Verdict {
    let Message { content, deadline } = message;
    let done = match &content.what {
        Removal::Item(at) => remove(deps, at, deadline).await,
        Removal::Token { at, token } => at_plaid(deps, at, token).await,
        Removal::Household(household) => end(deps, household).await,
    };
    let household_id = content.what.household();
    match done {
        Ok(()) => {
            tracing::info!(target: "function", %household_id, "nothing is left to be removed");
            Verdict::Done
        }
        Err(Halt::Late) => send(deps, &content, Duration::ZERO).await,
        Err(Halt::Bank(error)) => {
            tracing::warn!(target: "function", %household_id, code = error.code, tries = content.tries,
                "Plaid did not remove an item; it is tried again");
            edge::metrics::emit(&[], &[("RemovalsRefused", "Count", 1)]);
            // For as long as it takes: what is left there is billed.
            let (again, delay) = content.again();
            send(deps, &again, delay).await
        }
        Err(Halt::Store(error @ (StoreError::Unavailable(_) | StoreError::Busy))) => {
            Verdict::Retry(error.to_string())
        }
        Err(Halt::Store(error)) => Verdict::Park(error.to_string()),
        Err(Halt::Vault(error @ VaultError::Unavailable)) => Verdict::Retry(error.to_string()),
        Err(Halt::Vault(error @ VaultError::NotForThisItem)) => Verdict::Park(error.to_string()),
        Err(Halt::Event(error)) => Verdict::Retry(error.to_string()),
        Err(Halt::Queue(error)) => Verdict::Retry(error.to_string()),
    }
}

async fn send(deps: &Deps, message: &RemovalMessage, delay: Duration) -> Verdict {
    match deps.queue.send(message, delay).await {
        Ok(()) => Verdict::Done,
        Err(error) => Verdict::Retry(error.to_string()),
    }
}

/// What is left of a household that is ending.
async fn end(deps: &Deps, household: &HouseholdId) -> Result<(), Halt> {
    if !deps.ends.is_ending(household).await? {
        return Ok(());
    }
    finish(&*deps.ends, &*deps.queue, household, deps.clock.now()).await.map_err(|error| match error {
        EndError::Store(error) => Halt::Store(error),
        EndError::Queue(error) => Halt::Queue(error),
    })
}

/// What one thing could not be removed for does not keep the others.
async fn remove(deps: &Deps, at: &ItemRef, deadline: Timestamp) -> Result<(), Halt> {
    let Some(state) = deps.reads.state(at).await? else { return Ok(()) };
    let replaced = forget_replaced(deps, &state).await;
    for account in &state.accounts {
        if account.state == (AccountState::Removed { erased: false }) {
            erase(deps, at, Some(&account.id), deadline).await?;
            deps.steps.account_erased(at, &account.id).await?;
        }
    }
    // Erasing may have taken long: what ends is decided by how the item stands now.
    let state = deps.reads.state(at).await?.filter(SyncState::is_forsaken);
    if let Some(state) = state.filter(|state| state.item.health.state != HealthState::Removing) {
        deps.steps.remove_forsaken(&state, deps.clock.now()).await?;
    }
    // Its tombstone has no tokens: what could not be removed at Plaid would be forgotten there, and billed.
    replaced?;
    bury(deps, at, deadline).await
}

/// Removes at Plaid the items that others have replaced here; the first refusal, if any.
async fn forget_replaced(deps: &Deps, state: &SyncState) -> Result<(), Halt> {
    let mut refused = Ok(());
    for token in &state.leftovers.replaced {
        match at_plaid(deps, &state.item.at, token).await {
            Ok(()) => deps.steps.forget_replaced(&state.item.at, token).await?,
            Err(error) => refused = refused.and(Err(error)),
        }
    }
    refused
}

/// Ends the item, if it is to end: at Plaid first, since without the token nobody could any more.
async fn bury(deps: &Deps, at: &ItemRef, deadline: Timestamp) -> Result<(), Halt> {
    let state = deps.reads.state(at).await?;
    let Some(state) = state.filter(|state| state.item.health.state == HealthState::Removing) else {
        return Ok(());
    };
    at_plaid(deps, at, &state.token).await?;
    if !state.leftovers.keep_data {
        erase(deps, at, None, deadline).await?;
    }
    let event = Event { at: at.clone(), time: state.item.health.since, kind: EventKind::Removed };
    deps.events.announce(&event).await.map_err(Halt::Event)?;
    deps.steps.bury(&state, deps.clock.now()).await?;
    Ok(())
}

/// Removes an item at Plaid; one that is gone already is removed.
async fn at_plaid(deps: &Deps, at: &ItemRef, token: &SealedToken) -> Result<(), Halt> {
    let token = deps.vault.open(at, token).await.map_err(Halt::Vault)?;
    deps.bank.remove(&token).await.map_err(Halt::Bank)
}

async fn erase(
    deps: &Deps,
    at: &ItemRef,
    account: Option<&AccountId>,
    deadline: Timestamp,
) -> Result<(), Halt> {
    while deps.steps.erase_some(at, account).await? {
        if until(deps.clock.now(), deadline) < STEP {
            return Err(Halt::Late);
        }
    }
    Ok(())
}
