//! Fetching an update: a page that fits is written at once, everything else goes through the redo log.

use std::{collections::BTreeSet, time::Duration};

use super::{
    budget::Wait,
    engine::{COME_BACK, Deps, Halt, Outcome, RATE_LIMIT, RESTARTS, Run, Step, Trigger, rows},
    fold::{PageFacts, UpdateIndex},
    ledger::{Cause, DayBalance, RunEntry},
    links::Links,
    look::Accounts,
    patience::{has_time, retry_in},
    plan::{AccountIds, plan_page, touched, touched_by_removal},
    ports::{Commit, Edit},
};
use jiff::tz::TimeZone;

use crate::{
    account::{Account, BankAccount},
    bank::{BankError, BankItem, HistoryStatus, Meaning, Patience, SyncPage},
    event::News,
    ids::{Cursor, TransactionId},
    item::{Counts, Health, HealthState, LastRun, Phase, Stage, SyncState},
    secret::AccessToken,
    time::later,
    transaction::{BankFacts, Month},
};

/// What a page may take: a call's timeout and a write.
pub(super) const PAGE: Duration = Duration::from_secs(18);
/// What a call may take.
pub(super) const CALL: Duration = Duration::from_secs(15);
/// A stage that nobody has worked on for so long starts anew.
const IDLE: Duration = Duration::from_mins(10);
/// A budget that has a call again so soon is waited for; for longer the run hands over.
const SHORT_WAIT: Duration = Duration::from_secs(3);

/// Syncs that webhooks ask for come so far apart in the long run; some may come at once.
pub const PACE: Duration = Duration::from_secs(30);

/// One update under way.
pub(super) struct Fetch<'a> {
    pub(super) deps: &'a Deps,
    pub(super) trigger: &'a Trigger,
    pub(super) state: &'a SyncState,
    pub(super) token: &'a AccessToken,
    pub(super) run: &'a mut Run,
    rev: u64,
    months: BTreeSet<Month>,
    /// The accounts as they are once everything so far is written.
    pub(super) accounts: Vec<Account>,
    /// Whether nobody needs to look at all accounts.
    pub(super) accounts_known: bool,
    /// The accounts that are there, once all were asked for: those of the list, and those that pages have named beside it.
    pub(super) listed: Option<Vec<BankAccount>>,
    /// Whether the list does not tell which accounts are shared: earlier pages name others.
    pub(super) needs_look: bool,
    /// What the page before said, to notice pages that repeat themselves.
    last_page: Option<(Vec<BankFacts>, Vec<TransactionId>)>,
    /// What Plaid said of the bank beside the accounts, if they were asked for.
    pub(super) bank: Option<BankItem>,
}

/// Saves the accounts of a new item before anything of it is synced.
pub(super) async fn save_accounts(
    deps: &Deps,
    trigger: &Trigger,
    state: &SyncState,
    token: &AccessToken,
    run: &mut Run,
) -> Result<Step, Halt> {
    let mut fetch = Fetch::new(deps, trigger, state, token, run);
    let accounts = fetch.all_accounts().await?;
    let accounts = fetch.commit_surplus(accounts).await?;
    let commit = fetch.commit_beside(accounts);
    fetch.commit(&commit).await?;
    Ok(Step::Again)
}

pub(super) async fn fetch(
    deps: &Deps,
    trigger: &Trigger,
    state: &SyncState,
    token: &AccessToken,
    run: &mut Run,
) -> Result<Step, Halt> {
    let mut fetch = Fetch::new(deps, trigger, state, token, run);
    let now = deps.clock.now();
    if let Some(stage) = &state.stage {
        let idle = crate::time::until(stage.touched, now);
        if let Phase::Fetching(next) = &stage.phase
            && idle < IDLE
        {
            return fetch.pages(stage.clone(), next.clone()).await;
        }
        return fetch.discard(stage).await.map(|()| Step::Again);
    }
    fetch.begin().await
}

impl<'a> Fetch<'a> {
    fn new(
        deps: &'a Deps,
        trigger: &'a Trigger,
        state: &'a SyncState,
        token: &'a AccessToken,
        run: &'a mut Run,
    ) -> Self {
        run.budget = run.budget.max(state.budget);
        Self {
            deps,
            trigger,
            state,
            token,
            run,
            rev: state.rev,
            months: state.months.clone(),
            accounts: state.accounts.clone(),
            // The night looks anyway: accounts come and go without a word.
            accounts_known: state.accounts_known && trigger.cause != Cause::Night,
            listed: None,
            needs_look: false,
            last_page: None,
            bank: None,
        }
    }
}

