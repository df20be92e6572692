//! Changes of an item on demand: what a bank, or Plaid between the bank and us, does to a ledger.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    generate::Generator,
    item::Item,
    ledger::Transaction,
    people::{self, Account},
    posting::Posting,
    world::{World, today},
};

/// One change. What is not given is chosen by the world's generator; a transaction is given by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A new transaction, of today where no date is given.
    Add {
        /// Whether it is pending.
        #[serde(default)]
        pending: bool,
        /// Its amount.
        #[serde(default)]
        amount: Option<Decimal>,
        /// The bank's text.
        #[serde(default)]
        name: Option<String>,
        /// Its date.
        #[serde(default)]
        date: Option<Date>,
        /// When it was authorized.
        #[serde(default)]
        authorized_date: Option<Date>,
        /// The id of its account.
        #[serde(default)]
        account: Option<String>,
    },
    /// Another amount.
    Amend {
        /// Which.
        #[serde(default)]
        id: Option<String>,
        /// The new amount.
        #[serde(default)]
        amount: Option<Decimal>,
    },
    /// A transaction goes.
    Remove {
        /// Which.
        #[serde(default)]
        id: Option<String>,
    },
    /// A removed one comes back with its last version; the last removed of accounts that are there, which has not posted
    /// since, where none is given.
    Restore {
        /// Which.
        #[serde(default)]
        id: Option<String>,
    },
    /// Another amount, and the first one again: net nothing.
    Revert {
        /// Which.
        #[serde(default)]
        id: Option<String>,
    },
    /// A new transaction, removed at once: net nothing.
    Flicker,
    /// A transaction goes and comes back as it was: net nothing.
    RemovedThenRestored {
        /// Which.
        #[serde(default)]
        id: Option<String>,
    },
    /// A pending one posts under a new id.
    Post(Posting),
    /// What postings have left open happens.
    Settle,
    /// A posted one goes, and comes again under a new id with another amount and name, without a link.
    Churn {
        /// Which.
        #[serde(default)]
        id: Option<String>,
    },
    /// The bank asks for a new log-in.
    LoginLoss,
    /// Somebody has logged in again.
    Repair,
    /// Every call answers an error until update mode asks the user for what heals it: account selection for `NO_ACCOUNTS` and
    /// `ACCESS_NOT_GRANTED`, the consent for `ADDITIONAL_CONSENT_REQUIRED`, anything for a log-in, nothing for what is not
    /// supported. Without a code it is over.
    Trouble {
        /// The error's code.
        #[serde(default)]
        code: Option<String>,
    },
    /// Every account gets a new id, mask and name, and every transaction a new id.
    ReissueAccounts,
    /// The item belongs to another institution of the same bank.
    MoveInstitution {
        /// Its id.
        id: String,
    },
    /// Every account gets a new id, and every transaction that is there a new id and its account's new one, as an item has
    /// it that access was granted to anew.
    RenumberAccounts,
    /// Somebody opens an account at the bank, with a few transactions. It is not shared until it is added in update mode.
    OpenAccount {
        /// Its name.
        #[serde(default)]
        name: Option<String>,
        /// Its last digits.
        #[serde(default)]
        mask: Option<String>,
    },
    /// An account is not shared any more: it is in no answer, and nothing says that its transactions went.
    LoseAccount {
        /// The account's id.
        #[serde(default)]
        account: Option<String>,
        /// Whether the bank tells that the user has revoked it.
        #[serde(default)]
        revoked: bool,
    },
    /// An account that is not shared is shared again, under a new id, and its transactions under new ones too.
    ShareAccount,
    /// The user's consent ends at a time. From then on the bank asks for a new log-in; until then all works.
    Expire {
        /// When.
        at: Timestamp,
        /// The reason that a bank gives outside of Europe: `INSTITUTION_MIGRATION` or `INSTITUTION_TOKEN_EXPIRATION`.
        #[serde(default)]
        reason: Option<String>,
    },
    /// The user withdraws from all of the item, which nobody finds any more.
    Revoke,
    /// An account's balance.
    Balance {
        /// The account's id.
        #[serde(default)]
        account: Option<String>,
        /// The new balance.
        current: Decimal,
    },
}

