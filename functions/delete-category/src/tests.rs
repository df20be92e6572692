//! What a caller sees, and what transactions are of afterwards.

use domain::{
    category::{Categories, CategoryChange, Kind, NewCategory, Source, create, update},
    edit::{Change, TransactionEdits},
    ids::{CategoryId, HouseholdId, ItemRef, TransactionId},
    sync::{Cause, Edit},
};
use edge::http::Request;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps { memberships: world.store.clone(), categories: world.store.clone(), uses: world.store.clone() }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn delete(user: &str, id: &CategoryId, query: &str) -> Request {
    request(user, &[("category_id", id.as_str())], query, &Value::Null)
}

/// One of a household's own.
async fn own(world: &World, household: &HouseholdId, n: u8, parent: Option<&CategoryId>) -> CategoryId {
    let new = NewCategory {
        id: CategoryId::from_entropy([n; 10]),
        name: format!("Own {n}").parse().unwrap(),
        parent: parent.cloned(),
        kind: parent.is_none().then_some(Kind::Income),
        colour: None,
        icon: None,
    };
    create(&*world.store, household, &new).await.unwrap().id
}

/// Some transactions that a person gave a category.
async fn transactions(world: &World, category: &CategoryId) -> (ItemRef, Vec<TransactionId>) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let ids = ["2026-01-05", "2026-02-05"].map(|date| {
        let change = serde_json::from_value(json!({"change": "add", "date": date})).unwrap();
        world.sandbox.world().change(&plaid_item, &change).unwrap().parse().unwrap()
    });
    world.run(&at, Cause::Night).await;
    for id in &ids {
        let change = Change { category: Edit::Set(category.clone()), ..Change::default() };
        world.store.edit(&at, id, &change, None).await.unwrap();
    }
    (at, ids.to_vec())
}

#[tokio::test]
async fn who_may_delete_a_category() {
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 200, 200, 200]) {
        let world = World::new().await;
        let household = circle(&world).await;
        let id = own(&world, &household, 1, None).await;
        let (status, answer) = call(&world, delete(user, &id, "")).await;
        assert_eq!(status, expected, "{user}: {answer}");
        let is_there = world.store.tree(&household).await.unwrap().get(&id).is_some();
        assert_eq!(is_there, expected != 200, "{user}");
    }
}

#[tokio::test]
async fn one_in_use_says_of_how_many_and_goes_with_a_word_where_to() {
    let world = World::new().await;
    let [old, new] =
        [own(&world, &world.household, 1, None).await, own(&world, &world.household, 2, None).await];
    let (at, ids) = transactions(&world, &old).await;
    let (status, answer) = call(&world, delete("alice", &old, "")).await;
    assert_eq!((status, &answer["code"], &answer["count"]), (409, &json!("category_in_use"), &json!(2)));
    assert!(world.store.tree(&world.household).await.unwrap().get(&old).is_some());

    world.aws.take_calls();
    let (status, answer) = call(&world, delete("alice", &old, &format!("move_to={new}"))).await;
    let expected = json!({
        "household_id": world.household.as_str(), "category_id": old.as_str(), "status": "deleted",
        "moved_to": new.as_str(),
    });
    assert_eq!((status, answer), (200, expected));
    let calls = world.aws.take_calls();
    assert_eq!(
        (calls.get("TransactWriteItems"), calls.get("UpdateItem")),
        (Some(&1), None),
        "one write: {calls:?}"
    );
    let tree = world.store.tree(&world.household).await.unwrap();
    for id in &ids {
        // What the person wrote stands as it was, and means the other one.
        let half = world.store.half(&at, id).await.unwrap().unwrap();
        let counts = tree.effective(half.category.as_ref(), None).unwrap();
        assert_eq!((half.rev, &counts.category.id, counts.source), (1, &new, Source::Person));
    }
    assert_eq!(call(&world, delete("alice", &old, "")).await.1["code"], "category_not_found");
    // What was moved there is in use as well.
    let (status, answer) = call(&world, delete("alice", &new, "")).await;
    assert_eq!((status, &answer["count"]), (409, &json!(2)));
}

#[tokio::test]
async fn one_that_nothing_has_goes_by_itself() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, None).await;
    let stale = with_header(delete("alice", &id, ""), "if-match", "\"2\"");
    assert_eq!(call(&world, stale).await.1["code"], "precondition_failed");
    let (status, answer) = call(&world, with_header(delete("alice", &id, ""), "if-match", "\"1\"")).await;
    assert_eq!((status, &answer["status"], &answer["moved_to"]), (200, &json!("deleted"), &Value::Null));
}

#[tokio::test]
async fn what_may_not_be_deleted_is_told_why() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, None).await;
    let below = own(&world, &world.household, 2, Some(&id)).await;
    let asleep = own(&world, &world.household, 3, None).await;
    let change = CategoryChange { is_active: Some(false), ..CategoryChange::default() };
    update(&*world.store, &world.household, &asleep, &change, None).await.unwrap();
    let theirs = own(&world, &world.other_household, 4, None).await;
    let missing = CategoryId::from_entropy([9; 10]);

    let (status, answer) = call(&world, delete("alice", &id, "")).await;
    assert_eq!(
        (status, &answer["code"], &answer["count"]),
        (409, &json!("category_has_children"), &json!(1))
    );
    let system = "s_travel".parse().unwrap();
    assert_eq!(call(&world, delete("alice", &system, "move_to=s_income")).await.1["code"], "system_category");
    for target in [&below, &asleep, &theirs, &missing] {
        let (status, answer) = call(&world, delete("alice", &below, &format!("move_to={target}"))).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("move_to")), "{answer}");
    }
    for query in ["household_id=x", "move=s_travel", "move_to=s_travel&move_to=s_income"] {
        assert_eq!(call(&world, delete("alice", &below, query)).await.0, 400, "{query}");
    }
    for nobodys in [&missing, &theirs] {
        assert_eq!(call(&world, delete("alice", nobodys, "")).await.1["code"], "category_not_found");
    }
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, delete("alice", &below, "")).await.1["code"], "store_unavailable");
    world.aws.heal();
    let tree = world.store.tree(&world.household).await.unwrap();
    assert!([&id, &below, &asleep].iter().all(|id| tree.get(id).is_some()));
}

#[tokio::test]
async fn uses_that_cannot_be_counted_delete_nothing() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, None).await;
    transactions(&world, &id).await;
    // The first query is for the caller's places.
    world.aws.fault("Query", 1, 9, Fault::Refuse);
    assert_eq!(call(&world, delete("alice", &id, "")).await.1["code"], "store_unavailable");
    assert!(world.store.tree(&world.household).await.unwrap().get(&id).is_some());
}
