//! One run of the sync: what to do next is read from the item's row, so any invocation can go on where another
//! stopped.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use thiserror::Error;

use super::{
    apply,
    budget::Budgets,
    fetch::{self, set_health},
    ledger::{Cause, MAX_LEFT_OUT, MOST_REQUEST_IDS, RunEntry},
    limits::Limits,
    look::CHANGING,
    patience::{backoff, has_time, retry_at},
    plan::{StoredRow, missing_next},
    ports::{Announcements, Commit, CommitError, Edit, SyncReads, SyncWrites},
};
use crate::{
    admission::{Admission, Admissions, admit},
    bank::{
        AccountFeed, BankError, HistoryStatus, Meaning, Patience, SyncPage, TransactionFeed, WebhookAddress,
    },
    event::{Event, EventKind, Events},
    ids::{ItemRef, TransactionId},
    item::{Counts, Health, HealthState, Item, LastFailure, LastRun, Phase, SyncState, internal_failure},
    secret::{AccessToken, SealedToken},
    store::StoreError,
    time::{Clock, Random, until},
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
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// Admits new items to their households.
    pub admissions: Arc<dyn Admissions>,
    /// Remembers what has been announced.
    pub announcements: Arc<dyn Announcements>,
    /// Where Plaid's webhooks are to go, if anywhere.
    pub webhooks: Option<Webhooks>,
    /// What may be asked of Plaid.
    pub budgets: Arc<Budgets>,
    /// Where the work is cut.
    pub limits: Limits,
}

/// Where we listen for webhooks.
#[derive(Clone)]
pub struct Webhooks {
    /// The address.
    pub url: String,
    /// Tells Plaid.
    pub address: Arc<dyn WebhookAddress>,
}

/// Why a sync runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The item.
    pub at: ItemRef,
    /// The number of whoever asked; without one the bank is asked in any case.
    pub want: Option<u64>,
    /// Who asked.
    pub cause: Cause,
    /// When the run must have ended. It hands over before.
    pub deadline: Timestamp,
    /// Given by the night, for which nobody waits: it leaves alone what ended well so recently and what is gone at the
    /// bank, and it comes back later when Plaid says that all of us together ask too much.
    pub fresh_within: Option<Duration>,
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
        /// Whether it began from nothing although there had been transactions, and not all of them are there again:
        /// somebody must ask until they are.
        is_partial: bool,
    },
    /// Another run had covered this trigger already.
    AlreadyDone {
        /// How far the history is.
        history: HistoryStatus,
        /// As of one that finished.
        is_partial: bool,
    },
    /// There is no such item.
    NoItem,
    /// The item does not sync any more: it is on its way out.
    Inactive,
    /// The item was new, and its accounts are connected already: it is on its way out now.
    Refused,
    /// The night leaves it alone: gone at the bank, and only a new connection helps.
    Gone,
    /// The night leaves it alone: its last run ended well not long ago, and nothing has been asked for since.
    Fresh,
    /// The deadline came first, or the budget of calls is used up: somebody must go on, after so long.
    HandOver(Duration),
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
    /// A bug of ours.
    #[error("the sync panicked")]
    Panicked,
}

