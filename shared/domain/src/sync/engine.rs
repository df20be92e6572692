//! One run of the sync: what to do next is read from the item's row, so any invocation can go on where another
//! stopped.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    apply, fetch,
    patience::{HOURS, has_time},
    ports::{Commit, CommitError, Edit, SyncReads, SyncWrites},
};
use crate::{
    bank::{AccountFeed, BankError, HistoryStatus, Patience, TransactionFeed},
    ids::ItemRef,
    item::{Counts, Health, HealthState, LastFailure, Phase, SyncState},
    secret::{AccessToken, SealedToken},
    store::StoreError,
    time::{Clock, Random, later, until},
    vault::{TokenOpener, VaultError},
};

/// What a sync reaches the world through.
#[derive(Clone)]
pub struct Deps {
    /// The stream of updates.
    pub feed: Arc<dyn TransactionFeed>,
    /// The list of accounts.
    pub accounts: Arc<dyn AccountFeed>,
    /// Opens the token.
    pub vault: Arc<dyn TokenOpener>,
    /// Reads of the store.
    pub reads: Arc<dyn SyncReads>,
    /// Writes of the store.
    pub writes: Arc<dyn SyncWrites>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for jitter.
    pub random: Arc<dyn Random>,
}

/// Why a sync runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The item.
    pub at: ItemRef,
    /// The number of whoever asked; without one the bank is asked in any case.
    pub want: Option<u64>,
    /// When the run must have ended. It hands over before.
    pub deadline: Timestamp,
}

/// How a run ended. In every case the item's row says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The stored transactions are what the bank's side said.
    Finished {
        /// What changed.
        counts: Counts,
        /// How far the history is.
        history: HistoryStatus,
    },
    /// Another run had covered this trigger already.
    AlreadyDone {
        /// How far the history is.
        history: HistoryStatus,
    },
    /// There is no such item.
    NoItem,
    /// The item does not sync any more.
    Inactive,
    /// The deadline came first: somebody must go on.
    HandOver,
    /// The bank's side refused; the item's row says why.
    Failed(BankError),
}

/// Why a run could not end. Nothing is lost: the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyncError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The item kept changing.
    #[error("the item kept changing while it was synced")]
    Contended,
    /// Plaid's pages go in a circle or have no end.
    #[error("the update has no end: {0}")]
    Endless(&'static str),
}

/// What one step of a run leads to.
pub(super) enum Step {
    /// The run has ended.
    End(Outcome),
    /// Read the item and go on.
    Again,
}

/// What ends a step early.
pub(super) enum Halt {
    Error(SyncError),
    Conflict,
    Bank(BankError),
}

impl<E: Into<SyncError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<CommitError> for Halt {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Conflict,
            CommitError::Store(error) => Self::Error(error.into()),
        }
    }
}

/// How often a run starts over because the item changed under it, or its update did.
const STARTS: u32 = 40;
/// A stage that somebody worked on so recently is left to them for a moment. Working on it together would be right as
/// well: the revision lets one of the two win each write. It would only be slow.
const COURTESY: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(500);
/// Starts over because the update changed while it was read.
const RESTARTS: u32 = 3;
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Brings an item's stored transactions up to what the bank's side says now.
///
/// # Errors
/// When it could not find out or write down how it ended; running it again is always safe.
pub async fn sync(deps: &Deps, trigger: &Trigger) -> Result<Outcome, SyncError> {
    let mut run = Run::default();
    let mut restarts = RESTARTS;
    for start in 0..STARTS {
        if start > 0 && !has_time(deps, trigger.deadline, fetch::PAGE) {
            return Ok(Outcome::HandOver);
        }
        let Some(state) = deps.reads.state(&trigger.at).await? else { return Ok(Outcome::NoItem) };
        match step(deps, trigger, &state, &mut run).await {
            Ok(Step::End(outcome)) => return Ok(outcome),
            Ok(Step::Again) | Err(Halt::Conflict) => {}
            // <https://plaid.com/docs/transactions/sync-migration/>: wait a second, try three times, then later.
            Err(Halt::Bank(BankError::RestartPagination)) if restarts > 0 => {
                restarts -= 1;
                deps.clock.sleep(RESTART_PAUSE).await;
            }
            Err(Halt::Bank(error)) => return record_failure(deps, &state, error).await,
            Err(Halt::Error(error)) => return Err(error),
        }
    }
    Err(SyncError::Contended)
}

