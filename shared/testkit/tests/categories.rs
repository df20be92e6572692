//! A household's categories in the store: whoever changes them at the same time, and what is of them.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use domain::{
    category::{
        Categories, CategoryChange, CategoryError, CategoryUses, Kind, MOST_MOVES, MOST_OWN, NewCategory,
        Tree, create, delete, update,
    },
    edit::{Change, Edited, Orphans, TransactionEdits},
    household::HouseholdEnds,
    ids::{CategoryId, HouseholdId, ItemRef, TransactionId},
    store::StoreError,
    sync::{Cause, Edit},
};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Fault, World};

fn id(n: usize) -> CategoryId {
    let mut entropy = [0; 10];
    entropy.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
    CategoryId::from_entropy(entropy)
}

fn known(text: &str) -> CategoryId {
    text.parse().unwrap()
}

fn new(n: usize, name: &str, parent: Option<&CategoryId>) -> NewCategory {
    NewCategory {
        id: id(n),
        name: name.parse().unwrap(),
        parent: parent.cloned(),
        kind: parent.is_none().then_some(Kind::Expense),
        colour: None,
        icon: None,
    }
}

async fn made(world: &World, n: usize, parent: Option<&CategoryId>) -> CategoryId {
    let new = new(n, &format!("Own {n}"), parent);
    create(&*world.store, &world.household, &new).await.unwrap().id
}

async fn tree(world: &World) -> Tree {
    world.store.tree(&world.household).await.unwrap()
}

#[tokio::test]
async fn a_tree_is_kept_under_the_revision_that_was_read() {
    let world = World::new().await;
    let read = tree(&world).await;
    assert_eq!(read, Tree::system());
    let with = |tree: &Tree, n: usize| {
        let mut tree = tree.clone();
        tree.add(&new(n, &format!("Own {n}"), None)).unwrap();
        tree
    };
    assert!(world.store.save(&world.household, &with(&read, 1)).await.unwrap());
    let first = tree(&world).await;
    assert!(first.get(&id(1)).is_some());
    // Somebody else was faster.
    assert!(!world.store.save(&world.household, &with(&read, 2)).await.unwrap());
    // The same write again, whose answer was lost.
    assert!(world.store.save(&world.household, &with(&read, 1)).await.unwrap());
    assert!(world.store.save(&world.household, &with(&first, 2)).await.unwrap());
    assert!(!world.store.save(&world.household, &with(&read, 1)).await.unwrap());
    let second = tree(&world).await;
    assert!(second.get(&id(1)).is_some() && second.get(&id(2)).is_some());
    assert_eq!(world.store.tree(&world.other_household).await.unwrap(), Tree::system());
}

#[tokio::test]
async fn twenty_at_once_are_all_there() {
    let world = World::new().await;
    join_all((0..20).map(|n| made(&world, n, None))).await;
    let tree = tree(&world).await;
    assert!((0..20).all(|n| tree.get(&id(n)).is_some()));
}

#[tokio::test]
async fn of_one_name_there_is_one_whoever_asks_at_the_same_time() {
    let world = World::new().await;
    let all: Vec<_> = (0..8).map(|n| new(n, "Swimming", None)).collect();
    let outcomes = join_all(all.iter().map(|new| create(&*world.store, &world.household, new))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|e| *e == CategoryError::Exists)
    );
}

#[tokio::test]
async fn nothing_hangs_below_what_is_deleted_or_below_itself_meanwhile() {
    let world = World::new().await;
    let store = &*world.store;
    let (a, b) = (made(&world, 1, None).await, made(&world, 2, None).await);
    let below = |parent: &CategoryId| CategoryChange {
        parent: Edit::Set(parent.clone()),
        ..CategoryChange::default()
    };
    let (to_b, to_a, travel) = (below(&b), below(&a), known("s_travel"));
    let outcomes = tokio::join!(
        update(store, &world.household, &a, &to_b, None),
        update(store, &world.household, &b, &to_a, None),
        delete(store, store, &world.household, &a, (Some(&travel), None)),
        delete(store, store, &world.household, &b, (Some(&travel), None)),
    );
    let tree = tree(&world).await;
    for category in tree.all() {
        assert!(category.parent.as_ref().is_none_or(|parent| tree.get(parent).is_some()), "{outcomes:?}");
    }
    assert!(tree.resolve(&a).is_some() && tree.resolve(&b).is_some());
}

#[tokio::test]
async fn the_largest_tree_there_may_be_is_kept_and_read() {
    let world = World::new().await;
    let own = |n: usize| {
        let name = format!("{n:060}");
        (id(n).to_string(), json!({"n": name, "k": "expense", "c": "#1F77B4", "i": "x".repeat(40), "r": 7}))
    };
    let all: serde_json::Map<String, Value> = (0..MOST_OWN).map(own).collect();
    let moves: serde_json::Map<String, Value> =
        (0..MOST_MOVES).map(|n| (id(n + MOST_OWN).to_string(), json!(id(n % MOST_OWN)))).collect();
    let kept = serde_json::from_value(json!({"o": all, "m": moves})).unwrap();
    let largest = Tree::of(0, kept).unwrap();
    assert!(world.store.save(&world.household, &largest).await.unwrap());
    assert_eq!(tree(&world).await.kept(), largest.kept());
    let key = json!({"pk": {"S": format!("H#{}", world.household)}, "sk": {"S": "CATEGORIES"}});
    let row =
        world.aws.ask("DynamoDB_20120810.GetItem", &json!({"TableName": "DataTable", "Key": key})).await;
    let packed = row["Item"]["z"]["B"].as_str().unwrap().len() / 4 * 3;
    assert!(packed < 64 << 10, "{packed} bytes");
}