impl SyncError {
    /// The failure to record on the item: a caller that waits must not wait for a parked message.
    fn as_failure(&self) -> BankError {
        let passes = |code| BankError::later(Patience::Seconds, code);
        let stays = |code| BankError::new(Meaning::OurFault, code);
        match self {
            Self::Store(StoreError::Unavailable(_) | StoreError::Busy) => {
                passes(internal_failure::STORE_UNAVAILABLE)
            }
            Self::Store(StoreError::Refused(_)) => stays(internal_failure::STORE_REFUSED),
            Self::Store(StoreError::Corrupt(_)) => stays(internal_failure::STORE_CORRUPT),
            Self::Vault(VaultError::Unavailable) => passes(internal_failure::TOKEN_KEY_UNAVAILABLE),
            Self::Vault(VaultError::NotForThisItem) => stays(internal_failure::TOKEN_NOT_READABLE),
            Self::Contended => passes(internal_failure::ITEM_CONTENDED),
            Self::Panicked => stays(internal_failure::INTERNAL_ERROR),
        }
    }
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
    /// The page and the list of accounts are of different moments: read both again.
    Reread,
    Bank(BankError),
    HandOver(Duration),
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
/// A stage that somebody worked on so recently is left to them. Working on it together would be right as well: the
/// revision lets one of the two win each write. It would only be slow. Whoever applies it reads all its pages first.
const COURTESY: Duration = Duration::from_secs(2);
const COURTESY_FOR_A_PAGE: Duration = Duration::from_millis(25);
const MOMENT: Duration = Duration::from_millis(500);
/// Waits for another run at most, ten seconds in all; then the message comes back later.
const MOMENTS: u32 = 20;
pub(super) const COME_BACK: Duration = Duration::from_secs(15);
/// Starts over because the update changed while it was read.
pub(super) const RESTARTS: u32 = 3;
pub(super) const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// After a rate limit, unless the answer says when.
pub(super) const RATE_LIMIT: Duration = Duration::from_secs(30);
/// Starts over because the store failed: whether a write took effect is told by reading again.
const REREADS: u32 = 3;
/// Tries to write a failure down.
const RECORDS: u32 = 4;

/// Brings an item's stored transactions up to what the bank's side says now.
///
/// # Errors
/// When it could not find out or write down how it ended; running it again is always safe.
pub async fn sync(deps: &Deps, trigger: &Trigger) -> Result<Outcome, SyncError> {
    let mut run = Run::new(deps);
    let outcome = AssertUnwindSafe(run_to_end(deps, trigger, &mut run)).catch_unwind().await;
    let outcome = outcome.unwrap_or(Err(SyncError::Panicked));
    if let Err(error) = &outcome {
        // The error itself goes on: if the store does not take this either, the queue tries all of it again.
        match try_record(deps, trigger, &run, &error.as_failure()).await {
            Ok(_) | Err(_) => {}
        }
    }
    announce(deps, trigger, &run, outcome.as_ref().ok()).await;
    outcome
}

/// Tells what happened. News of the item's health stay on its row until they have been told: what fails here is told by
/// the next run.
async fn announce(deps: &Deps, trigger: &Trigger, run: &Run, outcome: Option<&Outcome>) {
    if let Some(Outcome::Finished { counts, .. }) = outcome
        && *counts != Counts::default()
    {
        let kind = EventKind::SyncFinished(*counts);
        let event = Event { at: trigger.at.clone(), time: deps.clock.now(), kind };
        match deps.events.announce(&event).await {
            Ok(()) | Err(_) => {}
        }
    }
    let is_quiet = !run.has_news && !matches!(outcome, Some(Outcome::Failed(_)));
    if is_quiet {
        return;
    }
    let Ok(Some(SyncState { news: Some(news), .. })) = deps.reads.state(&trigger.at).await else { return };
    if deps.events.announce(&news.event(&trigger.at)).await.is_ok() {
        match deps.announcements.announced(&trigger.at, &news).await {
            Ok(()) | Err(_) => {}
        }
    }
}

async fn run_to_end(deps: &Deps, trigger: &Trigger, run: &mut Run) -> Result<Outcome, SyncError> {
    let (mut restarts, mut rereads) = (0, 0);
    for start in 0..STARTS {
        if start > 0 && !has_time(deps, trigger.deadline, fetch::PAGE) {
            return Ok(Outcome::HandOver(Duration::ZERO));
        }
        match start_over(deps, trigger, run).await {
            Ok(Step::End(outcome)) => return Ok(outcome),
            Ok(Step::Again) | Err(Halt::Conflict) => {}
            Err(Halt::Reread) => deps.clock.sleep(RESTART_PAUSE).await,
            Err(Halt::HandOver(after)) => return Ok(Outcome::HandOver(after)),
            // <https://plaid.com/docs/transactions/sync-migration/>: wait a second, try three times, then later.
            Err(Halt::Bank(error)) if error.meaning == Meaning::RestartPagination && restarts < RESTARTS => {
                restarts += 1;
                deps.clock.sleep(RESTART_PAUSE).await;
            }
            Err(Halt::Bank(error)) => match held(trigger, &error) {
                Some(after) => return Ok(Outcome::HandOver(after)),
                None => return record_failure(deps, trigger, run, error).await,
            },
            Err(Halt::Error(SyncError::Store(StoreError::Unavailable(_) | StoreError::Busy)))
                if rereads < REREADS =>
            {
                rereads += 1;
                let [random, ..] = deps.random.entropy();
                deps.clock.sleep(backoff(rereads, random)).await;
            }
            Err(Halt::Error(error)) => return Err(error),
        }
    }
    Err(SyncError::Contended)
}

/// How long the night waits where Plaid says that all of us together ask too much: that is no failure of the item's.
fn held(trigger: &Trigger, error: &BankError) -> Option<Duration> {
    let Meaning::Later { patience: Patience::Minute, retry_after_s } = error.meaning else { return None };
    trigger.fresh_within.map(|_| retry_after_s.map_or(RATE_LIMIT, |s| Duration::from_secs(s.into())))
}

async fn start_over(deps: &Deps, trigger: &Trigger, run: &mut Run) -> Result<Step, Halt> {
    let Some(state) = deps.reads.state(&trigger.at).await? else { return Ok(Step::End(Outcome::NoItem)) };
    run.read = Some(Read { want: state.item.want, done: state.item.done });
    run.has_news |= state.news.is_some() || state.item.health.state != HealthState::Healthy;
    step(deps, trigger, &state, run).await
}

async fn step(deps: &Deps, trigger: &Trigger, state: &SyncState, run: &mut Run) -> Result<Step, Halt> {
    if !state.item.health.may_sync() {
        return Ok(Step::End(Outcome::Inactive));
    }
    if let Some(within) = trigger.fresh_within {
        if is_left_alone(&state.item, deps.clock.now()) {
            return Ok(Step::End(Outcome::Gone));
        }
        if let Some(last) = fresh(state, within, deps.clock.now()) {
            return Ok(Step::End(if run.pages == 0 { Outcome::Fresh } else { written(state, last) }));
        }
    }
    if let Some(stage) = &state.stage {
        let courtesy = COURTESY + COURTESY_FOR_A_PAGE * stage.pages;
        if run.stage != Some(stage.run) && until(stage.touched, deps.clock.now()) < courtesy {
            return wait(deps, trigger, run).await;
        }
        run.stage = Some(stage.run);
        if let Phase::Applying(pages) = stage.phase {
            return apply::apply(deps, trigger, state, stage, pages, run.pages > 0).await;
        }
    }
    if trigger.want.is_some_and(|want| state.item.done >= want) {
        let history = state.item.history.clone();
        return Ok(Step::End(Outcome::AlreadyDone { is_partial: state.is_partial(&history), history }));
    }
    let token = run.open(deps, state).await?;
    if state.item.awaits_admission {
        if !state.accounts_known {
            return fetch::save_accounts(deps, trigger, state, &token, run).await;
        }
        return admission(deps, state).await;
    }
    fetch::fetch(deps, trigger, state, &token, run).await
}

/// Compares a new item with the household's others before anything of it is synced.
async fn admission(deps: &Deps, state: &SyncState) -> Result<Step, Halt> {
    match admit(&*deps.admissions, state, false, deps.clock.now()).await? {
        Some(Admission::Stays) => Ok(Step::Again),
        Some(Admission::Goes(_)) => Ok(Step::End(Outcome::Refused)),
        None => Err(Halt::Conflict),
    }
}

/// Whether the night does not ask for an item: gone at the bank, or not supported and its week is not over.
fn is_left_alone(item: &Item, now: Timestamp) -> bool {
    match item.health.state {
        HealthState::Revoked => true,
        HealthState::Unsupported => {
            item.failure.as_ref().and_then(|failure| failure.retry_at).is_some_and(|at| now < at)
        }
        HealthState::Healthy
        | HealthState::Expiring
        | HealthState::NeedsLogin
        | HealthState::Removing
        | HealthState::Removed => false,
    }
}

/// An item that webhooks keep fresh is looked at by the night after so long all the same: accounts, and the address of its
/// webhooks, change without one.
const LOOKED: Duration = Duration::from_hours(6 * 24);

/// The last run, if after it there is certainly nothing to be done.
fn fresh(state: &SyncState, within: Duration, now: Timestamp) -> Option<LastRun> {
    let item = &state.item;
    let is_quiet = item.health.is_active()
        && item.failure.is_none()
        && item.done >= item.want
        && state.stage.is_none()
        && !item.history.is_coming()
        && state.looked_at.is_none_or(|at| until(at, now) < LOOKED);
    item.last_run.filter(|run| is_quiet && until(run.at, now) < within)
}

/// How a run ended that has read pages and finds the item fresh: its own write took effect, and the answer was lost.
fn written(state: &SyncState, last: LastRun) -> Outcome {
    let history = state.item.history.clone();
    Outcome::Finished { counts: last.counts, is_partial: state.is_partial(&history), history }
}

async fn wait(deps: &Deps, trigger: &Trigger, run: &mut Run) -> Result<Step, Halt> {
    if run.waited == MOMENTS || !has_time(deps, trigger.deadline, MOMENT) {
        return Err(Halt::HandOver(COME_BACK));
    }
    run.waited += 1;
    deps.clock.sleep(MOMENT).await;
    Ok(Step::Again)
}

/// The item's numbers as a run read them last.
#[derive(Clone, Copy)]
struct Read {
    want: u64,
    done: u64,
}

/// What a run keeps when it starts over.
pub(super) struct Run {
    /// When it began.
    pub(super) began: Timestamp,
    /// When it last called the bank.
    pub(super) called: Timestamp,
    /// When the item's budget will be full again, as this run knows it.
    pub(super) budget: Option<Timestamp>,
    /// How often it waited for others.
    waited: u32,
    /// Pages read.
    pub(super) pages: u32,
    /// Mutation errors on a first page.
    pub(super) mutations: u32,
    /// Pages read again because the list of accounts contradicted them.
    pub(super) rereads: u32,
    /// Plaid's ids of the calls.
    pub(super) request_ids: Vec<String>,
    /// Entries of which nothing could be made.
    left_out: Vec<String>,
    /// The token, opened once.
    open: Option<(SealedToken, AccessToken)>,
    /// The stage that it works on.
    pub(super) stage: Option<u64>,
    read: Option<Read>,
    /// Whether there may be news of the item's health.
    pub(super) has_news: bool,
}

impl Run {
    fn new(deps: &Deps) -> Self {
        let now = deps.clock.now();
        Self {
            began: now,
            called: now,
            budget: None,
            waited: 0,
            pages: 0,
            mutations: 0,
            rereads: 0,
            request_ids: Vec::new(),
            left_out: Vec::new(),
            open: None,
            stage: None,
            read: None,
            has_news: false,
        }
    }

