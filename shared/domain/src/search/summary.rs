//! What transactions come to, in groups.

use std::collections::BTreeMap;

use super::{Listed, Matcher, Share, Totals};
use crate::{
    category::Category,
    ids::{AccountId, CategoryId},
    transaction::Month,
};

/// What transactions are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    by: GroupBy,
    /// The groups.
    pub groups: BTreeMap<Key, Group>,
    /// All of it.
    pub totals: Totals,
}

impl Summary {
    /// One of nothing.
    pub fn new(by: GroupBy) -> Self {
        Self { by, groups: BTreeMap::new(), totals: Totals::default() }
    }

    /// Counts one, with those of its parts that the filter lets pass.
    pub fn add(&mut self, matcher: &Matcher<'_>, listed: &Listed) {
        let shares = matcher.shares(listed);
        self.totals.add(listed, &shares);
        let key = match self.by {
            GroupBy::Category => return self.add_by_category(matcher, listed, &shares),
            GroupBy::Month => Key::Month(Month::of(listed.date)),
            GroupBy::Merchant => Key::Merchant(listed.merchant_name.clone()),
            GroupBy::Account => Key::Account(listed.account.clone()),
        };
        let group = self.groups.entry(key).or_default();
        group.own.add(listed, &shares);
        group.with_children.add(listed, &shares);
    }

    fn add_by_category(&mut self, matcher: &Matcher<'_>, listed: &Listed, shares: &[Share<'_>]) {
        let mut own: BTreeMap<Option<CategoryId>, Vec<Share<'_>>> = BTreeMap::new();
        let mut with_children = own.clone();
        for share in shares {
            own.entry(share.category.map(|category| category.id.clone())).or_default().push(*share);
            for of in self_and_above(matcher, share.category) {
                with_children.entry(of).or_default().push(*share);
            }
        }
        for (of, shares) in own {
            self.groups.entry(Key::Category(of)).or_default().own.add(listed, &shares);
        }
        for (of, shares) in with_children {
            self.groups.entry(Key::Category(of)).or_default().with_children.add(listed, &shares);
        }
    }
}

/// A category and all above it that the filter lets pass; none is above what is of none.
fn self_and_above(matcher: &Matcher<'_>, category: Option<&Category>) -> Vec<Option<CategoryId>> {
    let Some(category) = category else { return vec![None] };
    let tree = matcher.tree();
    let chain = std::iter::successors(Some(category), |category| tree.get(category.parent.as_ref()?));
    chain.map(|category| Some(category.id.clone())).filter(|id| matcher.includes(id.as_ref())).collect()
}
