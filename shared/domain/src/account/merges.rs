//! Merged accounts: two accounts that are the same account at the bank are visible as one.

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

/// The period in which a merge can be undone.
pub(super) const UNDO: Duration = Duration::from_hours(30 * 24);

/// One account that is visible as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The account that it is visible as.
    #[serde(rename = "i")]
    pub into: AccountId,
    /// The time of the merge.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// The account of the two that is not synced any longer.
    #[serde(rename = "q")]
    pub stopped: AccountId,
    /// Whether the stopped account was kept by hand before the merge.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub was_manual: bool,
}

/// The merged accounts of a household, by the id that is not visible any longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Merges(BTreeMap<AccountId, Merge>);

impl Merges {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The merge of an account into another; `None` if the account is visible itself.
    pub fn get(&self, account: &AccountId) -> Option<&Merge> {
        self.0.get(account)
    }

    /// The id under which an account is visible: its own, if it was not merged.
    pub fn visible_id<'a>(&'a self, account: &'a AccountId) -> &'a AccountId {
        let next = |id: &&'a AccountId| self.0.get(*id).map(|merge| &merge.into);
        // A cycle cannot be written; the bound ends the walk if a row has one all the same.
        std::iter::successors(Some(account), next).take(self.0.len() + 1).last().unwrap_or(account)
    }

    /// All accounts with the same visible id as `account`, itself included.
    pub fn group(&self, account: &AccountId) -> BTreeSet<AccountId> {
        let visible = self.visible_id(account);
        let parts = self.0.keys().filter(|part| self.visible_id(part) == visible);
        parts.chain([visible]).cloned().collect()
    }

    /// The visible ids of the accounts of one connection, each once.
    pub fn visible_ids(&self, accounts: &[Account]) -> Vec<AccountId> {
        let kept = accounts.iter().filter(|account| account.state.is_listed());
        let mut ids = Vec::new();
        for account in kept.filter(|account| account.state != AccountState::Merged) {
            let id = self.visible_id(&account.id);
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        ids
    }

    pub(super) fn insert(&mut self, account: &AccountId, merge: Merge) {
        self.0.insert(account.clone(), merge);
    }

    pub(super) fn remove(&mut self, account: &AccountId) {
        self.0.remove(account);
    }
}

/// The visible accounts, each with its item. A group of merged accounts has the id and the person's half of its visible
/// account, and the bank's facts and the item of the account that is synced.
pub fn visible_accounts(merges: &Merges, connections: Vec<Connection>) -> Vec<(Item, Account)> {
    let admitted = connections.into_iter().filter(|connection| !connection.item.awaits_admission);
    let all: Vec<_> = admitted
        .flat_map(|Connection { item, accounts }| {
            accounts.into_iter().map(move |account| (item.clone(), account))
        })
        .filter(|(_, account)| account.state.is_listed())
        .collect();
    let is_visible = |(_, account): &&(Item, Account)| merges.get(&account.id).is_none();
    all.iter().filter(is_visible).map(|account| with_synced_facts(merges, account, &all)).collect()
}

/// The visible account of a household with an id, with its item; `found` is the connection of that id. Reads the other
/// connections of the household only if the account is merged.
pub async fn visible_account(
    connections: &dyn Connections,
    categories: &dyn Categories,
    found: Connection,
    id: &AccountId,
) -> Result<Option<(Item, Account)>, StoreError> {
    if found.accounts.iter().all(|account| account.id != *id) {
        return Ok(None);
    }
    let household = found.item.at.household.clone();
    let tree = categories.tree(&household).await?;
    let merges = tree.merges();
    let is_merged = merges.group(id).len() > 1;
    let all = if is_merged { connections.connections(&household).await? } else { vec![found] };
    let visible = visible_accounts(merges, all).into_iter();
    Ok(visible.into_iter().find(|(_, account)| account.id == *merges.visible_id(id)))
}

fn with_synced_facts(
    merges: &Merges,
    (item, account): &(Item, Account),
    all: &[(Item, Account)],
) -> (Item, Account) {
    let group = merges.group(&account.id);
    let parts = || all.iter().filter(|(_, part)| group.contains(&part.id));
    let (item, synced) = parts()
        .find(|(_, part)| part.state == AccountState::Live)
        .or_else(|| parts().find(|(_, part)| part.state != AccountState::Merged))
        .map_or((item, account), |(item, part)| (item, part));
    let (id, half, compared) = (account.id.clone(), account.half.clone(), account.compared.clone());
    (item.clone(), Account { id, half, compared, ..synced.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemId;

    fn id(name: &str) -> AccountId {
        AccountId::derive(&ItemId::from_entropy([1; 10]), &name.parse().unwrap())
    }

    fn merge(into: &str) -> Merge {
        Merge { into: id(into), at: Timestamp::UNIX_EPOCH, stopped: id("x"), was_manual: false }
    }

    #[test]
    fn chain_is_visible_as_its_last_account() {
        let mut merges = Merges::default();
        merges.insert(&id("a"), merge("b"));
        merges.insert(&id("b"), merge("c"));
        for name in ["a", "b", "c"] {
            assert_eq!(merges.visible_id(&id(name)), &id("c"));
            assert_eq!(merges.group(&id(name)), [id("a"), id("b"), id("c")].into());
        }
        assert_eq!(merges.visible_id(&id("d")), &id("d"));
        assert_eq!(merges.group(&id("d")), [id("d")].into());
    }

    #[test]
    fn cycle_ends() {
        let mut merges = Merges::default();
        merges.insert(&id("a"), merge("b"));
        merges.insert(&id("b"), merge("a"));
        assert!([id("a"), id("b")].contains(merges.visible_id(&id("a"))));
    }
}