    async fn open(&mut self, deps: &Deps, state: &SyncState) -> Result<AccessToken, VaultError> {
        if let Some((_, token)) = self.open.as_ref().filter(|(sealed, _)| *sealed == state.token) {
            return Ok(token.clone());
        }
        let token = deps.vault.open(&state.item.at, &state.token).await?;
        self.open = Some((state.token.clone(), token.clone()));
        Ok(token)
    }

    /// Keeps the id of a call, and what of its answer was left out.
    pub(super) fn note(&mut self, page: &SyncPage) {
        if let Some(id) = page.request_id.as_ref().filter(|_| self.request_ids.len() < MOST_REQUEST_IDS) {
            self.request_ids.push(id.clone());
        }
        let room = MAX_LEFT_OUT.saturating_sub(self.left_out.len());
        self.left_out.extend(page.left_out.iter().take(room).cloned());
    }

    /// Its line in the ledger.
    pub(super) fn entry(&self, cause: Cause, at: Timestamp, counts: Counts) -> RunEntry {
        RunEntry {
            at,
            began: self.began,
            cause,
            pages: self.pages,
            counts,
            failure: None,
            request_ids: self.request_ids.clone(),
            left_out: self.left_out.clone(),
        }
    }
}

/// The rows of ids, and for those that are removed also the rows that they will take in.
pub(super) async fn rows(
    deps: &Deps,
    at: &ItemRef,
    ids: &[TransactionId],
    removed: &[TransactionId],
) -> Result<HashMap<TransactionId, StoredRow>, Halt> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut found = deps.reads.rows(at, ids).await?;
    let missing = missing_next(removed, &found);
    if !missing.is_empty() {
        found.extend(deps.reads.rows(at, &missing).await?);
    }
    Ok(found)
}

