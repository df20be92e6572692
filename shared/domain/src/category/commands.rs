//! What people do with a tree. Each command is done or refused whole, and leaves a tree: no category below itself, none
//! below one that is no more, no two siblings of a name, no id that means a deleted one.

use thiserror::Error;

use super::{
    Category, CategoryName, Colour, Icon, Kind, Tree, system,
    tree::{KeptCategory, KeptChange},
};
use crate::{household::AccessError, ids::CategoryId, store::StoreError, sync::Edit};

/// A household may have so many of its own.
pub const MOST_OWN: usize = 300;
/// So many deleted ones are remembered by what they mean now.
pub const MOST_MOVES: usize = 1_000;
/// So many are on the way from the top to the lowest, both included.
pub const DEEPEST: usize = 4;

/// What one looks like that says nothing of it, and has no parent to look like.
const PLAIN_COLOUR: &str = "#757575";
const PLAIN_ICON: &str = "tag";

/// A category to be made.
#[derive(Debug, Clone)]
pub struct NewCategory {
    /// Its id.
    pub id: CategoryId,
    /// Its name.
    pub name: CategoryName,
    /// What it is a part of.
    pub parent: Option<CategoryId>,
    /// Which way it counts: not needed with a parent, whose it has.
    pub kind: Option<Kind>,
    /// Its colour; its parent's, if it says nothing.
    pub colour: Option<Colour>,
    /// Its icon, likewise.
    pub icon: Option<Icon>,
}

/// What is to be different about a category.
#[derive(Debug, Clone, Default)]
pub struct CategoryChange {
    /// Its name.
    pub name: Option<CategoryName>,
    /// Its colour.
    pub colour: Option<Colour>,
    /// Its icon.
    pub icon: Option<Icon>,
    /// Whether it is offered.
    pub is_active: Option<bool>,
    /// What it is a part of. Cleared, it stands at the top and counts as it did.
    pub parent: Edit<CategoryId>,
}

