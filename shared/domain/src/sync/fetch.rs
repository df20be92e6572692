//! Fetching an update: a page that fits is written at once, everything else goes through the redo log.

use std::{collections::BTreeSet, time::Duration};

use super::{
    engine::{Deps, Halt, Outcome, Step, SyncError, Trigger},
    fold::{PageFacts, UpdateIndex},
    links::Links,
    patience::{has_time, with_patience},
    plan::{AccountIds, plan_page, touched},
    ports::{AccountWrite, Commit, Edit},
};
use crate::{
    account::BankAccount,
    bank::{BankError, BankItem, HistoryStatus, SyncPage},
    ids::{AccountId, Cursor, PlaidAccountId},
    item::{Counts, Health, HealthState, LastRun, Phase, Stage, SyncState},
    secret::AccessToken,
    transaction::Month,
};

/// A small update: so many actions at most, the item's own not counted.
const SMALL: usize = 90;
/// Pages of one update; more than a million transactions is no update but a loop.
const MOST_PAGES: u32 = 2_500;
/// What a page may take: a call's timeout and a write.
pub(super) const PAGE: Duration = Duration::from_secs(18);
/// What a call may take.
const CALL: Duration = Duration::from_secs(15);
/// Accounts that fit beside a page.
const MOST_ACCOUNTS: usize = 90;
/// A stage that nobody has worked on for so long starts anew.
const IDLE: Duration = Duration::from_mins(10);

/// One update under way.
struct Fetch<'a> {
    deps: &'a Deps,
    trigger: &'a Trigger,
    state: &'a SyncState,
    token: &'a AccessToken,
    rev: u64,
    months: BTreeSet<Month>,
    known: Vec<BankAccount>,
    accounts_known: bool,
    /// What Plaid said of the bank beside the accounts.
    bank: BankItem,
}

