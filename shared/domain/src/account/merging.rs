//! Accounts that people see as one: what the bank gave a new id, name or card, or another connection, goes on under the
//! account that was there before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Account, AccountState};
use crate::{
    category::Categories,
    ids::AccountId,
    item::{Connection, Item},
    store::{Connections, StoreError},
};

/// A merge can be undone for so long.
pub(super) const UNDO: Duration = Duration::from_hours(30 * 24);

/// One account that is shown as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The account that it is shown as.
    #[serde(rename = "i")]
    pub into: AccountId,
    /// When they were merged.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Which of the two is no longer kept up to date.
    #[serde(rename = "q")]
    pub quiet: AccountId,
    /// Whether that one was kept by hand before.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub was_manual: bool,
}

/// A household's merged accounts, by the id that is not shown any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Merges(BTreeMap<AccountId, Merge>);

impl Merges {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How an account was merged into another; none if it is shown itself.
    pub fn get(&self, account: &AccountId) -> Option<&Merge> {
        self.0.get(account)
    }

    /// The account that another is shown as: itself, if it was merged into none.
    pub fn shown_as<'a>(&'a self, account: &'a AccountId) -> &'a AccountId {
        let next = |id: &&'a AccountId| self.0.get(*id).map(|merge| &merge.into);
        // No account leads back to itself; should a row say so, the walk ends all the same.
        std::iter::successors(Some(account), next).take(self.0.len() + 1).last().unwrap_or(account)
    }

    /// All accounts that are shown as the same one as `account`, itself among them.
    pub fn together(&self, account: &AccountId) -> BTreeSet<AccountId> {
        let shown = self.shown_as(account);
        let parts = self.0.keys().filter(|part| self.shown_as(part) == shown);
        parts.chain([shown]).cloned().collect()
    }

    /// The ids under which people see accounts of one connection, each once.
    pub fn ids_of(&self, accounts: &[Account]) -> Vec<AccountId> {
        let kept = accounts.iter().filter(|account| account.state.is_listed());
        let mut ids = Vec::new();
        for account in kept.filter(|account| account.state != AccountState::Merged) {
            let id = self.shown_as(&account.id);
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        ids
    }

    pub(crate) fn insert(&mut self, account: &AccountId, merge: Merge) {
        self.0.insert(account.clone(), merge);
    }

    pub(crate) fn remove(&mut self, account: &AccountId) {
        self.0.remove(account);
    }
}

/// The accounts that people see, each with the item that keeps it up to date. Of merged ones the id and what its people
/// decided are those of the account that is shown; what the bank says is of the one that it still keeps.
pub fn shown(merges: &Merges, connections: Vec<Connection>) -> Vec<(Item, Account)> {
    let seen = connections.into_iter().filter(|connection| !connection.item.awaits_admission);
    let all: Vec<_> = seen
        .flat_map(|Connection { item, accounts }| {
            accounts.into_iter().map(move |account| (item.clone(), account))
        })
        .filter(|(_, account)| account.state.is_listed())
        .collect();
    let is_shown = |(_, account): &&(Item, Account)| merges.get(&account.id).is_none();
    all.iter().filter(is_shown).map(|whole| as_shown(merges, whole, &all)).collect()
}

/// The account that people see under an id, of a connection that has it, with the item that keeps it up to date.
pub async fn shown_account(
    connections: &dyn Connections,
    categories: &dyn Categories,
    found: Connection,
    id: &AccountId,
) -> Result<Option<(Item, Account)>, StoreError> {
    let household = found.item.at.household.clone();
    let tree = categories.tree(&household).await?;
    let merges = tree.merges();
    let is_merged = merges.together(id).len() > 1;
    let all = if is_merged { connections.connections(&household).await? } else { vec![found] };
    let mut shown = shown(merges, all).into_iter();
    Ok(shown.find(|(_, account)| account.id == *merges.shown_as(id)))
}

fn as_shown(merges: &Merges, (item, account): &(Item, Account), all: &[(Item, Account)]) -> (Item, Account) {
    let together = merges.together(&account.id);
    let parts = || all.iter().filter(|(_, part)| together.contains(&part.id));
    let (item, source) = parts()
        .find(|(_, part)| part.state == AccountState::Live)
        .or_else(|| parts().find(|(_, part)| part.state != AccountState::Merged))
        .map_or((item, account), |(item, part)| (item, part));
    (item.clone(), Account { id: account.id.clone(), half: account.half.clone(), ..source.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemId;

    fn id(name: &str) -> AccountId {
        AccountId::derive(&ItemId::from_entropy([1; 10]), &name.parse().unwrap())
    }

    fn merge(into: &str) -> Merge {
        Merge { into: id(into), at: Timestamp::UNIX_EPOCH, quiet: id("x"), was_manual: false }
    }

    #[test]
    fn a_chain_is_shown_as_its_end() {
        let mut merges = Merges::default();
        merges.insert(&id("a"), merge("b"));
        merges.insert(&id("b"), merge("c"));
        for name in ["a", "b", "c"] {
            assert_eq!(merges.shown_as(&id(name)), &id("c"));
            assert_eq!(merges.together(&id(name)), [id("a"), id("b"), id("c")].into());
        }
        assert_eq!(merges.shown_as(&id("d")), &id("d"));
        assert_eq!(merges.together(&id("d")), [id("d")].into());
    }

    #[test]
    fn a_circle_has_an_end() {
        let mut merges = Merges::default();
        merges.insert(&id("a"), merge("b"));
        merges.insert(&id("b"), merge("a"));
        assert!([id("a"), id("b")].contains(merges.shown_as(&id("a"))));
    }
}