/// Writes down what the bank's side refused, so that people can read it and the next trigger knows.
async fn record_failure(
    deps: &Deps,
    trigger: &Trigger,
    run: &Run,
    error: BankError,
) -> Result<Outcome, SyncError> {
    for _ in 0..RECORDS {
        if try_record(deps, trigger, run, &error).await? {
            return Ok(Outcome::Failed(error));
        }
    }
    Err(SyncError::Contended)
}

/// False if somebody else was at the item.
async fn try_record(deps: &Deps, trigger: &Trigger, run: &Run, error: &BankError) -> Result<bool, SyncError> {
    let Some(state) = deps.reads.state(&trigger.at).await? else { return Ok(true) };
    let Some(read) = run.read.filter(|read| is_open(&state.item, read, run.called)) else { return Ok(true) };
    // Nor does what was said of an item that another one has replaced meanwhile tell anything of this one.
    if run.open.as_ref().is_some_and(|(sealed, _)| *sealed != state.token) {
        return Ok(true);
    }
    let now = deps.clock.now();
    let mut commit = Commit::new(&state.item.at, state.rev, now);
    commit.item.failure = Edit::Set(failure_after(state.item.failure.as_ref(), error, read.want, now));
    commit.item.budget = run.budget;
    // A call tells nothing of a state that is younger than it.
    if let Some(bad) = health_after(error.meaning)
        && (state.item.health.state != bad || state.item.health.reason.as_ref() != Some(&error.code))
        && state.item.health.since <= run.called
    {
        let before = &state.item.health;
        let health = Health { state: bad, since: now, reason: Some(error.code.clone()), until: before.until };
        if (before.state, before.advice(), before.next_action())
            == (health.state, health.advice(), health.next_action())
        {
            // A person reads and does the same as before: not worth an event.
            commit.item.health = Some(Health { since: before.since, ..health });
        } else {
            set_health(&mut commit, health);
        }
    }
    let mut entry = run.entry(trigger.cause, now, Counts::default());
    entry.failure = Some(error.code.clone());
    entry.request_ids.extend(error.request_id.clone());
    commit.run = Some(entry);
    match deps.writes.commit(&commit).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Store(store)) => Err(store.into()),
    }
}

