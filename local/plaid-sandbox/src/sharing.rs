//! Which of a bank's accounts a user shares: what update mode repairs, keeps and adds.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    changes::Bank,
    errors::PlaidError,
    item::{History, Item},
    link::Update,
    people::{self, Account},
    webhooks::Notice,
    world::World,
};

/// Transactions that a new account has.
const OPENED_WITH: usize = 3;

/// What a user chooses in update mode.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The accounts that stay; all that are shared if absent.
    pub(crate) keep: Option<Vec<String>>,
    /// The bank's other accounts that come.
    pub(crate) add: Vec<String>,
}

impl Selection {
    /// The accounts of an item that go, if the selection can be made there.
    fn going(&self, item: &Item) -> Result<Vec<String>, PlaidError> {
        let has = |accounts: &[Account], id: &String| accounts.iter().any(|a| a.account_id == *id);
        let kept = self.keep.iter().flatten().filter(|id| !has(&item.accounts, id));
        let added = self.add.iter().filter(|id| !has(&item.unshared, id));
        if let Some(id) = kept.chain(added).next() {
            return Err(PlaidError::input("INVALID_ACCOUNT_ID", &format!("no account {id} to select")));
        }
        let Some(keep) = &self.keep else { return Ok(Vec::new()) };
        if keep.is_empty() && self.add.is_empty() {
            return Err(PlaidError::item("NO_ACCOUNTS", "no accounts were selected"));
        }
        let ids = item.accounts.iter().map(|account| account.account_id.clone());
        Ok(ids.filter(|id| !keep.contains(id)).collect())
    }
}

impl Bank<'_> {
    /// A new account at the bank, which nobody sees yet.
    pub(crate) fn open(&mut self, name: Option<&str>, mask: Option<&str>) -> String {
        let any_mask = format!("{:04}", self.generator.below(10_000));
        let name = name.unwrap_or("Plaid Second Checking");
        let account = people::opened(name, mask.unwrap_or(&any_mask), self.generator);
        let id = account.account_id.clone();
        self.item.hidden.insert(id.clone());
        for _ in 0..OPENED_WITH {
            let transaction = people::ordinary(&account, self.today(), self.generator);
            self.put(transaction);
        }
        self.item.unshared.push(account);
        id
    }

    /// An account is not shared any more.
    pub(crate) fn hide(&mut self, id: &str) {
        let Some(place) = self.item.accounts.iter().position(|account| account.account_id == id) else {
            return;
        };
        let account = self.item.accounts.remove(place);
        self.item.hidden.insert(account.account_id.clone());
        self.item.unshared.push(account);
        self.item.ledger.touch();
    }

    /// Accounts are shared from now on, each under a new id, and its transactions under new ones too.
    pub(crate) fn share(&mut self, ids: &[String]) {
        let mut names = BTreeMap::new();
        for id in ids {
            let place = self.item.unshared.iter().position(|account| account.account_id == *id);
            if let Some(place) = place {
                let mut account = self.item.unshared.remove(place);
                account.account_id = self.generator.id();
                names.insert(id.clone(), account.account_id.clone());
                self.item.accounts.push(account);
            }
        }
        self.rename(&names);
    }
}

impl Item {
    /// What Plaid says of another selection of accounts, once it has said anything of the item.
    fn selected(&mut self) -> Vec<Notice> {
        let from = std::mem::replace(&mut self.told, self.ledger.tick());
        if self.history == History::NotReady {
            return Vec::new();
        }
        let new = self.delta(from, self.told).added.len();
        let say = |code| Notice::transactions(code, json!({"new_transactions": new, "error": null}));
        let mut notices = vec![say("INITIAL_UPDATE"), say("HISTORICAL_UPDATE")];
        if self.is_synced {
            notices.push(self.updates_available());
        }
        notices
    }
}

impl World {
    /// A user has come through update mode: the item is in order again, with the accounts that were chosen.
    pub(crate) fn update(&mut self, update: &Update, selection: &Selection) -> Result<Item, PlaidError> {
        let found = self.items.values_mut().find(|item| item.item_id == update.item_id && !item.is_revoked);
        let item = found
            .ok_or_else(|| PlaidError::item("ITEM_NOT_FOUND", "the Item you requested cannot be found"))?;
        let going = selection.going(item)?;
        item.repair(self.now);
        item.heal(update.selects_accounts, &update.consents);
        if !going.is_empty() || !selection.add.is_empty() {
            let mut bank = Bank { item, generator: &mut self.generator, now: self.now };
            for id in &going {
                bank.hide(id);
            }
            bank.share(&selection.add);
            let notices = item.selected();
            self.outbox.tell(item, notices, self.now);
        }
        Ok(item.clone())
    }
}