impl Fetch<'_> {
    /// The first page decides whether the update is small.
    async fn begin(&mut self) -> Result<Step, Halt> {
        let mut page = match self.page(self.state.cursor.as_ref(), None).await {
            Err(Halt::Bank(error)) if self.is_cursor_refused(&error) => return self.forget_cursor().await,
            page => page?,
        };
        if let Some(why) = self.endless(None, &page, self.state.cursor.as_ref()) {
            return Err(Halt::Bank(BankError::new(Meaning::Endless, why)));
        }
        let accounts = self.accounts(&page, None).await?;
        if accounts.need_whole_history && self.state.cursor.is_some() {
            return self.start_from_nothing(None, accounts).await;
        }
        let mut facts = self.take(&mut page);
        if page.next_cursor.is_none() {
            self.without_cursor(&mut facts)?;
        }
        if self.waits_for_all(&page.history) {
            facts = PageFacts::default();
            page.has_more = false;
        }
        let accounts = self.commit_surplus(accounts).await?;
        if !page.has_more
            && (!self.sweeps() || page.history.is_coming())
            && let Some(step) = self.write_small(&page, &facts, &accounts).await?
        {
            return Ok(step);
        }
        let now = self.deps.clock.now();
        self.run.stage = Some(self.rev);
        let stage = Stage {
            run: self.rev,
            phase: Phase::Applying(0),
            pages: 0,
            want: self.state.item.want,
            began: self.run.began,
            touched: now,
            empty_pages: 0,
            history: page.history.clone(),
            counts: Counts::default(),
            sweeps: self.sweeps(),
        };
        match self.append(stage, page, facts, accounts).await? {
            (_, None) => Ok(Step::Again),
            (stage, Some(next)) => self.pages(stage, next).await,
        }
    }

    /// Whether Plaid takes the stored cursor for none of this item's, by what it says of the first page. A mutation
    /// cannot have happened between the pages of an update before its first one: said again and again, it is the cursor.
    fn is_cursor_refused(&mut self, error: &BankError) -> bool {
        self.run.mutations += u32::from(error.meaning == Meaning::RestartPagination);
        let is_refused = error.meaning == Meaning::CursorRefused || self.run.mutations > RESTARTS;
        is_refused && self.state.cursor.is_some()
    }

    /// What a page says of the accounts that are kept up to date.
    fn take(&self, page: &mut SyncPage) -> PageFacts {
        let mut facts = PageFacts::take(page);
        facts.date(self.deps.clock.now().to_zoned(TimeZone::UTC).date());
        facts.lighten(self.deps.limits.page_bytes);
        let stopped: Vec<_> = self.accounts.iter().filter(|account| account.state.is_stopped()).collect();
        facts.upserts.retain(|facts| stopped.iter().all(|account| account.bank.id != facts.account));
        facts
    }

    /// Whether accounts go on under new ids and their new history is not all there: half of it could be paired with
    /// the wrong half of the old one.
    fn waits_for_all(&self, history: &HistoryStatus) -> bool {
        let is_continued = |account: &Account| account.generation.number > 0;
        self.sweeps() && history.is_coming() && self.accounts.iter().any(is_continued)
    }

    /// Only the whole history tells what became of the stored transactions: accounts continue under new ids, and so do
    /// all of their transactions, or an account is shared again that missed a sweep.
    async fn start_from_nothing(&mut self, stage: Option<&Stage>, accounts: Accounts) -> Result<Step, Halt> {
        // The cursor goes first: once an account is written, nothing else tells that the history is needed.
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        commit.item.cursor = Edit::Clear;
        if stage.is_some() {
            commit.item.stage = Edit::Clear;
        }
        self.commit(&commit).await?;
        let accounts = self.commit_surplus(accounts).await?;
        let commit = self.commit_beside(accounts);
        self.commit(&commit).await?;
        if let Some(stage) = stage {
            self.deps.writes.drop_pages(&self.state.item.at, stage.run, stage.pages).await?;
        }
        Ok(Step::Again)
    }

    /// A first page that does not say where it ends is not applied: what it says comes again from the same place, or
    /// has gone by then without a word. It is good news only of an item that has nothing yet.
    fn without_cursor(&self, facts: &mut PageFacts) -> Result<(), Halt> {
        if self.state.cursor.is_some() || !facts.upserts.is_empty() {
            return Err(Halt::Bank(no_cursor()));
        }
        facts.removed.clear();
        Ok(())
    }

    /// Whether this update begins from nothing although the item has had transactions.
    fn sweeps(&self) -> bool {
        self.state.cursor.is_none() && !self.state.months.is_empty()
    }

    /// The rest of the pages. Any error throws the stage away: half an update is none.
    async fn pages(&mut self, mut stage: Stage, mut next: Cursor) -> Result<Step, Halt> {
        loop {
            if !has_time(self.deps, self.trigger.deadline, PAGE) {
                return Err(Halt::HandOver(Duration::ZERO));
            }
            let fetched = match self.page(Some(&next), Some(&stage)).await {
                // In the middle of an update there is always a next place.
                Ok(page) if page.next_cursor.is_none() && !page.has_more => Err(Halt::Bank(no_cursor())),
                Ok(page) => self.accounts(&page, Some(&stage)).await.map(|accounts| (page, accounts)),
                Err(error) => Err(error),
            };
            let (mut page, accounts) = match fetched {
                Ok(fetched) => fetched,
                Err(Halt::Bank(error)) => return Err(self.give_up(&stage, error).await?),
                Err(other) => return Err(other),
            };
            if accounts.need_whole_history {
                return self.start_from_nothing(Some(&stage), accounts).await;
            }
            let is_empty = page.added.is_empty() && page.modified.is_empty() && page.removed.is_empty();
            let facts = self.take(&mut page);
            let says = (facts.upserts.clone(), facts.removed.clone());
            // Pages of a stopped account alone are all alike, and say something all the same.
            let is_of_stopped = says.0.is_empty() && says.1.is_empty();
            let is_repeated = !is_of_stopped && self.last_page.as_ref() == Some(&says);
            let says_nothing = is_empty || is_repeated;
            stage.empty_pages = if says_nothing { stage.empty_pages + 1 } else { 0 };
            if let Some(why) = self.endless(Some(&stage), &page, Some(&next)) {
                self.discard(&stage).await?;
                return Err(Halt::Bank(BankError::new(Meaning::Endless, why)));
            }
            let accounts = self.commit_surplus(accounts).await?;
            self.last_page = Some(says);
            match self.append(stage, page, facts, accounts).await? {
                (_, None) => return Ok(Step::Again),
                (appended, Some(cursor)) => (stage, next) = (appended, cursor),
            }
        }
    }

    /// What an error in the middle of an update leads to.
    async fn give_up(&mut self, stage: &Stage, error: BankError) -> Result<Halt, Halt> {
        // A call that was one too many was no call: the same page again, later.
        if let Meaning::Later { patience: Patience::Minute, retry_after_s } = error.meaning {
            let asked = retry_after_s.map_or(RATE_LIMIT, |s| Duration::from_secs(s.into()));
            return Ok(Halt::HandOver(asked));
        }
        self.discard(stage).await?;
        // A cursor from the middle of an update is worth nothing outside it.
        let is_refused = error.meaning == Meaning::CursorRefused;
        let meaning = if is_refused { Meaning::RestartPagination } else { error.meaning };
        Ok(Halt::Bank(BankError { meaning, ..error }))
    }

    /// Why an update that promises more will not come to an end. A page that leads back to where it began would be read
    /// again later, and be another one by then.
    fn endless(
        &self,
        stage: Option<&Stage>,
        page: &SyncPage,
        asked: Option<&Cursor>,
    ) -> Option<&'static str> {
        let limits = &self.deps.limits;
        let (pages, empty_pages) = stage.map_or((0, 0), |stage| (stage.pages, stage.empty_pages));
        if !page.has_more {
            return None;
        }
        match &page.next_cursor {
            None => Some("MORE_PAGES_BUT_NO_CURSOR"),
            Some(next) if Some(next) == asked => Some("SAME_CURSOR_AGAIN"),
            Some(_) if empty_pages >= limits.empty_pages => Some("EMPTY_PAGES"),
            Some(_) if pages + 1 >= limits.most_pages => Some("TOO_MANY_PAGES"),
            Some(_) => None,
        }
    }

    /// Writes a page into the redo log. The last one moves the cursor in the same write; then there is no next.
    async fn append(
        &mut self,
        mut stage: Stage,
        page: SyncPage,
        facts: PageFacts,
        accounts: Accounts,
    ) -> Result<(Stage, Option<Cursor>), Halt> {
        let number = stage.pages;
        stage.pages += 1;
        stage.touched = self.deps.clock.now();
        stage.history = page.history;
        let mut commit = self.commit_beside(accounts);
        let next = match (page.has_more, page.next_cursor) {
            (true, Some(next)) => {
                stage.phase = Phase::Fetching(next.clone());
                Some(next)
            }
            // More without a place to go on at is endless, and has been refused.
            (_, last) => {
                stage.phase = Phase::Applying(0);
                // Half a history from nothing cannot tell what is gone: the sweep waits, and so does the cursor.
                let is_half = stage.sweeps && stage.history.is_coming();
                stage.sweeps &= !is_half;
                commit.item.cursor = if is_half { Edit::Keep } else { last.map_or(Edit::Keep, Edit::Set) };
                None
            }
        };
        commit.item.stage = Edit::Set(stage.clone());
        commit.page = Some((stage.run, number, facts));
        self.commit(&commit).await?;
        Ok((stage, next))
    }

    /// A page that fits: one read of the touched rows, one write. `None` if it does not fit after all.
    async fn write_small(
        &mut self,
        page: &SyncPage,
        facts: &PageFacts,
        accounts: &Accounts,
    ) -> Result<Option<Step>, Halt> {
        let small = self.deps.limits.small;
        if facts.upserts.len() + facts.removed.len() > small {
            return Ok(None);
        }
        let index = UpdateIndex::of_page(facts);
        let removed = index.removals(0, facts);
        let mut ids = touched(0, facts, &index, &Links::default());
        ids.extend(touched_by_removal(&removed, &Links::default()));
        ids.sort_unstable();
        ids.dedup();
        let found = rows(self.deps, &self.state.item.at, &ids, &removed).await?;
        let account_ids = AccountIds::new(&self.state.item.at.item, &self.accounts);
        let (writes, counts) = plan_page(facts, &index, found, &account_ids);
        if writes.len() + accounts.writes.len() + accounts.balances.len() > small {
            return Ok(None);
        }
        let mut commit = self.commit_beside(accounts.clone());
        commit.rows = writes;
        commit.new_months = self.add_months(facts);
        if !commit.new_months.is_empty() {
            commit.item.months = Some(self.months.clone());
        }
        let next = page.next_cursor.clone().filter(|_| !self.sweeps());
        commit.item.cursor = next.map_or(Edit::Keep, Edit::Set);
        let entry = self.run.entry(self.trigger.cause, self.deps.clock.now(), counts);
        finish(&mut commit, self.state, self.run.called, self.state.item.want, &page.history, entry);
        self.commit(&commit).await?;
        let is_partial = self.state.is_partial(&page.history);
        Ok(Some(Step::End(Outcome::Finished { counts, history: page.history.clone(), is_partial })))
    }

    fn add_months(&mut self, facts: &PageFacts) -> BTreeSet<Month> {
        let months = facts.upserts.iter().map(|facts| Month::of(facts.date));
        let new: BTreeSet<_> = months.filter(|month| !self.months.contains(month)).collect();
        self.months.extend(new.iter().copied());
        new
    }

    /// One page, within what may be asked of Plaid: each try is a call.
    async fn page(&mut self, cursor: Option<&Cursor>, stage: Option<&Stage>) -> Result<SyncPage, Halt> {
        let (mut attempt, mut refusal) = (0, None);
        loop {
            attempt += 1;
            match (self.take_budget(cursor.is_none()).await, refusal) {
                // Plaid's refusal tells more than an empty allowance, but it would cost the pages that were read.
                (Err(Halt::HandOver(_)), Some(error)) if stage.is_none() => return Err(Halt::Bank(error)),
                (taken, _) => taken?,
            }
            if !has_time(self.deps, self.trigger.deadline, CALL) {
                return Err(Halt::HandOver(Duration::ZERO));
            }
            self.run.called = self.deps.clock.now();
            let error = match self.deps.feed.page(self.token, cursor).await {
                Ok(page) => {
                    self.run.pages += 1;
                    self.run.note(&page);
                    return Ok(page);
                }
                Err(error) => error,
            };
            let Some(wait) = retry_in(self.deps, self.trigger.deadline, CALL, attempt, &error) else {
                return Err(Halt::Bank(error));
            };
            self.deps.clock.sleep(wait).await;
            refusal = Some(error);
        }
    }

    async fn take_budget(&mut self, is_from_nothing: bool) -> Result<(), Halt> {
        loop {
            let now = self.deps.clock.now();
            let taken = self.deps.budgets.take(self.run.budget, now, is_from_nothing, self.trigger.cause);
            match taken.await {
                Ok(full_at) => {
                    self.run.budget = Some(full_at);
                    return Ok(());
                }
                // A worker that waits for a webhook's call would keep a person waiting who is behind it in the queue.
                Err(Wait::Workers(wait)) if self.trigger.cause == Cause::Webhook => {
                    return Err(Halt::HandOver(wait.max(COME_BACK)));
                }
                Err(Wait::Item(wait) | Wait::Workers(wait))
                    if wait <= SHORT_WAIT && has_time(self.deps, self.trigger.deadline, wait + PAGE) =>
                {
                    self.deps.clock.sleep(wait).await;
                }
                Err(Wait::Item(wait) | Wait::Workers(wait)) => return Err(Halt::HandOver(wait)),
            }
        }
    }

    /// Writes the accounts that would not fit into one transaction with a page, and gives back those that do.
    async fn commit_surplus(&mut self, mut accounts: Accounts) -> Result<Accounts, Halt> {
        let most = self.deps.limits.accounts.max(1);
        while accounts.writes.len() > most {
            let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
            commit.accounts = accounts.writes.split_off(accounts.writes.len() - most);
            let is_written =
                |balance: &DayBalance| commit.accounts.iter().any(|write| write.id == balance.account);
            let (now, later) = accounts.balances.into_iter().partition(is_written);
            (commit.balances, accounts.balances) = (now, later);
            self.commit(&commit).await?;
        }
        Ok(accounts)
    }

    /// The cursor does not belong to this item any more: the next start is from nothing and ends with a sweep.
    async fn forget_cursor(&mut self) -> Result<Step, Halt> {
        let mut commit = self.commit_beside(Accounts::default());
        commit.item.cursor = Edit::Clear;
        self.commit(&commit).await?;
        Ok(Step::Again)
    }

    /// Closes a stage that will not be applied.
    async fn discard(&mut self, stage: &Stage) -> Result<(), Halt> {
        let mut commit = self.commit_beside(Accounts::default());
        commit.item.stage = Edit::Clear;
        self.commit(&commit).await?;
        self.deps.writes.drop_pages(&self.state.item.at, stage.run, stage.pages).await?;
        Ok(())
    }

    /// A write with what every write after a call brings along.
    fn commit_beside(&mut self, accounts: Accounts) -> Commit {
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        commit.accounts = accounts.writes;
        commit.balances = accounts.balances;
        if let Some(bank) = &self.bank {
            commit.item.institution.clone_from(&bank.institution);
            commit.item.institution_name.clone_from(&bank.institution_name);
            commit.item.looked = (!self.needs_look).then_some(self.state.item.want);
            commit.item.selection_applied = self.state.accounts_selected;
        }
        self.renew(&mut commit);
        commit.item.budget = self.run.budget;
        commit
    }

    async fn commit(&mut self, commit: &Commit) -> Result<(), Halt> {
        self.deps.writes.commit(commit).await?;
        self.rev += 1;
        Ok(())
    }
}

