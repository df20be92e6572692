//! What transactions come to, in groups.

use std::collections::{BTreeMap, BTreeSet};

use super::{Listed, Matcher, Share, Totals};
use crate::{
    category::Category,
    ids::{AccountId, CategoryId},
    transaction::Month,
};

/// What transactions are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupBy {
    /// By category: each part under its own.
    Category,
    /// By month.
    Month,
    /// By merchant, as the bank's side has recognised them.
    Merchant,
    /// By account.
    Account,
}

/// What a group has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The category; none for what has none.
    Category(Option<CategoryId>),
    /// The month.
    Month(Month),
    /// The merchant; none for what has none.
    Merchant(Option<String>),
    /// The account.
    Account(AccountId),
}

/// What a group comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// What is of it itself.
    pub own: Totals,
    /// With all that is below it; a transaction with parts in several of those counts once. The same as its own, if groups are
    /// not below each other.
    pub with_children: Totals,
}

/// Groups, and what all of it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    by: Vec<GroupBy>,
    /// The groups, each by a key for each of what they are grouped by.
    pub groups: BTreeMap<Vec<Key>, Group>,
    /// All of it.
    pub totals: Totals,
}

impl Summary {
    /// One of nothing.
    pub fn new(by: &[GroupBy]) -> Self {
        Self { by: by.to_vec(), groups: BTreeMap::new(), totals: Totals::default() }
    }

    /// Counts one, with those of its parts that the filter lets pass.
    pub fn add(&mut self, matcher: &Matcher<'_>, listed: &Listed) {
        let shares = matcher.shares(listed);
        self.totals.add(listed, &shares);
        let mut own: BTreeMap<Vec<Key>, Vec<Share<'_>>> = BTreeMap::new();
        let mut with_children = own.clone();
        for share in &shares {
            let all: Vec<_> = self.by.iter().map(|by| keys(*by, matcher, listed, share)).collect();
            own.entry(all.iter().filter_map(|keys| keys.first().cloned()).collect())
                .or_default()
                .push(*share);
            for keys in combinations(&all) {
                with_children.entry(keys).or_default().push(*share);
            }
        }
        for (keys, shares) in own {
            self.groups.entry(keys).or_default().own.add(listed, &shares);
        }
        for (keys, shares) in with_children {
            self.groups.entry(keys).or_default().with_children.add(listed, &shares);
        }
    }
}

/// The key of a part of a transaction, and behind it those of the groups above.
fn keys(by: GroupBy, matcher: &Matcher<'_>, listed: &Listed, share: &Share<'_>) -> Vec<Key> {
    match by {
        GroupBy::Category => self_and_above(matcher, share.category).into_iter().map(Key::Category).collect(),
        GroupBy::Month => vec![Key::Month(Month::of(listed.date))],
        GroupBy::Merchant => vec![Key::Merchant(listed.merchant_name.clone())],
        GroupBy::Account => vec![Key::Account(listed.account.clone())],
    }
}

/// One of each, in every combination.
fn combinations(all: &[Vec<Key>]) -> BTreeSet<Vec<Key>> {
    all.iter().fold(BTreeSet::from([Vec::new()]), |before, keys| {
        let with = |keys_before: &Vec<Key>| {
            let keys_before = keys_before.clone();
            keys.iter().map(move |key| keys_before.iter().chain([key]).cloned().collect())
        };
        before.iter().flat_map(with).collect()
    })
}

/// A category and all above it that the filter lets pass; none is above what is of none.
fn self_and_above(matcher: &Matcher<'_>, category: Option<&Category>) -> Vec<Option<CategoryId>> {
    let Some(category) = category else { return vec![None] };
    let tree = matcher.tree();
    let chain = std::iter::successors(Some(category), |category| tree.get(category.parent.as_ref()?));
    chain.map(|category| Some(category.id.clone())).filter(|id| matcher.includes(id.as_ref())).collect()
}