#[tokio::test]
async fn a_failure_is_said_and_an_ending_household_keeps_nothing() {
    let world = World::new().await;
    let store = &*world.store;
    for operation in ["GetItem", "TransactWriteItems"] {
        world.aws.fault(operation, 0, 9, Fault::Refuse);
        let refused = create(store, &world.household, &new(1, "One", None)).await;
        let is_said = matches!(
            refused,
            Err(CategoryError::Access(domain::household::AccessError::Store(StoreError::Unavailable(_))))
        );
        assert!(is_said, "{operation}");
        world.aws.heal();
    }
    made(&world, 1, None).await;
    let alice = "alice".parse().unwrap();
    world.store.begin(&alice, &world.household, None, Timestamp::now()).await.unwrap();
    let late = create(store, &world.household, &new(2, "Two", None)).await;
    assert_eq!(late, Err(StoreError::Busy.into()));
    world.store.end(&world.household).await.unwrap();
    assert_eq!(tree(&world).await, Tree::system());
}

/// An item with transactions of two months, and their ids.
async fn transactions(world: &World) -> (ItemRef, Vec<TransactionId>) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let ids = ["2026-01-05", "2026-01-06", "2026-01-07", "2026-02-05", "2026-02-06"].map(|date| {
        let change = serde_json::from_value(json!({"change": "add", "date": date})).unwrap();
        world.sandbox.world().change(&plaid_item, &change).unwrap().parse().unwrap()
    });
    world.run(&at, Cause::Night).await;
    (at, ids.to_vec())
}

async fn write(world: &World, at: &ItemRef, transaction: &TransactionId, category: &CategoryId) {
    let change = Change { category: Edit::Set(category.clone()), ..Change::default() };
    let edited = world.store.edit(at, transaction, &change, None).await.unwrap();
    assert!(matches!(edited, Edited::Done { .. }), "{edited:?}");
}

/// Writes a transaction's parts, as edits of splits do.
async fn split(world: &World, at: &ItemRef, transaction: &TransactionId, category: &CategoryId) {
    let update = json!({
        "TableName": "DataTable",
        "Key": {"pk": {"S": format!("H#{}#I#{}", at.household, at.item)}, "sk": {"S": format!("T#{transaction}")}},
        "UpdateExpression": "SET us = :us",
        "ExpressionAttributeValues": {":us": {"L": [
            {"M": {"a": {"N": "1"}, "c": {"S": "s_travel"}}}, {"M": {"a": {"N": "2"}, "c": {"S": category}}},
        ]}},
    });
    world.aws.ask("DynamoDB_20120810.UpdateItem", &update).await;
}

async fn uses(world: &World, household: &HouseholdId, category: &CategoryId) -> u64 {
    let names = world.store.tree(household).await.unwrap().names_of(category);
    world.store.uses(household, &names).await.unwrap()
}

#[tokio::test]
async fn a_use_counts_once_on_the_whole_or_a_part_and_under_every_name() {
    let world = World::new().await;
    let store = &*world.store;
    let (at, ids) = transactions(&world).await;
    let [a, b, c] = [made(&world, 1, None).await, made(&world, 2, None).await, made(&world, 3, None).await];
    assert_eq!(uses(&world, &world.household, &a).await, 0);
    let [first, second, third, fourth, fifth] = ids.try_into().unwrap_or_else(|_| panic!("five"));
    write(&world, &at, &first, &a).await;
    write(&world, &at, &second, &b).await;
    write(&world, &at, &fourth, &a).await;
    split(&world, &at, &first, &a).await;
    split(&world, &at, &third, &a).await;
    world.aws.take_calls();
    assert_eq!((uses(&world, &world.household, &a).await, uses(&world, &world.household, &b).await), (3, 1));
    let calls = world.aws.take_calls();
    assert_eq!(calls.get("Query"), Some(&4), "the items are found, and each is read once: {calls:?}");
    assert_eq!(uses(&world, &world.other_household, &a).await, 0);

    let used = delete(store, store, &world.household, &a, (None, None)).await;
    assert_eq!(used, Err(CategoryError::InUse(3)));
    let moved = delete(store, store, &world.household, &a, (Some(&b), None)).await;
    assert_eq!(moved, Ok(Some(b.clone())));
    assert_eq!(uses(&world, &world.household, &b).await, 4);
    // What was moved there counts as well, and moves on with it.
    write(&world, &at, &second, &c).await;
    let used = delete(store, store, &world.household, &b, (None, None)).await;
    assert_eq!(used, Err(CategoryError::InUse(3)));
    delete(store, store, &world.household, &b, (Some(&c), None)).await.unwrap();
    let now = tree(&world).await;
    assert!([&a, &b].iter().all(|id| now.resolve(id).is_some_and(|to| to.id == c)));
    assert_eq!(uses(&world, &world.household, &c).await, 4);
    // One that nothing has goes by itself.
    let unused = made(&world, 4, None).await;
    assert_eq!(delete(store, store, &world.household, &unused, (None, None)).await, Ok(None));
    // What was written on one that went away can be moved: it counts.
    let last = made(&world, 5, None).await;
    write(&world, &at, &fifth, &last).await;
    let gone = json!({"change": "remove", "id": fifth.as_str()});
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    world.sandbox.world().change(&plaid_item, &serde_json::from_value(gone).unwrap()).unwrap();
    world.run(&at, Cause::Person).await;
    assert_eq!(store.orphans(&at).await.unwrap().len(), 1);
    let used = delete(store, store, &world.household, &last, (None, None)).await;
    assert_eq!(used, Err(CategoryError::InUse(1)));
}
