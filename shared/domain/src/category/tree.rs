//! A household's tree: the system's set, what the household changed of it, its own categories, and what the deleted ones
//! mean now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Category, CategoryName, Colour, Effective, Icon, Kind, Source, system};
use crate::{account::Merges, ids::CategoryId, transaction::BankCategory};

/// A household's categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    revision: u64,
    pub(super) kept: KeptTree,
    categories: BTreeMap<CategoryId, Category>,
    /// Each after its parent, with all that is below it.
    order: Vec<CategoryId>,
}

/// What is kept of a tree: all that is not the system's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTree {
    /// The household's own.
    #[serde(rename = "o", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) own: BTreeMap<CategoryId, KeptCategory>,
    /// Changes of the system's, also of what this version of us does not have.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) changes: BTreeMap<CategoryId, KeptChange>,
    /// What deleted ones mean now. Never leads to another deleted one.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) moves: BTreeMap<CategoryId, CategoryId>,
    /// The household's merged accounts. Views of transactions need them and the categories.
    #[serde(rename = "a", default, skip_serializing_if = "Merges::is_empty")]
    pub(super) merges: Merges,
}

/// One of the household's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptCategory {
    #[serde(rename = "n")]
    pub(super) name: CategoryName,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<CategoryId>,
    #[serde(rename = "k")]
    pub(super) kind: Kind,
    #[serde(rename = "c")]
    pub(super) colour: Colour,
    #[serde(rename = "i")]
    pub(super) icon: Icon,
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_inactive: bool,
    #[serde(rename = "r")]
    pub(super) revision: u64,
}

/// How one of the system's is different here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptChange {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<CategoryName>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) colour: Option<Colour>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(super) icon: Option<Icon>,
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_inactive: bool,
    #[serde(rename = "r")]
    pub(super) revision: u64,
}

/// What was kept is no tree: something is below itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("categories that are below themselves")]
pub struct BrokenTree;

impl Default for Tree {
    fn default() -> Self {
        Self::system()
    }
}

impl Tree {
    /// What a household has that never changed anything.
    pub fn system() -> Self {
        Self::grown(0, KeptTree::default())
    }

