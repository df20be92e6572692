//! A summary as the answer shows it.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::{
    category::{Kind, Tree},
    ids::CategoryId,
    search::{Group, History, Key, Sum, Summary, Totals},
};
use edge::search::{CurrencyTotals, totals};
use schemars::JsonSchema;
use serde::Serialize;

/// More groups than this would not fit into an answer, or be looked at.
pub(crate) const MAX_GROUPS: usize = 5_000;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Categories in the order of their tree, what has none last; months by time; merchants by turnover, the largest first; accounts
    /// by id. Of two keys by the first, then by the second.
    #[schemars(length(max = MAX_GROUPS))]
    groups: Vec<GroupView>,
    /// What the rest of the groups comes to, if there are more.
    others: Option<Others>,
    /// What all of it comes to.
    totals: Vec<CurrencyTotals>,
    /// `coming` while a bank's history is still being fetched: then there is more than is added up.
    history: History,
}

#[derive(Serialize, JsonSchema)]
struct GroupView {
    /// The first of `keys`.
    key: Option<String>,
    /// One key for each value of `group_by`, in that order: the category's id, the month (YYYY-MM), the merchant's name or the
    /// account's id; null for what has no category, or no merchant.
    keys: Vec<Option<String>>,
    /// The category, if the group is of one.
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

pub(crate) fn answer(summary: Summary, tree: &Tree, history: History) -> Answer {
    let mut groups = in_order(summary.groups.into_iter().collect(), tree);
    let rest = groups.split_off(groups.len().min(MAX_GROUPS));
    Answer {
        groups: groups.into_iter().map(|(keys, group)| view(keys, &group, tree)).collect(),
        others: others(&rest),
        totals: totals(&summary.totals),
        history,
    }
}

fn in_order(mut groups: Vec<(Vec<Key>, Group)>, tree: &Tree) -> Vec<(Vec<Key>, Group)> {
    let order: BTreeMap<_, _> = tree.all().map(|category| &category.id).zip(0..).collect();
    let place = |key: &Key| match key {
        Key::Category(id) => id.as_ref().and_then(|id| order.get(id)).copied().unwrap_or(usize::MAX),
        Key::Merchant(_) | Key::Month(_) | Key::Account(_) => 0,
    };
    // The turnover of all groups with the same first key.
    let mut turnovers: BTreeMap<Key, Totals> = BTreeMap::new();
    for (keys, group) in &groups {
        if let Some(first) = keys.first().filter(|first| is_by_turnover(first)) {
            turnovers.entry(first.clone()).or_default().join(&group.own);
        }
    }
    groups.sort_by_cached_key(|(keys, group)| {
        let turnover = |number: usize, key: &Key| match number {
            0 => turnovers.get(key).map(Totals::turnover).unwrap_or_default(),
            _ if is_by_turnover(key) => group.own.turnover(),
            _ => Sum::default(),
        };
        let order = |(number, key): (usize, &Key)| (place(key), Reverse(turnover(number, key)), key.clone());
        keys.iter().enumerate().map(order).collect::<Vec<_>>()
    });
    groups
}

/// Whether the largest come first: merchants, and what is of no known category.
fn is_by_turnover(key: &Key) -> bool {
    match key {
        Key::Category(_) | Key::Merchant(_) => true,
        Key::Month(_) | Key::Account(_) => false,
    }
}

fn others(rest: &[(Vec<Key>, Group)]) -> Option<Others> {
    let mut sums = Totals::default();
    for (_, group) in rest {
        sums.join(&group.own);
    }
    (!rest.is_empty()).then(|| Others { groups: rest.len(), totals: totals(&sums) })
}

fn view(keys: Vec<Key>, group: &Group, tree: &Tree) -> GroupView {
    let of_group = keys.iter().find_map(|key| match key {
        Key::Category(Some(id)) => tree.get(id),
        Key::Category(None) | Key::Month(_) | Key::Merchant(_) | Key::Account(_) => None,
    });
    let category = of_group.map(|category| CategoryView {
        id: category.id.clone(),
        name: category.name.to_string(),
        parent_id: category.parent.clone(),
        kind: category.kind,
    });
    let keys: Vec<_> = keys.into_iter().map(text).collect();
    GroupView {
        key: keys.first().cloned().flatten(),
        keys,
        category,
        totals: totals(&group.own),
        with_children: totals(&group.with_children),
    }
}

fn text(key: Key) -> Option<String> {
    match key {
        Key::Category(id) => id.map(|id| id.to_string()),
        Key::Month(month) => Some(month.to_string()),
        Key::Merchant(name) => name,
        Key::Account(id) => Some(id.to_string()),
    }
}
