//! The accounts beside an update: those that a page names, and the list of all of them.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    engine::{Halt, RESTART_PAUSE},
    fetch::{CALL, Fetch, PAGE, set_health},
    ledger::DayBalance,
    patience::{has_time, with_patience},
    ports::{AccountWrite, Commit},
};
use crate::{
    account::{Account, AccountState, BankAccount},
    bank::{BankError, BankItem, Meaning, Patience, SyncPage},
    ids::PlaidAccountId,
    item::{Health, HealthState, Stage},
    pairing::{StoppedAccounts, is_same, settle},
    time::until,
};

/// Plaid tells of the end of a consent so long before it.
/// <https://plaid.com/docs/api/items/#pending_expiration>
const NOTICE: Duration = Duration::from_hours(7 * 24);
/// The reason of what a look finds out before its webhook comes.
const EXPIRES: &str = "PENDING_EXPIRATION";

/// Accounts to be written beside a page, and what is on them.
#[derive(Clone, Default)]
pub(super) struct Accounts {
    pub(super) writes: Vec<AccountWrite>,
    pub(super) balances: Vec<DayBalance>,
    /// Whether only a history from nothing tells what became of the stored transactions of an account: it continues
    /// under a new id, or it is shared again and missed a sweep meanwhile.
    pub(super) need_whole_history: bool,
}

/// The failure of an item whose page and list name one account by two ids.
pub(super) const CHANGING: &str = "ACCOUNTS_CHANGING";
/// The time after which two such ids are two accounts.
const CHANGING_FOR: Duration = Duration::from_hours(24);
/// How often a run reads a page again that the list of accounts contradicts. Then both are right: the list leaves out
/// accounts that are closed.
const MAX_REREADS: u32 = 2;
/// What reading a page and the list again may take, with the pause before.
const REREAD: Duration = RESTART_PAUSE.saturating_add(PAGE).saturating_add(CALL);