    /// The tree that was kept at a revision.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(revision: u64, kept: KeptTree) -> Result<Self, BrokenTree> {
        let tree = Self::grown(revision, kept);
        // Who is below themselves is below no root.
        if tree.order.len() == tree.categories.len() { Ok(tree) } else { Err(BrokenTree) }
    }

    /// The revision that it was read at; 0 if nothing was kept.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What is to be kept of it.
    pub fn kept(&self) -> &KeptTree {
        &self.kept
    }

    /// The household's merged accounts.
    pub fn merges(&self) -> &Merges {
        &self.kept.merges
    }

    pub(crate) fn merges_mut(&mut self) -> &mut Merges {
        &mut self.kept.merges
    }

    /// A category as it is; none that was deleted.
    pub fn get(&self, id: &CategoryId) -> Option<&Category> {
        self.categories.get(id)
    }

    /// The category that an id means: what a deleted one was moved to, too.
    pub fn resolve(&self, id: &CategoryId) -> Option<&Category> {
        self.get(id).or_else(|| self.get(self.kept.moves.get(id)?))
    }

    /// The category that counts: a person's, else the bank's. One that means nothing any more counts as none.
    pub fn effective(
        &self,
        person: Option<&CategoryId>,
        bank: Option<&BankCategory>,
    ) -> Option<Effective<'_>> {
        if let Some(category) = person.and_then(|id| self.resolve(id)) {
            return Some(Effective { category, source: Source::Person });
        }
        let category = self.get(system::of_bank(bank?)?)?;
        Some(Effective { category, source: Source::Bank })
    }

    /// What an id means and all that is below it; nothing if it means nothing.
    pub fn with_children(&self, id: &CategoryId) -> BTreeSet<CategoryId> {
        let mut found: BTreeSet<_> =
            self.resolve(id).map(|category| category.id.clone()).into_iter().collect();
        for category in self.all() {
            if category.parent.as_ref().is_some_and(|parent| found.contains(parent)) {
                found.insert(category.id.clone());
            }
        }
        found
    }

    /// A category and all that were deleted and mean it now: what may be written on transactions for it.
    pub fn names_of(&self, id: &CategoryId) -> BTreeSet<CategoryId> {
        let moved = self.kept.moves.iter().filter(|(_, to)| *to == id).map(|(from, _)| from);
        moved.chain([id]).cloned().collect()
    }

    /// All of them, each after its parent: the system's in their order, then the household's own by name.
    pub fn all(&self) -> impl Iterator<Item = &Category> {
        self.order.iter().filter_map(|id| self.categories.get(id))
    }

    /// How many are above a category, itself included.
    pub(super) fn depth(&self, id: &CategoryId) -> usize {
        std::iter::successors(self.get(id), |category| self.get(category.parent.as_ref()?)).count()
    }

    /// The same tree after something kept has changed.
    pub(super) fn regrow(&mut self) {
        *self = Self::grown(self.revision, std::mem::take(&mut self.kept));
    }

    fn grown(revision: u64, kept: KeptTree) -> Self {
        let mut tree = Self { revision, categories: BTreeMap::new(), order: Vec::new(), kept };
        let system = system::CATEGORIES.iter().map(|category| tree.kept.changed(category.clone()));
        let mut all: Vec<_> = system.collect();
        all.extend(tree.kept.in_order());
        let is_known: BTreeSet<_> = all.iter().map(|category| category.id.clone()).collect();
        let mut below: BTreeMap<Option<CategoryId>, Vec<Category>> = BTreeMap::new();
        for category in all {
            // One whose parent is no more stands by itself.
            let parent = category.parent.clone().filter(|parent| is_known.contains(parent));
            below.entry(parent).or_default().push(category);
        }
        tree.grow(&mut below, None);
        // What hangs below no root is known, but in no order.
        let lost = below.into_values().flatten().map(|category| (category.id.clone(), category));
        tree.categories.extend(lost);
        tree
    }

    /// Puts what is below `parent` into its place, each of its parent's kind.
    fn grow(&mut self, below: &mut BTreeMap<Option<CategoryId>, Vec<Category>>, parent: Option<&Category>) {
        for mut category in below.remove(&parent.map(|parent| parent.id.clone())).unwrap_or_default() {
            category.parent = parent.map(|parent| parent.id.clone());
            category.kind = parent.map_or(category.kind, |parent| parent.kind);
            self.order.push(category.id.clone());
            self.grow(below, Some(&category));
            self.categories.insert(category.id.clone(), category);
        }
    }
}

impl KeptTree {
    /// One of the system's as it is here.
    fn changed(&self, mut category: Category) -> Category {
        let Some(change) = self.changes.get(&category.id).cloned() else { return category };
        category.name = change.name.unwrap_or(category.name);
        category.colour = change.colour.unwrap_or(category.colour);
        category.icon = change.icon.unwrap_or(category.icon);
        category.is_active = !change.is_inactive;
        category.revision = change.revision;
        category
    }

    /// The household's own, by name.
    fn in_order(&self) -> Vec<Category> {
        let mut own: Vec<_> = self.own.iter().map(|(id, kept)| kept.category(id)).collect();
        own.sort_by_cached_key(|category| (category.name.folded(), category.id.clone()));
        own
    }
}