fn no_cursor() -> BankError {
    BankError::later(Patience::Seconds, "NO_CURSOR")
}

/// Adds to a commit that the run ended well. What the bank said at `called` tells nothing of a state that is younger.
pub(super) fn finish(
    commit: &mut Commit,
    state: &SyncState,
    called: jiff::Timestamp,
    want: u64,
    history: &HistoryStatus,
    entry: RunEntry,
) {
    let counts = entry.counts;
    if entry.cause == Cause::Webhook {
        let calm = later(state.calm.unwrap_or(commit.now).max(commit.now), PACE);
        // Nobody waits for longer than one pace.
        commit.item.calm = Some(calm.min(later(commit.now, PACE * 4)));
    }
    commit.item.done = Some(want);
    commit.item.history = (*history != state.item.history).then(|| history.clone());
    commit.item.last_run = Some(LastRun { began: entry.began, at: entry.at, counts });
    if counts != Counts::default() {
        commit.item.totals = Some(state.item.totals.plus(counts));
        commit.run = Some(entry);
    }
    // A newer request may have failed meanwhile: nothing else tells how it ended.
    if state.item.failure.as_ref().is_some_and(|failure| failure.want > want) {
        return;
    }
    if state.item.failure.is_some() {
        commit.item.failure = Edit::Clear;
    }
    if let Some(health) = state.item.health.after_success(called, commit.now) {
        set_health(commit, health);
    }
}

/// A change of health, and the news of it.
pub(super) fn set_health(commit: &mut Commit, health: Health) {
    let reason = match health.state {
        HealthState::Healthy => None,
        HealthState::Expiring
        | HealthState::NeedsLogin
        | HealthState::Revoked
        | HealthState::Unsupported
        | HealthState::Removing
        | HealthState::Removed => Some(health.reason.clone().unwrap_or_default()),
    };
    commit.item.news = Some(News { since: health.since, reason });
    commit.item.health = Some(health);
}