async fn step(deps: &Deps, trigger: &Trigger, state: &SyncState, run: &mut Run) -> Result<Step, Halt> {
    if !state.item.health.may_sync() {
        return Ok(Step::End(Outcome::Inactive));
    }
    if let Some(stage) = &state.stage {
        if run.stage != Some(stage.run) && until(stage.touched, deps.clock.now()) < COURTESY {
            return wait(deps, trigger).await;
        }
        run.stage = Some(stage.run);
        if let Phase::Applying(pages) = stage.phase {
            return apply::apply(deps, trigger, state, stage, pages).await;
        }
    }
    if trigger.want.is_some_and(|want| state.item.done >= want) {
        return Ok(Step::End(Outcome::AlreadyDone { history: state.item.history.clone() }));
    }
    // A stage that this step begins is named after the revision it begins at.
    if state.stage.is_none() {
        run.stage = Some(state.rev);
    }
    let token = run.open(deps, state).await?;
    fetch::fetch(deps, trigger, state, token).await
}

async fn wait(deps: &Deps, trigger: &Trigger) -> Result<Step, Halt> {
    if !has_time(deps, trigger.deadline, MOMENT) {
        return Ok(Step::End(Outcome::HandOver));
    }
    deps.clock.sleep(MOMENT).await;
    Ok(Step::Again)
}

/// What a run keeps when it starts over.
#[derive(Default)]
struct Run {
    /// The token, opened once.
    open: Option<(SealedToken, AccessToken)>,
    /// The stage that it works on.
    stage: Option<u64>,
}

impl Run {
    async fn open(&mut self, deps: &Deps, state: &SyncState) -> Result<&AccessToken, VaultError> {
        let is_open = self.open.as_ref().is_some_and(|(sealed, _)| *sealed == state.token);
        if !is_open {
            let token = deps.vault.open(&state.item.at, &state.token).await?;
            self.open = Some((state.token.clone(), token));
        }
        self.open.as_ref().map(|(_, token)| token).ok_or(VaultError::NotForThisItem)
    }
}

/// Writes down what the bank's side refused, so that people can read it and the next trigger knows.
async fn record_failure(deps: &Deps, read: &SyncState, error: BankError) -> Result<Outcome, SyncError> {
    // The run may have written since it read the item; whoever changed it meanwhile knows more than we do.
    let Some(state) = deps.reads.state(&read.item.at).await? else { return Ok(Outcome::NoItem) };
    if state.item.done > read.item.done {
        return Ok(Outcome::Failed(error));
    }
    let now = deps.clock.now();
    let mut commit = Commit::new(&state.item.at, state.rev, now);
    commit.item.failure = Edit::Set(LastFailure {
        at: now,
        want: read.item.want,
        code: error.code().to_owned(),
        retry_at: retry_at(&error, now),
    });
    if let Some(bad) = health_after(&error)
        && state.item.health.state != bad
    {
        commit.item.health = Some(Health { state: bad, since: now, reason: Some(error.code().to_owned()) });
    }
    match deps.writes.commit(&commit).await {
        Ok(()) | Err(CommitError::Conflict) => Ok(Outcome::Failed(error)),
        Err(CommitError::Store(store)) => Err(store.into()),
    }
}

fn health_after(error: &BankError) -> Option<HealthState> {
    match error {
        BankError::NeedsUser { .. } => Some(HealthState::NeedsLogin),
        BankError::Gone { .. } => Some(HealthState::Revoked),
        BankError::Later { .. }
        | BankError::RestartPagination
        | BankError::CursorRefused
        | BankError::PublicTokenRefused { .. }
        | BankError::AccountGone { .. }
        | BankError::OurFault { .. } => None,
    }
}

fn retry_at(error: &BankError, now: Timestamp) -> Option<Timestamp> {
    match error {
        BankError::Later { patience: Patience::Hours, .. } => Some(later(now, HOURS)),
        BankError::Later { patience: Patience::Seconds, .. } => Some(now),
        _ => None,
    }
}