impl Fetch<'_> {
    /// The accounts that a page changes. A page that names an unknown account makes us list all of them.
    ///
    /// The accounts of the list and of the page together decide which account continues which: an account of the page
    /// is there, whatever the list says. The list may be newer than the page, so a page that it contradicts is read
    /// again first.
    ///
    /// `stage` has the pages before this one.
    pub(super) async fn accounts(
        &mut self,
        page: &SyncPage,
        stage: Option<&Stage>,
    ) -> Result<Accounts, Halt> {
        let named = page.added.iter().chain(&page.modified).map(|facts| &facts.account);
        let named: BTreeSet<_> = named.chain(page.accounts.iter().map(|account| &account.id)).collect();
        // A list of an earlier page of the run may be older than the bank's new ids.
        let is_listed = |id: &PlaidAccountId| self.listed.iter().flatten().any(|bank| bank.id == *id);
        let names_unknown = named.iter().any(|id| self.known(id).is_none() && !is_listed(id));
        if !self.accounts_known || names_unknown {
            let mut listed = self.list_accounts().await?;
            if self.contradict(page, &named, &listed) {
                self.reread()?;
                if self.is_renumbering(page, &named, &listed) {
                    return Err(Halt::Bank(BankError::later(Patience::Seconds, CHANGING)));
                }
            }
            // A sweep spares the rows of an account that is not shared: it needs no guess which one is closed.
            if let Some(stage) = stage.filter(|stage| !stage.sweeps) {
                let before = self.named_before(stage, page, &listed).await?;
                self.needs_look = !before.is_empty();
                listed.extend(before);
            }
            self.listed = Some(listed);
        }
        let told: Vec<_> = named.into_iter().map(|id| self.description(page, id)).collect();
        Ok(self.settle(told))
    }

    /// All accounts of the list.
    pub(super) async fn all_accounts(&mut self) -> Result<Accounts, Halt> {
        self.listed = Some(self.list_accounts().await?);
        Ok(self.settle(Vec::new()))
    }

    /// The accounts that the list and what a page tells of its own change.
    fn settle(&mut self, told: Vec<BankAccount>) -> Accounts {
        let settled = match &mut self.listed {
            Some(listed) => {
                let is_new = |bank: &BankAccount| listed.iter().all(|other| other.id != bank.id);
                let unlisted: Vec<_> = told.into_iter().filter(is_new).collect();
                listed.extend(unlisted);
                let item = (&self.state.item.at.item, self.state.succession);
                let stopped = StoppedAccounts::from_selection(self.state.accounts_selected);
                settle(item, stopped, &self.accounts, listed, self.deps.clock.now())
            }
            None => told.iter().filter_map(|bank| Some(self.known(&bank.id)?.shared_as(bank))).collect(),
        };
        let mut accounts = Accounts::default();
        for account in settled {
            self.change(&account, &mut accounts);
        }
        accounts
    }

    /// Ends the step so that a page and a list are read again, if they have not been too often. A run that has read other
    /// pages and has no time for it leaves it to the next.
    fn reread(&mut self) -> Result<(), Halt> {
        if self.run.rereads == MAX_REREADS {
            return Ok(());
        }
        if has_time(self.deps, self.trigger.deadline, REREAD) {
            self.run.rereads += 1;
            return Err(Halt::Reread);
        }
        let is_fresh = self.run.rereads > 0 || self.run.pages == 1;
        if is_fresh { Ok(()) } else { Err(Halt::HandOver(Duration::ZERO)) }
    }

    /// Whether a page and a list cannot be of one moment: the page names an account that the list lacks, and it may be one
    /// that is stored, under its old id or its new one.
    fn contradict(&self, page: &SyncPage, named: &BTreeSet<&PlaidAccountId>, listed: &[BankAccount]) -> bool {
        let is_listed = |id: &PlaidAccountId| listed.iter().any(|bank| bank.id == *id);
        // The list leaves out stopped accounts, and those that an earlier list lacked too.
        let is_live = |account: &&Account| account.state == AccountState::Live;
        let is_expected = |id: &PlaidAccountId| self.known(id).is_none_or(|known| is_live(&known));
        let mut missing = named.iter().filter(|id| !is_listed(id) && is_expected(id)).peekable();
        let shared = || self.accounts.iter().filter(is_live);
        missing.peek().is_some()
            && (shared().any(|account| !is_listed(&account.bank.id))
                || missing.any(|id| {
                    let told = self.description(page, id);
                    shared().any(|account| is_same(&account.bank, &told))
                        || self.is_listed_otherwise(named, listed, &told)
                        || self.may_continue(named, listed, &told)
                }))
    }

    /// Whether an account has its old id in the page and its new one in the list, or the reverse. Stored as two accounts it
    /// would stay two. Renumbering passes; after a day both ids are accepted.
    fn is_renumbering(
        &self,
        page: &SyncPage,
        named: &BTreeSet<&PlaidAccountId>,
        listed: &[BankAccount],
    ) -> bool {
        let failure = self.state.item.failure.as_ref().filter(|failure| failure.code == CHANGING);
        if failure.is_some_and(|failure| until(failure.since, self.deps.clock.now()) > CHANGING_FOR) {
            return false;
        }
        let is_listed = |id: &PlaidAccountId| listed.iter().any(|bank| bank.id == *id);
        let new = || listed.iter().filter(|bank| self.known(&bank.id).is_none());
        named.iter().filter(|id| !is_listed(id)).any(|id| match self.known(id) {
            Some(old) => new().any(|new| is_same(&old.bank, new)),
            None => {
                let told = self.description(page, id);
                self.is_listed_otherwise(named, listed, &told) || self.may_continue(named, listed, &told)
            }
        })
    }

    /// Whether an unknown account of which the page has only the id may continue a stored account that is missing. Once it is
    /// stored as a new account, nothing pairs it with the missing account.
    fn may_continue(
        &self,
        named: &BTreeSet<&PlaidAccountId>,
        listed: &[BankAccount],
        told: &BankAccount,
    ) -> bool {
        let is_there = |id: &PlaidAccountId| named.contains(id) || listed.iter().any(|bank| bank.id == *id);
        let is_missing = |account: &Account| {
            account.state != AccountState::Merged
                && !account.bank.is_placeholder()
                && !is_there(&account.bank.id)
        };
        told.is_placeholder() && self.known(&told.id).is_none() && self.accounts.iter().any(is_missing)
    }

    /// Whether the list has an unknown account of the page under another id. If the page names both, they are two accounts,
    /// of which the unlisted one is closed.
    fn is_listed_otherwise(
        &self,
        named: &BTreeSet<&PlaidAccountId>,
        listed: &[BankAccount],
        told: &BankAccount,
    ) -> bool {
        let is_open = |bank: &BankAccount| {
            self.known(&bank.id).is_none_or(|account| account.state == AccountState::Live)
        };
        let mut others = listed.iter().filter(|bank| !named.contains(&bank.id) && is_open(bank));
        others.any(|other| is_same(other, told))
    }

    /// The accounts that earlier pages of the update name and a list lacks: closed ones, which no list has. One that looks
    /// like a new account of the list, or that the page has under another id, is not among them; the bank may have given
    /// it that id meanwhile.
    async fn named_before(
        &self,
        stage: &Stage,
        page: &SyncPage,
        listed: &[BankAccount],
    ) -> Result<Vec<BankAccount>, Halt> {
        let mut named = BTreeSet::new();
        for number in 0..stage.pages {
            let page = self.deps.writes.stage_page(&self.state.item.at, stage.run, number).await?;
            named.extend(page.into_iter().flat_map(|page| page.upserts).map(|facts| facts.account));
        }
        let new: Vec<_> = listed.iter().filter(|bank| self.known(&bank.id).is_none()).collect();
        let has_other_id = |bank: &BankAccount| {
            let is_same_one =
                |told: &BankAccount| told.persistent_id == bank.persistent_id && told.id != bank.id;
            bank.persistent_id.is_some() && page.accounts.iter().any(is_same_one)
        };
        let is_closed = |bank: &BankAccount| {
            listed.iter().all(|other| other.id != bank.id)
                && new.iter().all(|new| !is_same(bank, new))
                && !has_other_id(bank)
        };
        let known = named.iter().filter_map(|id| Some(self.known(id)?.bank.clone()));
        Ok(known.filter(is_closed).collect())
    }

    /// What is known of an account that a page names: what the page says, else what is stored, else its id alone.
    fn description(&self, page: &SyncPage, id: &PlaidAccountId) -> BankAccount {
        let told = page.accounts.iter().rfind(|bank| bank.id == *id);
        let known = || self.known(id).map(|account| &account.bank);
        told.or_else(known).cloned().unwrap_or_else(|| BankAccount::placeholder(id.clone()))
    }

    fn known(&self, id: &PlaidAccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.bank.id == *id)
    }

    /// Asks for all accounts.
    async fn list_accounts(&mut self) -> Result<Vec<BankAccount>, Halt> {
        let (deps, token, called) = (self.deps, self.token, &mut self.run.called);
        let call = || {
            *called = deps.clock.now();
            deps.accounts.accounts(token)
        };
        let answer = with_patience(deps, self.trigger.deadline, CALL, call).await?;
        if let Some(error) = &answer.item.error
            && matches!(error.meaning, Meaning::NeedsUser | Meaning::Gone | Meaning::Unsupported)
        {
            return Err(Halt::Bank(error.clone()));
        }
        self.redirect_webhooks(&answer.item).await;
        self.accounts_known = true;
        self.bank = Some(answer.item);
        Ok(answer.accounts)
    }

    /// Webhooks go where we listen. If Plaid does not take it now, the next look tells it again.
    async fn redirect_webhooks(&self, bank: &BankItem) {
        let Some(ours) = &self.deps.webhooks else { return };
        let Some(theirs) = &bank.webhook else { return };
        if theirs.as_ref() == Some(&ours.url) {
            return;
        }
        match ours.address.send_webhooks_to(self.token, &ours.url).await {
            Ok(()) | Err(_) => {}
        }
    }

    fn change(&mut self, account: &Account, accounts: &mut Accounts) {
        let before = self.accounts.iter_mut().find(|known| known.id == account.id);
        let (balances, generation, missed_sweep) = match before {
            Some(known) if known == account => return,
            // Nobody wants to know what is on an account that was stopped.
            Some(known)
                if known.state.is_stopped()
                    && account.state.is_stopped()
                    && known.bank.id == account.bank.id =>
            {
                return;
            }
            Some(known) => {
                let known = std::mem::replace(known, account.clone());
                let missed_sweep =
                    known.state == AccountState::Unshared { missed_sweep: true } || known.state.is_stopped();
                (Some(known.bank.balances), known.generation, missed_sweep)
            }
            None => {
                self.accounts.push(account.clone());
                (None, account.generation, false)
            }
        };
        let is_back = missed_sweep && account.state == AccountState::Live;
        accounts.need_whole_history |= is_back || generation != account.generation;
        // Of an account that changes twice, only how it ends is written.
        accounts.writes.retain(|write| write.id != account.id);
        if balances.unwrap_or_default() != account.bank.balances && !account.state.is_stopped() {
            accounts.balances.retain(|balance| balance.account != account.id);
            accounts.balances.push(DayBalance::of(&account.id, &account.bank, self.deps.clock.now()));
        }
        accounts.writes.push(AccountWrite::from(account));
    }

    /// What a look has found out of the date on which the bank ends the connection.
    pub(super) fn renew(&mut self, commit: &mut Commit) {
        let Some(ends) = self.bank.as_mut().and_then(|bank| bank.consent_expires.take()) else { return };
        if let Some(health) = expiring(&self.state.item.health, ends, commit.now) {
            set_health(commit, health);
            self.run.has_news = true;
        }
    }
}

/// What the end of the consent makes of a state; `None` if nothing.
fn expiring(health: &Health, ends: Timestamp, now: Timestamp) -> Option<Health> {
    let is_soon = now < ends && ends.duration_since(now).unsigned_abs() <= NOTICE;
    match health.state {
        HealthState::Healthy if is_soon => Some(Health {
            state: HealthState::Expiring,
            since: now,
            reason: Some(EXPIRES.to_owned()),
            until: Some(ends),
        }),
        HealthState::Expiring if !is_soon && health.reason.as_deref() == Some(EXPIRES) => {
            Some(health.restored(now))
        }
        HealthState::Healthy
        | HealthState::Expiring
        | HealthState::NeedsLogin
        | HealthState::Revoked
        | HealthState::Unsupported
        | HealthState::Removing
        | HealthState::Removed => None,
    }
}