impl KeptCategory {
    fn category(&self, id: &CategoryId) -> Category {
        Category {
            id: id.clone(),
            name: self.name.clone(),
            parent: self.parent.clone(),
            kind: self.kind,
            colour: self.colour.clone(),
            icon: self.icon.clone(),
            is_system: false,
            is_active: !self.is_inactive,
            revision: self.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CategoryId {
        text.parse().unwrap()
    }

    fn kept(json: serde_json::Value) -> KeptTree {
        serde_json::from_value(json).unwrap()
    }

    fn own(parent: Option<&str>, kind: &str) -> serde_json::Value {
        serde_json::json!({"n": "Own", "p": parent, "k": kind, "c": "#000000", "i": "x", "r": 1})
    }

    #[test]
    fn every_system_category_is_there_after_its_parent() {
        let tree = Tree::system();
        assert_eq!(tree.all().count(), system::CATEGORIES.len());
        let mut seen = BTreeSet::new();
        for category in tree.all() {
            assert!(category.parent.as_ref().is_none_or(|parent| seen.contains(parent)), "{category:?}");
            assert!(seen.insert(category.id.clone()) && category.is_system && category.is_active);
            let siblings = tree.all().filter(|other| other.parent == category.parent);
            let same = siblings.filter(|other| other.name.folded() == category.name.folded());
            assert_eq!(same.count(), 1, "{category:?}");
        }
    }

    #[test]
    fn a_persons_category_counts_before_the_banks() {
        let tree = Tree::of(
            1,
            kept(serde_json::json!({
                "o": {"cat_a": own(Some("s_travel"), "expense")},
                "m": {"cat_gone": "cat_a", "cat_lost": "cat_never"},
            })),
        )
        .unwrap();
        let bank: BankCategory =
            serde_json::from_value(serde_json::json!({"p": "INCOME", "d": "INCOME_WAGES"})).unwrap();
        let effective = |person: &str| {
            let effective = tree.effective(Some(&id(person)), Some(&bank)).unwrap();
            (effective.category.id.to_string(), effective.source)
        };
        assert_eq!(effective("cat_a"), ("cat_a".to_owned(), Source::Person));
        assert_eq!(effective("cat_gone"), ("cat_a".to_owned(), Source::Person));
        assert_eq!(effective("s_travel"), ("s_travel".to_owned(), Source::Person));
        for nothing in ["cat_lost", "cat_unknown", "TRAVEL"] {
            assert_eq!(effective(nothing), ("s_income_salary".to_owned(), Source::Bank), "{nothing}");
        }
        assert_eq!(tree.effective(Some(&id("cat_unknown")), None), None);
        assert_eq!(tree.effective(None, None), None);
    }

    #[test]
    fn with_children_is_all_below_by_whatever_id() {
        let tree = Tree::of(
            1,
            kept(serde_json::json!({
                "o": {"cat_a": own(Some("s_travel"), "income"), "cat_b": own(Some("cat_a"), "income")},
                "m": {"cat_gone": "cat_a"},
            })),
        )
        .unwrap();
        let both: BTreeSet<_> = [id("cat_a"), id("cat_b")].into();
        assert_eq!(
            (tree.with_children(&id("cat_a")), tree.with_children(&id("cat_gone"))),
            (both.clone(), both.clone())
        );
        let travel = tree.with_children(&id("s_travel"));
        assert!(travel.is_superset(&both) && travel.contains(&id("s_travel_flights")));
        assert_eq!(travel.len(), 7);
        assert!(tree.with_children(&id("cat_x")).is_empty());
        // A child counts as its parent does.
        assert!(both.iter().all(|id| tree.get(id).unwrap().kind == Kind::Expense));
        assert_eq!(tree.names_of(&id("cat_a")), [id("cat_a"), id("cat_gone")].into());
        assert_eq!(tree.depth(&id("cat_b")), 3);
    }

    #[test]
    fn what_is_below_itself_is_no_tree() {
        let cycle =
            serde_json::json!({"cat_a": own(Some("cat_b"), "income"), "cat_b": own(Some("cat_a"), "income")});
        assert_eq!(Tree::of(1, kept(serde_json::json!({"o": cycle}))), Err(BrokenTree));
    }

    #[test]
    fn what_another_version_of_us_kept_is_not_lost() {
        let json = serde_json::json!({
            "o": {"cat_a": own(Some("s_of_another_version"), "income")},
            "s": {"s_of_another_version": {"n": "New", "r": 2}, "s_travel": {"n": "Trips", "x": true, "r": 4}},
        });
        let tree = Tree::of(3, kept(json.clone())).unwrap();
        assert_eq!(serde_json::to_value(tree.kept()).unwrap()["s"], json["s"]);
        assert_eq!(tree.get(&id("cat_a")).unwrap().parent, None);
        let travel = tree.get(&id("s_travel")).unwrap();
        assert_eq!((travel.name.as_str(), travel.is_active, travel.revision), ("Trips", false, 4));
    }
}
