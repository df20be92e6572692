//! The accounts beside an update: what a page tells of them, and the look at all of them.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    engine::Halt,
    fetch::{CALL, Fetch, set_health},
    ledger::DayBalance,
    patience::with_patience,
    ports::{AccountWrite, Commit},
};
use crate::{
    account::{Account, AccountState, BankAccount},
    bank::{BankItem, Meaning, SyncPage},
    ids::{AccountId, PlaidAccountId},
    item::{Health, HealthState},
    pairing::settle,
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
    /// Whether one goes on under a new id.
    pub(super) are_continued: bool,
}

impl Fetch<'_> {
    /// The accounts that a page brings news of. One that nobody knows makes us look at all of them; if nobody describes
    /// it even then it gets a placeholder, so that no transaction is left out for want of it.
    pub(super) async fn accounts(&mut self, page: &SyncPage) -> Result<Accounts, Halt> {
        let named = page.added.iter().chain(&page.modified).map(|facts| &facts.account);
        let named: BTreeSet<&PlaidAccountId> =
            named.chain(page.accounts.iter().map(|account| &account.id)).collect();
        let mut news = Vec::new();
        if !self.accounts_known || (self.bank.is_none() && named.iter().any(|id| !self.knows(id))) {
            news = self.look().await?;
        }
        let mut accounts = Accounts::default();
        let listed: BTreeSet<_> = news.iter().map(|account| account.bank.id.clone()).collect();
        for account in news {
            self.change(&account, &mut accounts);
        }
        // Of what was told twice, the last word: the list was asked for after the page.
        for bank in page.accounts.iter().filter(|bank| !listed.contains(&bank.id)) {
            self.describe(bank, &mut accounts);
        }
        for id in named {
            match self.accounts.iter().find(|account| account.bank.id == *id).cloned() {
                None => self.describe(&BankAccount::placeholder(id.clone()), &mut accounts),
                // Who has transactions is there, whatever the list says.
                Some(known) if known.state == AccountState::Unshared => {
                    self.change(&Account { state: AccountState::Live, ..known }, &mut accounts);
                }
                Some(_) => {}
            }
        }
        Ok(accounts)
    }

    fn knows(&self, id: &PlaidAccountId) -> bool {
        self.accounts.iter().any(|account| account.bank.id == *id)
    }

    /// Asks for all accounts: those that are new, have changed, go on under a new id or are not shared any more.
    async fn look(&mut self) -> Result<Vec<Account>, Halt> {
        self.run.called = self.deps.clock.now();
        let call = || self.deps.accounts.accounts(self.token);
        let answer = with_patience(self.deps, self.trigger.deadline, CALL, call).await?;
        if let Some(error) = &answer.item.error
            && matches!(error.meaning, Meaning::NeedsUser | Meaning::Gone)
        {
            return Err(Halt::Bank(error.clone()));
        }
        self.redirect_webhooks(&answer.item).await;
        self.accounts_known = true;
        self.bank = Some(answer.item);
        let now = self.deps.clock.now();
        let item = (&self.state.item.at.item, self.state.succession);
        Ok(settle(item, &self.accounts, &answer.accounts, now))
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

    /// What a page says of an account.
    fn describe(&mut self, bank: &BankAccount, accounts: &mut Accounts) {
        let stored = self.accounts.iter().find(|account| account.bank.id == bank.id).cloned();
        let id = || AccountId::derive(&self.state.item.at.item, &bank.id);
        let account = match stored {
            Some(account) => Account { bank: bank.clone(), ..account },
            None => Account::of(self.state.succession, id(), bank.clone()),
        };
        self.change(&account, accounts);
    }

    fn change(&mut self, account: &Account, accounts: &mut Accounts) {
        let before = self.accounts.iter_mut().find(|known| known.id == account.id);
        let (balances, generation) = match before {
            Some(known) if known == account => return,
            // Nobody wants to know what is on an account that was stopped.
            Some(known) if known.state.is_stopped() && known.bank.id == account.bank.id => return,
            Some(known) => {
                let known = std::mem::replace(known, account.clone());
                (Some(known.bank.balances), known.generation)
            }
            None => {
                self.accounts.push(account.clone());
                (None, account.generation)
            }
        };
        accounts.are_continued |= generation != account.generation;
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
        | HealthState::Removing
        | HealthState::Removed => None,
    }
}
