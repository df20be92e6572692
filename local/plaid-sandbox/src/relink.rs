//! The same log-in again as another item: the same accounts and transactions under new ids, as far back as is asked for.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    item::Item,
    ledger::Transaction,
    people::Account,
    world::{World, today},
};

/// How an item is linked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relink {
    /// The days of history that the new item has.
    pub days: u16,
    /// Whether what was pending has posted by then.
    #[serde(default)]
    pub post_pending: bool,
    /// Whether one date in three is the day before or the day after.
    #[serde(default)]
    pub shift_dates: bool,
}

/// What Link hands over when somebody links again.
pub(crate) struct Relinked {
    pub(crate) public_token: String,
    pub(crate) accounts: Vec<Account>,
    pub(crate) institution_id: String,
}

impl World {
    /// Links an item's log-in again, and gives a public token for the new item; `None` if there is no such item.
    pub fn relink(&mut self, item_id: &str, relink: &Relink) -> Option<String> {
        self.link_again(item_id, relink).ok().map(|relinked| relinked.public_token)
    }

    pub(crate) fn link_again(&mut self, item_id: &str, relink: &Relink) -> Result<Relinked, PlaidError> {
        let not_found = || PlaidError::item("ITEM_NOT_FOUND", "the Item you requested cannot be found");
        let old = self.by_id(item_id).ok_or_else(not_found)?.clone();
        let mut accounts = old.accounts.clone();
        let mut names = BTreeMap::new();
        for account in &mut accounts {
            let old = std::mem::replace(&mut account.account_id, self.generator.id());
            names.insert(old, account.account_id.clone());
        }
        let new = Item {
            webhook: old.webhook.clone(),
            products: old.products.clone(),
            accounts: accounts.clone(),
            arriving: self.again(&old, &names, relink),
            ..Item::new(self.generator.id(), &old.institution_id, old.person, self.now)
        };
        let public_token = self.wait(new);
        Ok(Relinked { public_token, accounts, institution_id: old.institution_id })
    }

    /// The transactions of an item as another one has them.
    fn again(
        &mut self,
        old: &Item,
        accounts: &BTreeMap<String, String>,
        relink: &Relink,
    ) -> Vec<Transaction> {
        let today = today(self.now);
        let first = today.checked_sub(i64::from(relink.days).days()).unwrap_or(Date::MIN);
        let shown = old.live().chain(&old.arriving).filter(|t| accounts.contains_key(&t.account_id));
        let mut all: Vec<_> = shown.filter(|t| t.date >= first).cloned().collect();
        let ids: BTreeMap<_, _> = all.iter().map(|t| (t.id.clone(), self.generator.id())).collect();
        for transaction in &mut all {
            if let (Some(id), Some(account)) =
                (ids.get(&transaction.id), accounts.get(&transaction.account_id))
            {
                transaction.id.clone_from(id);
                transaction.account_id.clone_from(account);
            }
            transaction.pending_transaction_id =
                transaction.pending_transaction_id.take().and_then(|link| ids.get(&link).cloned());
            if relink.post_pending && transaction.pending {
                transaction.pending = false;
                transaction.authorized_date = Some(transaction.date);
            }
            if relink.shift_dates && self.generator.below(3) == 0 {
                let days = if self.generator.below(2) == 0 { -1 } else { 1 };
                let shifted = transaction.date.checked_add(i64::from(days).days());
                transaction.date = shifted.map_or(transaction.date, |date| date.clamp(first, today));
            }
        }
        all.sort_by_key(|transaction| transaction.date);
        all
    }
}
