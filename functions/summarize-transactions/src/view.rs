//! A summary as the answer shows it.

use std::cmp::Reverse;

use domain::{
    category::{Kind, Tree},
    ids::CategoryId,
    search::{Group, Key, Summary, Totals},
};
use edge::search::{CurrencyTotals, totals};
use schemars::JsonSchema;
use serde::Serialize;

/// More groups than this would not fit into an answer, or be looked at.
pub(crate) const MOST_GROUPS: usize = 1_000;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Categories in the order of their tree, what has none last; months by time; merchants by turnover, the largest first; accounts
    /// by id.
    #[schemars(length(max = MOST_GROUPS))]
    groups: Vec<GroupView>,
    /// What the rest of the groups comes to, if there are more.
    others: Option<Others>,
    /// What all of it comes to.
    totals: Vec<CurrencyTotals>,
}

#[derive(Serialize, JsonSchema)]
struct GroupView {
    /// The category's id, the month (YYYY-MM), the merchant's name or the account's id; none for what has no category, or no
    /// merchant.
    key: Option<String>,
    /// The category, if that is what the group is of.
    category: Option<CategoryView>,
    /// What is of the group itself. A transaction in parts counts in the category of each of them, with the sum of those parts.
    totals: Vec<CurrencyTotals>,
    /// With all categories below it, in which a transaction counts once; for others the same.
    with_children: Vec<CurrencyTotals>,
}

#[derive(Serialize, JsonSchema)]
struct CategoryView {
    id: CategoryId,
    name: String,
    /// The category that it is a part of.
    parent_id: Option<CategoryId>,
    /// Transfers are neither earned nor spent: a client may leave them out.
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Serialize, JsonSchema)]
struct Others {
    /// How many groups.
    groups: usize,
    /// What they come to.
    totals: Vec<CurrencyTotals>,
}

pub(crate) fn answer(summary: Summary, tree: &Tree) -> Answer {
    let mut groups = in_order(summary.groups.into_iter().collect(), tree);
    let rest = groups.split_off(groups.len().min(MOST_GROUPS));
    Answer {
        groups: groups.into_iter().map(|(key, group)| view(key, &group, tree)).collect(),
        others: others(&rest),
        totals: totals(&summary.totals),
    }
}

fn in_order(mut groups: Vec<(Key, Group)>, tree: &Tree) -> Vec<(Key, Group)> {
    let order: Vec<_> = tree.all().map(|category| &category.id).collect();
    groups.sort_by_cached_key(|(key, group)| match key {
        Key::Category(id) => {
            let place = order.iter().position(|of| id.as_ref() == Some(*of));
            (place.unwrap_or(usize::MAX), Reverse(group.own.turnover()), key.clone())
        }
        Key::Merchant(_) => (0, Reverse(group.own.turnover()), key.clone()),
        Key::Month(_) | Key::Account(_) => (0, Reverse(domain::search::Sum::default()), key.clone()),
    });
    groups
}

fn others(rest: &[(Key, Group)]) -> Option<Others> {
    let mut sums = Totals::default();
    for (_, group) in rest {
        sums.join(&group.own);
    }
    (!rest.is_empty()).then(|| Others { groups: rest.len(), totals: totals(&sums) })
}

fn view(key: Key, group: &Group, tree: &Tree) -> GroupView {
    let category = match &key {
        Key::Category(Some(id)) => tree.get(id).map(|category| CategoryView {
            id: category.id.clone(),
            name: category.name.to_string(),
            parent_id: category.parent.clone(),
            kind: category.kind,
        }),
        Key::Category(None) | Key::Month(_) | Key::Merchant(_) | Key::Account(_) => None,
    };
    let key = match key {
        Key::Category(id) => id.map(|id| id.to_string()),
        Key::Month(month) => Some(month.to_string()),
        Key::Merchant(name) => name,
        Key::Account(id) => Some(id.to_string()),
    };
    GroupView { key, category, totals: totals(&group.own), with_children: totals(&group.with_children) }
}