/// Why a category is not made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CategoryError {
    /// There is no such category, or none any more.
    #[error("there is no such category")]
    NotThere,
    /// It is not as the caller has seen it.
    #[error("the category has changed")]
    Stale,
    /// A sibling has the name.
    #[error("a sibling has this name")]
    Exists,
    /// What it should be a part of is not there, or not active.
    #[error("there is no such active parent")]
    NoParent,
    /// It would be a part of itself.
    #[error("it would be below itself")]
    BelowItself,
    /// More than [`DEEPEST`] would be on the way from the top.
    #[error("it would be too deep")]
    TooDeep,
    /// One at the top says which way it counts.
    #[error("a type is needed without a parent")]
    NoKind,
    /// It should count another way than its parent.
    #[error("the type is not its parent's")]
    OtherKind,
    /// What it should be moved to is not there, not active, or itself.
    #[error("there is no such active category to move to")]
    NoTarget,
    /// The system's are not deleted and stay in their place.
    #[error("it is of the system's set")]
    System,
    /// So many are below it.
    #[error("{0} categories are below it")]
    HasChildren(usize),
    /// So many transactions have it.
    #[error("{0} transactions have it")]
    InUse(u64),
    /// There are [`MOST_OWN`].
    #[error("there are too many categories")]
    TooMany,
    /// [`MOST_MOVES`] deleted ones are remembered.
    #[error("there are too many deleted categories with a meaning")]
    TooManyMoves,
    /// The caller may not, or the store failed.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<StoreError> for CategoryError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl Tree {
    /// Adds one of the household's own. One of that id that is there already is left as it is.
    pub fn add(&mut self, new: &NewCategory) -> Result<(), CategoryError> {
        if self.get(&new.id).is_some() {
            return Ok(());
        }
        if self.kept.moves.contains_key(&new.id) {
            return Err(CategoryError::NotThere);
        }
        if self.kept.own.len() >= MOST_OWN {
            return Err(CategoryError::TooMany);
        }
        let parent = new.parent.as_ref().map(|parent| self.parent(parent)).transpose()?;
        let kind = match (parent.map(|parent| parent.kind), new.kind) {
            (Some(theirs), Some(own)) if theirs != own => return Err(CategoryError::OtherKind),
            (Some(kind), _) | (None, Some(kind)) => kind,
            (None, None) => return Err(CategoryError::NoKind),
        };
        if parent.is_some_and(|parent| self.depth(&parent.id) >= DEEPEST) {
            return Err(CategoryError::TooDeep);
        }
        self.has_no_sibling_named(&new.id, new.parent.as_ref(), &new.name)?;
        let looks = |parent: &Category| (parent.colour.clone(), parent.icon.clone());
        let (colour, icon) =
            parent.map_or_else(|| (Colour::known(PLAIN_COLOUR), Icon::known(PLAIN_ICON)), looks);
        let kept = KeptCategory {
            name: new.name.clone(),
            parent: new.parent.clone(),
            kind,
            colour: new.colour.clone().unwrap_or(colour),
            icon: new.icon.clone().unwrap_or(icon),
            is_inactive: false,
            revision: 1,
        };
        self.kept.own.insert(new.id.clone(), kept);
        self.regrow();
        Ok(())
    }

    /// Changes one, if it is at `revision` or none is asked for. What makes no difference does not count as a change.
    pub fn change(
        &mut self,
        id: &CategoryId,
        change: &CategoryChange,
        revision: Option<u64>,
    ) -> Result<(), CategoryError> {
        let before = self.as_seen(id, revision)?.clone();
        let mut after = before.clone();
        after.name = change.name.clone().unwrap_or(after.name);
        after.colour = change.colour.clone().unwrap_or(after.colour);
        after.icon = change.icon.clone().unwrap_or(after.icon);
        after.is_active = change.is_active.unwrap_or(after.is_active);
        change.parent.apply(&mut after.parent);
        if after == before {
            return Ok(());
        }
        if after.parent != before.parent {
            self.may_move(&after)?;
        }
        // A namesake may have come with another version of the system's set: it is in nobody's way.
        if after.parent != before.parent || after.name != before.name {
            self.has_no_sibling_named(id, after.parent.as_ref(), &after.name)?;
        }
        after.revision += 1;
        self.keep(after);
        Ok(())
    }

    /// Deletes one of the household's own, if it is at `revision` or none is asked for: from now on its id means `move_to`.
    /// Without that it means its parent, and without one nothing: that is for what no transaction has.
    pub fn delete(
        &mut self,
        id: &CategoryId,
        move_to: Option<&CategoryId>,
        revision: Option<u64>,
    ) -> Result<(), CategoryError> {
        let category = self.as_seen(id, revision)?;
        if category.is_system {
            return Err(CategoryError::System);
        }
        let children = self.all().filter(|other| other.parent.as_ref() == Some(id)).count();
        if children > 0 {
            return Err(CategoryError::HasChildren(children));
        }
        let is_target = |to: &CategoryId| to != id && self.get(to).is_some_and(|to| to.is_active);
        if move_to.is_some_and(|to| !is_target(to)) {
            return Err(CategoryError::NoTarget);
        }
        let has_room = self.kept.moves.len() < MOST_MOVES;
        if move_to.is_some() && !has_room {
            return Err(CategoryError::TooManyMoves);
        }
        let means = move_to.or(category.parent.as_ref()).cloned();
        self.kept.own.remove(id);
        self.kept.means(id, means, has_room);
        self.regrow();
        Ok(())
    }

    fn as_seen(&self, id: &CategoryId, revision: Option<u64>) -> Result<&Category, CategoryError> {
        let category = self.get(id).ok_or(CategoryError::NotThere)?;
        if revision.is_some_and(|revision| revision != category.revision) {
            return Err(CategoryError::Stale);
        }
        Ok(category)
    }

    fn parent(&self, id: &CategoryId) -> Result<&Category, CategoryError> {
        self.get(id).filter(|parent| parent.is_active).ok_or(CategoryError::NoParent)
    }

    fn has_no_sibling_named(
        &self,
        id: &CategoryId,
        parent: Option<&CategoryId>,
        name: &CategoryName,
    ) -> Result<(), CategoryError> {
        let folded = name.folded();
        let mut siblings = self.all().filter(|other| other.parent.as_ref() == parent && other.id != *id);
        if siblings.any(|other| other.name.folded() == folded) { Err(CategoryError::Exists) } else { Ok(()) }
    }

    /// Whether one may go to where `after` has it.
    fn may_move(&self, after: &Category) -> Result<(), CategoryError> {
        if after.is_system {
            return Err(CategoryError::System);
        }
        let Some(to) = &after.parent else { return Ok(()) };
        let parent = self.parent(to)?;
        let below = self.with_children(&after.id);
        if below.contains(&parent.id) {
            return Err(CategoryError::BelowItself);
        }
        let deepest = below.iter().map(|id| self.depth(id)).max().unwrap_or_default();
        let height = deepest + 1 - self.depth(&after.id);
        if self.depth(to) + height > DEEPEST { Err(CategoryError::TooDeep) } else { Ok(()) }
    }

    /// Keeps one as it is now. What is below it and counts another way from now on has changed too.
    fn keep(&mut self, after: Category) {
        let kinds: Vec<_> =
            self.with_children(&after.id).into_iter().filter_map(|id| self.get(&id).map(kind_of)).collect();
        let id = after.id.clone();
        match system::CATEGORIES.iter().find(|category| category.id == id) {
            Some(system) => drop(self.kept.changes.insert(id.clone(), KeptChange::of(after, system))),
            None => drop(self.kept.own.insert(id.clone(), KeptCategory::of(after))),
        }
        self.regrow();
        for (below, before) in kinds {
            let Some(now) = self.get(&below).map(|category| category.kind) else { continue };
            let Some(kept) = self.kept.own.get_mut(&below).filter(|_| now != before) else { continue };
            kept.kind = now;
            kept.revision += u64::from(below != id);
        }
        self.regrow();
    }
}