pub(super) async fn fetch(
    deps: &Deps,
    trigger: &Trigger,
    state: &SyncState,
    token: &AccessToken,
) -> Result<Step, Halt> {
    let mut fetch = Fetch {
        deps,
        trigger,
        state,
        token,
        rev: state.rev,
        months: state.months.clone(),
        known: state.accounts.iter().map(|account| account.bank.clone()).collect(),
        accounts_known: state.accounts_known,
        bank: BankItem::default(),
    };
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

impl Fetch<'_> {
    /// The first page decides whether the update is small.
    async fn begin(&mut self) -> Result<Step, Halt> {
        let mut page = match self.page(self.state.cursor.as_ref()).await {
            Err(BankError::CursorRefused) if self.state.cursor.is_some() => {
                return self.forget_cursor().await;
            }
            page => page.map_err(Halt::Bank)?,
        };
        let accounts = self.account_writes(&page).await.map_err(Halt::Bank)?;
        let facts = PageFacts::take(&mut page);
        let accounts = self.commit_surplus(accounts).await?;
        if !page.has_more
            && (!self.sweeps() || page.history.is_coming())
            && let Some(step) = self.write_small(&page, &facts, &accounts).await?
        {
            return Ok(step);
        }
        let stage = Stage {
            run: self.rev,
            phase: Phase::Applying(0),
            pages: 0,
            want: self.state.item.want,
            touched: self.deps.clock.now(),
            history: page.history.clone(),
            counts: Counts::default(),
            sweeps: self.sweeps(),
        };
        match self.append(stage, page, facts, accounts).await? {
            (_, None) => Ok(Step::Again),
            (stage, Some(next)) => self.pages(stage, next).await,
        }
    }

    /// Whether this update begins from nothing although the item has had transactions.
    fn sweeps(&self) -> bool {
        self.state.cursor.is_none() && !self.state.months.is_empty()
    }

    /// The rest of the pages. Any error throws the stage away: half an update is none.
    async fn pages(&mut self, mut stage: Stage, mut next: Cursor) -> Result<Step, Halt> {
        loop {
            if !has_time(self.deps, self.trigger.deadline, PAGE) {
                return Ok(Step::End(Outcome::HandOver));
            }
            let fetched = match self.page(Some(&next)).await {
                Ok(page) => self.account_writes(&page).await.map(|accounts| (page, accounts)),
                Err(error) => Err(error),
            };
            let (mut page, accounts) = match fetched {
                Ok(fetched) => fetched,
                Err(error) => {
                    self.discard(&stage).await?;
                    // A cursor from the middle of an update is worth nothing outside it.
                    let is_refused = error == BankError::CursorRefused;
                    return Err(Halt::Bank(if is_refused { BankError::RestartPagination } else { error }));
                }
            };
            let circles = page.has_more && page.next_cursor.as_ref() == Some(&next);
            if circles || stage.pages >= MOST_PAGES {
                self.discard(&stage).await?;
                let why = if circles { "the same cursor again" } else { "too many pages" };
                return Err(SyncError::Endless(why).into());
            }
            let accounts = self.commit_surplus(accounts).await?;
            let facts = PageFacts::take(&mut page);
            match self.append(stage, page, facts, accounts).await? {
                (_, None) => return Ok(Step::Again),
                (appended, Some(cursor)) => (stage, next) = (appended, cursor),
            }
        }
    }

    /// Writes a page into the redo log. The last one moves the cursor in the same write; then there is no next.
    async fn append(
        &mut self,
        mut stage: Stage,
        page: SyncPage,
        facts: PageFacts,
        accounts: Vec<AccountWrite>,
    ) -> Result<(Stage, Option<Cursor>), Halt> {
        let number = stage.pages;
        stage.pages += 1;
        stage.touched = self.deps.clock.now();
        stage.history = page.history;
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        let next = match (page.has_more, page.next_cursor) {
            (true, None) => return Err(SyncError::Endless("more pages, but no cursor").into()),
            (true, Some(next)) => {
                stage.phase = Phase::Fetching(next.clone());
                Some(next)
            }
            (false, last) => {
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
        commit.accounts = accounts;
        commit.item.accounts_known = self.accounts_known;
        commit.item.institution.clone_from(&self.bank.institution);
        commit.item.institution_name.clone_from(&self.bank.institution_name);
        self.commit(&commit).await?;
        Ok((stage, next))
    }

    /// A page that fits: one read of the touched rows, one write. `None` if it does not fit after all.
    async fn write_small(
        &mut self,
        page: &SyncPage,
        facts: &PageFacts,
        accounts: &[AccountWrite],
    ) -> Result<Option<Step>, Halt> {
        if facts.upserts.len() + facts.removed.len() > SMALL {
            return Ok(None);
        }
        let mut index = UpdateIndex::default();
        index.add(0, facts);
        let ids = touched(0, facts, &index, &Links::default());
        let found = match ids.as_slice() {
            [] => std::collections::HashMap::new(),
            ids => self.deps.reads.rows(&self.state.item.at, ids).await?,
        };
        let account_ids = AccountIds::new(&self.state.item.at.item, &self.state.accounts);
        let (rows, counts) = plan_page(facts, &index, found, &account_ids);
        if rows.len() + accounts.len() > SMALL {
            return Ok(None);
        }
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        commit.rows = rows;
        commit.accounts = accounts.to_vec();
        commit.new_months = self.add_months(facts);
        if !commit.new_months.is_empty() {
            commit.item.months = Some(self.months.clone());
        }
        let next = page.next_cursor.clone().filter(|_| !self.sweeps());
        commit.item.cursor = next.map_or(Edit::Keep, Edit::Set);
        commit.item.accounts_known = self.accounts_known;
        commit.item.institution.clone_from(&self.bank.institution);
        commit.item.institution_name.clone_from(&self.bank.institution_name);
        finish(&mut commit, self.state, self.state.item.want, counts, &page.history, self.deps.clock.now());
        self.commit(&commit).await?;
        Ok(Some(Step::End(Outcome::Finished { counts, history: page.history.clone() })))
    }

    fn add_months(&mut self, facts: &PageFacts) -> BTreeSet<Month> {
        let months = facts.upserts.iter().map(|facts| Month::of(facts.date));
        let new: BTreeSet<_> = months.filter(|month| !self.months.contains(month)).collect();
        self.months.extend(new.iter().copied());
        new
    }

    async fn page(&self, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        with_patience(self.deps, self.trigger.deadline, CALL, || self.deps.feed.page(self.token, cursor))
            .await
    }

    /// The accounts that a page brings news of. An account that nobody has described yet gets a placeholder, so that
    /// no transaction is left out for want of it.
    async fn account_writes(&mut self, page: &SyncPage) -> Result<Vec<AccountWrite>, BankError> {
        let mut told = page.accounts.clone();
        if !self.accounts_known {
            let call = || self.deps.accounts.accounts(self.token);
            let answer = with_patience(self.deps, self.trigger.deadline, CALL, call).await?;
            told.extend(answer.accounts);
            self.accounts_known = true;
            self.bank = answer.item;
        }
        let named = page.added.iter().chain(&page.modified).map(|facts| &facts.account);
        for id in named.collect::<BTreeSet<&PlaidAccountId>>() {
            let is_known = self.known.iter().chain(&told).any(|account| account.id == *id);
            if !is_known {
                told.push(BankAccount::placeholder(id.clone()));
            }
        }
        // Of what was told twice, the last word.
        let mut latest: Vec<BankAccount> = Vec::new();
        for account in told {
            match latest.iter_mut().find(|known| known.id == account.id) {
                Some(known) => *known = account,
                None => latest.push(account),
            }
        }
        Ok(latest.into_iter().filter_map(|account| self.account_write(account)).collect())
    }

    /// Writes the accounts that would not fit into one transaction with a page, and gives back those that do.
    async fn commit_surplus(&mut self, mut accounts: Vec<AccountWrite>) -> Result<Vec<AccountWrite>, Halt> {
        while accounts.len() > MOST_ACCOUNTS {
            let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
            commit.accounts = accounts.split_off(accounts.len() - MOST_ACCOUNTS);
            self.commit(&commit).await?;
        }
        Ok(accounts)
    }

    fn account_write(&mut self, bank: BankAccount) -> Option<AccountWrite> {
        let item = &self.state.item.at.item;
        let stored = self.state.accounts.iter().find(|account| account.bank.id == bank.id);
        let id = stored.map_or_else(|| AccountId::derive(item, &bank.id), |account| account.id.clone());
        match self.known.iter_mut().find(|known| known.id == bank.id) {
            Some(known) if *known == bank => return None,
            Some(known) => *known = bank.clone(),
            None => self.known.push(bank.clone()),
        }
        Some(AccountWrite { id, bank })
    }

    /// The cursor does not belong to this item any more: the next start is from nothing and ends with a sweep.
    async fn forget_cursor(&mut self) -> Result<Step, Halt> {
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        commit.item.cursor = Edit::Clear;
        self.commit(&commit).await?;
        Ok(Step::Again)
    }

    /// Closes a stage that will not be applied.
    async fn discard(&mut self, stage: &Stage) -> Result<(), Halt> {
        let mut commit = Commit::new(&self.state.item.at, self.rev, self.deps.clock.now());
        commit.item.stage = Edit::Clear;
        self.commit(&commit).await?;
        self.deps.writes.drop_pages(&self.state.item.at, stage.run, stage.pages).await?;
        Ok(())
    }

    async fn commit(&mut self, commit: &Commit) -> Result<(), Halt> {
        self.deps.writes.commit(commit).await?;
        self.rev += 1;
        Ok(())
    }
}

/// Adds to a commit that the run ended well.
pub(super) fn finish(
    commit: &mut Commit,
    state: &SyncState,
    want: u64,
    counts: Counts,
    history: &HistoryStatus,
    now: jiff::Timestamp,
) {
    commit.item.done = Some(want);
    commit.item.history = (*history != state.item.history).then(|| history.clone());
    commit.item.last_run = Some(LastRun { at: now, counts });
    commit.item.totals = (counts != Counts::default()).then(|| state.item.totals.plus(counts));
    if state.item.failure.is_some() {
        commit.item.failure = Edit::Clear;
    }
    if state.item.health.state != HealthState::Healthy {
        commit.item.health = Some(Health::healthy(now));
    }
}