impl World {
    /// Changes an item, and gives the id of the transaction, account or item that it came to; `None` if there is no such
    /// item, or nothing in it to change in that way.
    pub fn change(&mut self, item_id: &str, change: &Change) -> Option<String> {
        let (now, delays) = (self.now, self.delays);
        let item = self.items.values_mut().find(|item| item.item_id == item_id && !item.is_revoked)?;
        let notices = item.advance(now, delays);
        self.outbox.tell(item, notices, now);
        let id = Bank { item, generator: &mut self.generator, now }.make(change)?;
        if matches!(change, Change::Expire { .. }) {
            self.expect(now);
        }
        Some(id)
    }
}

/// The bank's side of an item.
pub(crate) struct Bank<'a> {
    pub(crate) item: &'a mut Item,
    pub(crate) generator: &'a mut Generator,
    pub(crate) now: Timestamp,
}

impl Bank<'_> {
    fn make(&mut self, change: &Change) -> Option<String> {
        match change {
            Change::Add { pending, amount, name, date, authorized_date, account } => {
                let mut new = self.fresh(account.as_deref(), *date)?;
                new.pending = *pending;
                new.authorized_date = authorized_date.or(new.authorized_date.filter(|_| !pending));
                new.amount = amount.unwrap_or(new.amount);
                new.name = name.clone().unwrap_or(new.name);
                Some(self.put(new))
            }
            Change::Amend { id, amount } => {
                let old = self.live(id.as_deref(), |_| true)?;
                let amount = amount.unwrap_or_else(|| self.other_than(old.amount));
                Some(self.put(Transaction { amount, ..old }))
            }
            Change::Remove { id } => {
                let old = self.live(id.as_deref(), |_| true)?;
                self.item.ledger.remove(&old.id);
                Some(old.id)
            }
            Change::Restore { id } => {
                let gone = self.gone(id.as_deref())?;
                Some(self.put(gone))
            }
            Change::Revert { id } => {
                let old = self.live(id.as_deref(), |_| true)?;
                let amount = self.other_than(old.amount);
                self.put(Transaction { amount, ..old.clone() });
                Some(self.put(old))
            }
            Change::Flicker => {
                let new = self.fresh(None, None)?;
                let id = self.put(new);
                self.item.ledger.remove(&id);
                Some(id)
            }
            Change::RemovedThenRestored { id } => {
                let old = self.live(id.as_deref(), |_| true)?;
                self.item.ledger.remove(&old.id);
                Some(self.put(old))
            }
            Change::Post(posting) => self.post(posting),
            Change::Settle => self.settle(),
            Change::Churn { id } => self.churn(id.as_deref()),
            Change::LoginLoss => Some(self.log_in(true)),
            Change::Repair => Some(self.log_in(false)),
            Change::Trouble { code } => {
                self.item.trouble.clone_from(code);
                Some(self.item.item_id.clone())
            }
            Change::RenumberAccounts => Some(self.renumber()),
            Change::ReissueAccounts => {
                for account in &mut self.item.accounts {
                    account.name = format!("{} {}", account.name, self.generator.below(100));
                    account.mask = Some(format!("{:04}", self.generator.below(10_000)));
                }
                Some(self.renumber())
            }
            Change::MoveInstitution { id } => {
                self.item.institution_id.clone_from(id);
                Some(self.item.item_id.clone())
            }
            Change::OpenAccount { name, mask } => Some(self.open(name.as_deref(), mask.as_deref())),
            Change::LoseAccount { account, .. } => {
                let id = self.account(account.as_deref())?.account_id.clone();
                self.hide(&id);
                Some(id)
            }
            Change::ShareAccount => {
                let id = self.item.unshared.first()?.account_id.clone();
                self.share(std::slice::from_ref(&id));
                Some(id)
            }
            Change::Expire { at, .. } => {
                self.item.consent_ends = Some(*at);
                Some(self.item.item_id.clone())
            }
            Change::Revoke => {
                self.item.is_revoked = true;
                Some(self.item.item_id.clone())
            }
            Change::Balance { account, current } => self.balance(account.as_deref(), *current),
        }
    }

    pub(crate) fn put(&mut self, transaction: Transaction) -> String {
        let id = transaction.id.clone();
        self.item.ledger.put(transaction);
        id
    }

    pub(crate) fn today(&self) -> Date {
        today(self.now)
    }

    /// The transaction of this id, or any that fits.
    pub(crate) fn live(
        &mut self,
        id: Option<&str>,
        fits: impl Fn(&Transaction) -> bool,
    ) -> Option<Transaction> {
        if let Some(id) = id {
            return self.item.ledger.get(id).cloned();
        }
        let all: Vec<_> = self.item.live().filter(|t| fits(t)).collect();
        self.generator.pick(&all).copied().cloned()
    }

    fn gone(&self, id: Option<&str>) -> Option<Transaction> {
        let item = &self.item;
        let posted: Vec<_> = item.ledger.live().filter_map(|t| t.pending_transaction_id.as_ref()).collect();
        let fits = |t: &Transaction| match id {
            Some(id) => t.id == id,
            None => !posted.contains(&&t.id) && item.accounts.iter().any(|a| a.account_id == t.account_id),
        };
        item.ledger.gone().rev().find(|t| fits(t)).cloned()
    }

    fn account(&mut self, id: Option<&str>) -> Option<&mut Account> {
        match id {
            Some(id) => self.item.accounts.iter_mut().find(|account| account.account_id == id),
            None => {
                let ids: Vec<_> =
                    self.item.accounts.iter().map(|account| account.account_id.clone()).collect();
                let id = self.generator.pick(&ids)?;
                self.item.accounts.iter_mut().find(|account| account.account_id == *id)
            }
        }
    }

    /// A transaction that the ledger has not yet.
    fn fresh(&mut self, account: Option<&str>, date: Option<Date>) -> Option<Transaction> {
        let account = self.account(account)?.clone();
        let date = date.unwrap_or_else(|| self.today());
        Some(people::ordinary(&account, date, self.generator))
    }

    fn other_than(&mut self, amount: Decimal) -> Decimal {
        let cents = i64::try_from(self.generator.below(500)).unwrap_or_default() + 1;
        amount + Decimal::new(cents, 2)
    }

    fn churn(&mut self, id: Option<&str>) -> Option<String> {
        let old = self.live(id, |t| !t.pending)?;
        self.item.ledger.remove(&old.id);
        let new = Transaction {
            id: self.generator.id(),
            amount: self.other_than(old.amount),
            name: format!("{} {}", old.name, self.generator.below(10_000)),
            pending_transaction_id: None,
            ..old
        };
        Some(self.put(new))
    }

    fn log_in(&mut self, is_required: bool) -> String {
        if is_required {
            self.item.login_required = true;
        } else {
            self.item.repair(self.now);
        }
        self.item.item_id.clone()
    }

    fn balance(&mut self, account: Option<&str>, current: Decimal) -> Option<String> {
        let account = self.account(account)?;
        account.current = Some(current);
        account.available = account.available.map(|_| current);
        Some(account.account_id.clone())
    }

    fn renumber(&mut self) -> String {
        let mut accounts = BTreeMap::new();
        for account in &mut self.item.accounts {
            let old = std::mem::replace(&mut account.account_id, self.generator.id());
            accounts.insert(old, account.account_id.clone());
        }
        self.rename(&accounts);
        self.item.item_id.clone()
    }

    /// The transactions of accounts that have other ids now go, and come under new ids.
    pub(crate) fn rename(&mut self, accounts: &BTreeMap<String, String>) {
        let renamed = |id: &mut String, names: &BTreeMap<String, String>| {
            if let Some(new) = names.get(id) {
                id.clone_from(new);
            }
        };
        let mut live = self.item.ledger.now();
        live.retain(|transaction| accounts.contains_key(&transaction.account_id));
        let ids: BTreeMap<_, _> = live.iter().map(|t| (t.id.clone(), self.generator.id())).collect();
        for mut transaction in live {
            self.item.ledger.remove(&transaction.id);
            renamed(&mut transaction.id, &ids);
            renamed(&mut transaction.account_id, accounts);
            // A link to what is no more would be one into the time before.
            transaction.pending_transaction_id =
                transaction.pending_transaction_id.and_then(|link| ids.get(&link).cloned());
            self.put(transaction);
        }
        for transaction in &mut self.item.arriving {
            renamed(&mut transaction.account_id, accounts);
        }
        for open in &mut self.item.open {
            open.renumber(accounts, &ids);
        }
    }
}