fn kind_of(category: &Category) -> (CategoryId, Kind) {
    (category.id.clone(), category.kind)
}

impl super::KeptTree {
    /// From now on a deleted one, and whatever meant it, means another; or nothing.
    fn means(&mut self, id: &CategoryId, other: Option<CategoryId>, has_room: bool) {
        let Some(other) = other else {
            self.moves.retain(|_, to| to != id);
            return;
        };
        for to in self.moves.values_mut().filter(|to| *to == id) {
            *to = other.clone();
        }
        if has_room {
            self.moves.insert(id.clone(), other);
        }
    }
}

impl KeptCategory {
    fn of(category: Category) -> Self {
        let Category { name, parent, kind, colour, icon, is_active, revision, id: _, is_system: _ } =
            category;
        Self { name, parent, kind, colour, icon, is_inactive: !is_active, revision }
    }
}

impl KeptChange {
    /// Only what is different, so that what is not follows the system's set.
    fn of(now: Category, system: &Category) -> Self {
        Self {
            name: Some(now.name).filter(|name| *name != system.name),
            colour: Some(now.colour).filter(|colour| *colour != system.colour),
            icon: Some(now.icon).filter(|icon| *icon != system.icon),
            is_inactive: !now.is_active,
            revision: now.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::category::KeptTree;

    fn id(text: &str) -> CategoryId {
        text.parse().unwrap()
    }

    fn new(own: &str, name: &str, parent: Option<&str>) -> NewCategory {
        NewCategory {
            id: id(own),
            name: name.parse().unwrap(),
            parent: parent.map(id),
            kind: parent.is_none().then_some(Kind::Income),
            colour: None,
            icon: None,
        }
    }

    fn tree(all: &[(&str, &str, Option<&str>)]) -> Tree {
        let mut tree = Tree::system();
        for (own, name, parent) in all {
            tree.add(&new(own, name, *parent)).unwrap();
        }
        tree
    }

    fn named(name: &str) -> CategoryChange {
        CategoryChange { name: Some(name.parse().unwrap()), ..CategoryChange::default() }
    }

    fn below(parent: &str) -> CategoryChange {
        CategoryChange { parent: Edit::Set(id(parent)), ..CategoryChange::default() }
    }

    fn active(is_active: bool) -> CategoryChange {
        CategoryChange { is_active: Some(is_active), ..CategoryChange::default() }
    }

    #[test]
    fn a_new_one_looks_and_counts_as_its_parent() {
        let tree = tree(&[("cat_a", "Trips", Some("s_travel")), ("cat_b", "Gifts received", None)]);
        let (trips, travel) = (tree.get(&id("cat_a")).unwrap(), tree.get(&id("s_travel")).unwrap());
        assert_eq!(
            (&trips.colour, &trips.icon, trips.kind, trips.revision),
            (&travel.colour, &travel.icon, Kind::Expense, 1)
        );
        let gifts = tree.get(&id("cat_b")).unwrap();
        assert_eq!(
            (gifts.colour.as_str(), gifts.icon.as_str(), gifts.kind),
            ("#757575", "tag", Kind::Income)
        );
    }

    #[test]
    fn what_may_not_be_made_is_told_why() {
        let mut tree = tree(&[
            ("cat_2", "Two", Some("s_travel_flights")),
            ("cat_3", "Three", Some("cat_2")),
            ("cat_x", "Asleep", None),
        ]);
        tree.change(&id("cat_x"), &active(false), None).unwrap();
        let before = tree.clone();
        let of_kind = |kind, new: NewCategory| NewCategory { kind, ..new };
        for (new, error) in [
            (new("cat_n", "Deep", Some("cat_3")), CategoryError::TooDeep),
            (new("cat_n", "N", Some("cat_gone")), CategoryError::NoParent),
            (new("cat_n", "N", Some("cat_x")), CategoryError::NoParent),
            (of_kind(None, new("cat_n", "N", None)), CategoryError::NoKind),
            (of_kind(Some(Kind::Income), new("cat_n", "N", Some("s_travel"))), CategoryError::OtherKind),
            (new("cat_n", " asleep", None), CategoryError::Exists),
            (new("cat_n", "TRAVEL", None), CategoryError::Exists),
            (new("cat_n", "flights", Some("s_travel")), CategoryError::Exists),
        ] {
            assert_eq!(tree.add(&new), Err(error), "{new:?}");
        }
        assert_eq!(tree, before);
        tree.add(&new("cat_n", "Travel", Some("s_travel"))).unwrap();
        let made = tree.clone();
        // The same request again.
        tree.add(&new("cat_n", "Travel", Some("s_travel"))).unwrap();
        assert_eq!(tree, made);
    }

    #[test]
    fn a_household_has_a_bound() {
        let mut tree = Tree::system();
        for n in 0..MOST_OWN {
            tree.add(&new(&format!("cat_{n}"), &format!("Own {n}"), None)).unwrap();
        }
        assert_eq!(tree.add(&new("cat_n", "More", None)), Err(CategoryError::TooMany));
        let mut many = Tree::system();
        many.kept.moves = (0..MOST_MOVES).map(|n| (id(&format!("cat_{n}")), id("s_travel"))).collect();
        many.add(&new("cat_n", "More", Some("s_income"))).unwrap();
        let refused = many.delete(&id("cat_n"), Some(&id("s_travel")), None);
        assert_eq!(refused, Err(CategoryError::TooManyMoves));
        // One that nothing has needs no memory.
        many.delete(&id("cat_n"), None, None).unwrap();
        assert_eq!(many.resolve(&id("cat_n")), None);
        assert_eq!(many.add(&new("cat_1", "Again", None)), Err(CategoryError::NotThere));
    }

    #[test]
    fn a_change_counts_once_and_only_if_it_makes_a_difference() {
        let mut tree = tree(&[("cat_a", "Trips", Some("s_travel"))]);
        let a = id("cat_a");
        tree.change(&a, &named("Journeys"), Some(1)).unwrap();
        tree.change(&a, &named("Journeys"), Some(2)).unwrap();
        assert_eq!(tree.get(&a).unwrap().revision, 2);
        assert_eq!(tree.change(&a, &named("Trips"), Some(1)), Err(CategoryError::Stale));
        assert_eq!(tree.change(&id("cat_x"), &named("Trips"), None), Err(CategoryError::NotThere));
        assert_eq!(tree.change(&a, &named("flights"), None), Err(CategoryError::Exists));
        tree.change(&a, &named("JOURNEYS"), None).unwrap();
        assert_eq!(tree.get(&a).unwrap().name.as_str(), "JOURNEYS");
    }

    #[test]
    fn a_namesake_that_came_with_the_systems_set_keeps_nothing_from_changing() {
        let own = serde_json::json!({"n": "FLIGHTS", "p": "s_travel", "k": "expense", "c": "#000000", "i": "x", "r": 1});
        let kept: KeptTree = serde_json::from_value(serde_json::json!({"o": {"cat_a": own}})).unwrap();
        let mut tree = Tree::of(1, kept).unwrap();
        tree.change(&id("cat_a"), &active(false), None).unwrap();
        assert!(!tree.get(&id("cat_a")).unwrap().is_active);
        assert_eq!(tree.change(&id("cat_a"), &named("flights"), None), Err(CategoryError::Exists));
    }

    #[test]
    fn one_of_the_system_changes_but_stays_where_it_is() {
        let mut tree = Tree::system();
        let flights = id("s_travel_flights");
        tree.change(&flights, &named("Flying"), Some(1)).unwrap();
        tree.change(&flights, &active(false), Some(2)).unwrap();
        let now = tree.get(&flights).unwrap();
        assert_eq!((now.name.as_str(), now.is_active, now.revision), ("Flying", false, 3));
        // What was not changed is not kept.
        assert_eq!(
            serde_json::to_value(tree.kept()).unwrap(),
            serde_json::json!({"s": {"s_travel_flights": {"n": "Flying", "x": true, "r": 3}}})
        );
        assert_eq!(tree.change(&flights, &below("s_income"), None), Err(CategoryError::System));
        assert_eq!(tree.delete(&flights, Some(&id("s_travel")), None), Err(CategoryError::System));
    }

    #[test]
    fn what_moves_takes_along_what_is_below_it() {
        let mut tree = tree(&[
            ("cat_a", "A", Some("s_travel")),
            ("cat_b", "B", Some("cat_a")),
            ("cat_c", "C", Some("s_income_salary")),
            ("cat_d", "D", Some("cat_c")),
        ]);
        assert_eq!(tree.change(&id("cat_a"), &below("cat_b"), None), Err(CategoryError::BelowItself));
        assert_eq!(tree.change(&id("cat_a"), &below("cat_a"), None), Err(CategoryError::BelowItself));
        assert_eq!(tree.change(&id("cat_a"), &below("cat_c"), None), Err(CategoryError::TooDeep));
        assert_eq!(tree.change(&id("cat_a"), &below("cat_x"), None), Err(CategoryError::NoParent));
        tree.change(&id("cat_a"), &below("s_income"), Some(1)).unwrap();
        let stands = |tree: &Tree, own: &str| {
            let category = tree.get(&id(own)).unwrap();
            (category.kind, category.revision)
        };
        assert_eq!((stands(&tree, "cat_a"), stands(&tree, "cat_b")), ((Kind::Income, 2), (Kind::Income, 2)));
        // At the top it counts as it did.
        let to_top = CategoryChange { parent: Edit::Clear, ..CategoryChange::default() };
        tree.change(&id("cat_a"), &to_top, None).unwrap();
        assert_eq!((stands(&tree, "cat_a"), stands(&tree, "cat_b")), ((Kind::Income, 3), (Kind::Income, 2)));
    }

    #[test]
    fn a_deleted_one_means_another_whatever_becomes_of_that() {
        let mut tree = tree(&[("cat_a", "A", None), ("cat_b", "B", Some("cat_a")), ("cat_c", "C", None)]);
        let means = |tree: &Tree, own: &str| tree.resolve(&id(own)).map(|to| to.id.to_string());
        assert_eq!(tree.delete(&id("cat_a"), Some(&id("cat_c")), None), Err(CategoryError::HasChildren(1)));
        for nowhere in ["cat_b", "cat_x"] {
            assert_eq!(tree.delete(&id("cat_b"), Some(&id(nowhere)), None), Err(CategoryError::NoTarget));
        }
        assert_eq!(tree.delete(&id("cat_b"), None, Some(9)), Err(CategoryError::Stale));
        // Unused: it means its parent.
        tree.delete(&id("cat_b"), None, Some(1)).unwrap();
        assert_eq!(means(&tree, "cat_b").as_deref(), Some("cat_a"));
        tree.delete(&id("cat_a"), Some(&id("cat_c")), None).unwrap();
        assert_eq!(
            (means(&tree, "cat_a").as_deref(), means(&tree, "cat_b").as_deref()),
            (Some("cat_c"), Some("cat_c"))
        );
        assert_eq!(tree.names_of(&id("cat_c")).len(), 3);
        assert_eq!(tree.delete(&id("cat_a"), None, None), Err(CategoryError::NotThere));
        // Unused and at the top: nothing is left of it.
        tree.delete(&id("cat_c"), None, None).unwrap();
        assert_eq!((means(&tree, "cat_a"), tree.kept().clone()), (None, KeptTree::default()));
    }

    #[derive(Debug, Clone)]
    enum Command {
        Add { own: usize, name: u8, parent: Option<usize> },
        Change { at: usize, name: u8, is_active: bool, parent: Edit<usize> },
        Delete { at: usize, to: Option<usize> },
    }

    /// Some own ones, some of the system's, and one that never is.
    const PLACES: [&str; 12] = [
        "cat_0",
        "cat_1",
        "cat_2",
        "cat_3",
        "cat_4",
        "cat_5",
        "cat_6",
        "cat_7",
        "s_income",
        "s_travel",
        "s_travel_flights",
        "cat_x",
    ];

    fn parent() -> impl Strategy<Value = Edit<usize>> {
        prop_oneof![Just(Edit::Keep), Just(Edit::Clear), (0..PLACES.len()).prop_map(Edit::Set)]
    }

    fn command() -> impl Strategy<Value = Command> {
        let place = || 0..PLACES.len();
        prop_oneof![
            3 => (0..8_usize, 0..6_u8, proptest::option::of(place()))
                .prop_map(|(own, name, parent)| Command::Add { own, name, parent }),
            3 => (place(), 0..6_u8, any::<bool>(), parent())
                .prop_map(|(at, name, is_active, parent)| Command::Change { at, name, is_active, parent }),
            2 => (place(), proptest::option::of(place())).prop_map(|(at, to)| Command::Delete { at, to }),
        ]
    }

    fn carry_out(tree: &mut Tree, command: &Command) -> Result<(), CategoryError> {
        let place = |n: &usize| id(PLACES[*n]);
        let name = |n: &u8| format!("Name {n}");
        match command {
            Command::Add { own, name: n, parent } => {
                tree.add(&new(PLACES[*own], &name(n), parent.as_ref().map(|n| PLACES[*n])))
            }
            Command::Change { at, name: n, is_active, parent } => {
                let parent = match parent {
                    Edit::Keep => Edit::Keep,
                    Edit::Clear => Edit::Clear,
                    Edit::Set(n) => Edit::Set(place(n)),
                };
                let change = CategoryChange {
                    name: Some(name(n).parse().unwrap()),
                    is_active: Some(*is_active),
                    parent,
                    ..CategoryChange::default()
                };
                tree.change(&place(at), &change, None)
            }
            Command::Delete { at, to } => tree.delete(&place(at), to.as_ref().map(place).as_ref(), None),
        }
    }

    fn is_sound(tree: &Tree) {
        let mut seen = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        for category in tree.all() {
            let parent = category.parent.as_ref().map(|parent| tree.get(parent).unwrap());
            assert!(parent.is_none_or(|parent| seen.contains(&parent.id) && parent.kind == category.kind));
            assert!(tree.depth(&category.id) <= DEEPEST, "{category:?}");
            assert!(names.insert((category.parent.clone(), category.name.folded())), "{category:?}");
            assert!(seen.insert(category.id.clone()));
        }
        for (from, to) in &tree.kept.moves {
            assert!(tree.get(from).is_none());
            assert_eq!(tree.resolve(from).map(|category| &category.id), Some(to));
        }
    }

    proptest! {
        #[test]
        fn whatever_people_do_it_stays_a_tree(commands in vec(command(), 1..60)) {
            let mut tree = Tree::system();
            for command in &commands {
                let before = tree.clone();
                if carry_out(&mut tree, command).is_err() {
                    prop_assert_eq!(&tree, &before);
                }
                is_sound(&tree);
                let deleted_nothing_twice = before.kept.moves.keys().all(|from| tree.get(from).is_none());
                prop_assert!(deleted_nothing_twice);
            }
            let kept = serde_json::to_vec(tree.kept()).unwrap();
            prop_assert_eq!(Tree::of(0, serde_json::from_slice(&kept).unwrap()), Ok(tree));
        }
    }
}