/// Whether a failure of a run tells something new: no success covers what the run read as wanted, or none has come since.
/// A success that began after the run's last call knows more.
fn is_open(item: &Item, read: &Read, called: Timestamp) -> bool {
    item.done < read.want || (item.done <= read.done && !item.has_come(called))
}

/// A failure after another one. A call of Plaid's that fails and passes does not end the state in which one account has
/// two ids: its day would begin anew. An outage of hours does, since nothing is known of the accounts meanwhile.
fn failure_after(before: Option<&LastFailure>, error: &BankError, want: u64, now: Timestamp) -> LastFailure {
    let is_brief =
        matches!(error.meaning, Meaning::Later { patience: Patience::Seconds | Patience::Minute, .. });
    let passes = is_brief && !internal_failure::ALL.contains(&error.code.as_str());
    let is_same = |before: &&LastFailure| before.code == error.code || (passes && before.code == CHANGING);
    let same = before.filter(is_same);
    LastFailure {
        at: now,
        since: same.map_or(now, |before| before.since),
        want: before.map_or(want, |before| before.want.max(want)),
        code: same.map_or(&error.code, |before| &before.code).clone(),
        retry_at: retry_at(error, now),
    }
}

fn health_after(meaning: Meaning) -> Option<HealthState> {
    match meaning {
        Meaning::NeedsUser => Some(HealthState::NeedsLogin),
        Meaning::Gone => Some(HealthState::Revoked),
        Meaning::Unsupported => Some(HealthState::Unsupported),
        Meaning::Later { .. }
        | Meaning::RestartPagination
        | Meaning::CursorRefused
        | Meaning::Endless
        | Meaning::PublicTokenRefused
        | Meaning::AccountGone
        | Meaning::OurFault => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_of_an_older_request_keeps_the_newer_number() {
        let error = BankError::later(Patience::Seconds, "INTERNAL_SERVER_ERROR");
        let newer = failure_after(None, &error, 7, Timestamp::UNIX_EPOCH);
        assert_eq!(failure_after(Some(&newer), &error, 6, Timestamp::UNIX_EPOCH).want, 7);
    }
}
