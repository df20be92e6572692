//! What a caller sees.

use std::sync::Arc;

use domain::category::{Categories, KeptTree, MOST_OWN, Tree};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        categories: world.store.clone(),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn create(body: &Value) -> Request {
    request("alice", &[], "", body)
}

/// How many there are of the household's own.
async fn own(world: &World) -> usize {
    let tree = world.store.tree(&world.household).await.unwrap();
    tree.all().filter(|category| !category.is_system).count()
}

#[tokio::test]
async fn who_may_make_a_category() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 201, 201, 201]) {
        let asked = json!({"household_id": id.as_str(), "name": user, "type": "expense"});
        let (status, answer) = call(&world, request(user, &[], "", &asked)).await;
        assert_eq!(status, expected, "{user}: {answer}");
    }
}

#[tokio::test]
async fn a_category_is_made_as_it_was_asked_for() {
    let world = World::new().await;
    let asked =
        json!({"name": "  Swimming ", "parent_id": "s_personal_care", "color": "#1f77b4", "icon": "pool"});
    let reply = acting!(handle(&deps(&world), create(&asked))).await.unwrap();
    assert_eq!((reply.status, reply.headers), (201, vec![("etag", "\"1\"".to_owned())]));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let id = answer["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "household_id": world.household.as_str(), "name": "Swimming", "parent_id": "s_personal_care",
        "type": "expense", "color": "#1F77B4", "icon": "pool", "is_system": false, "is_active": true, "revision": 1,
    });
    assert!(id.starts_with("cat_"));
    assert_eq!(answer, expected);
    let stored = world.store.tree(&world.household).await.unwrap();
    assert!(stored.get(&id.parse().unwrap()).is_some_and(|category| category.name.as_str() == "Swimming"));
    // At the top, with nothing said of its looks.
    let (status, answer) = call(&world, create(&json!({"name": "Presents", "type": "income"}))).await;
    assert_eq!((status, &answer["parent_id"], &answer["type"]), (201, &Value::Null, &json!("income")));
    assert_eq!((&answer["color"], &answer["icon"]), (&json!("#757575"), &json!("tag")));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_makes_nothing() {
    let world = World::new().await;
    let long = "x".repeat(61);
    for (body, field) in [
        (json!({"type": "income"}), "name"),
        (json!({"name": " ", "type": "income"}), "name"),
        (json!({"name": long, "type": "income"}), "name"),
        (json!({"name": "a\u{0}b", "type": "income"}), "name"),
        (json!({"name": "x"}), "type"),
        (json!({"name": "x", "type": "Income"}), "type"),
        (json!({"name": "x", "type": "income", "parent_id": "s_travel"}), "type"),
        (json!({"name": "x", "parent_id": "cat_0000000000000000"}), "parent_id"),
        (json!({"name": "x", "parent_id": ""}), "parent_id"),
        (json!({"name": "x", "type": "income", "color": "red"}), "color"),
        (json!({"name": "x", "type": "income", "icon": "<svg>"}), "icon"),
        (json!({"name": "x", "type": "income", "household_id": "x"}), "household_id"),
        (json!({"name": "x", "type": "income", "is_system": true}), "is_system"),
        (json!({"name": "x", "type": "income", "id": "cat_0000000000000000"}), "id"),
    ] {
        let (status, answer) = call(&world, create(&body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    let asked = json!({"name": "x", "type": "income"});
    assert_eq!(call(&world, request("alice", &[], "name=x", &asked)).await.0, 400);
    let theirs = json!({"household_id": world.other_household.as_str(), "name": "x", "type": "income"});
    assert_eq!(call(&world, create(&theirs)).await.1["code"], "household_not_found");
    assert_eq!(own(&world).await, 0);
}

#[tokio::test]
async fn a_line_has_four_and_siblings_have_different_names() {
    let world = World::new().await;
    let mut parent = "s_travel_flights".to_owned();
    for depth in [3, 4] {
        let (status, answer) = call(&world, create(&json!({"name": "Deeper", "parent_id": parent}))).await;
        assert_eq!(status, 201, "{depth}: {answer}");
        parent = answer["id"].as_str().unwrap().to_owned();
    }
    let (status, answer) = call(&world, create(&json!({"name": "Deeper", "parent_id": parent}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("parent_id")));
    let same = create(&json!({"name": "DEEPER", "parent_id": "s_travel_flights"}));
    assert_eq!(call(&world, same).await.1["code"], "category_exists");
}

#[tokio::test]
async fn who_has_many_gets_no_more() {
    let world = World::new().await;
    let category = |n: usize| {
        let name = format!("cat_{n:016}");
        (name.clone(), json!({"n": name, "k": "expense", "c": "#000000", "i": "x", "r": 1}))
    };
    let all: serde_json::Map<String, Value> = (0..MOST_OWN).map(category).collect();
    let kept: KeptTree = serde_json::from_value(json!({"o": all})).unwrap();
    assert!(world.store.save(&world.household, &Tree::of(0, kept).unwrap()).await.unwrap());
    let more = create(&json!({"name": "More", "type": "expense"}));
    assert_eq!(call(&world, more).await.1["code"], "too_many_categories");
}

#[tokio::test]
async fn killed_anywhere_the_same_request_makes_the_same_category_once() {
    for call in ["Query", "TransactWriteItems", "UpdateItem"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = World::new().await;
            let deps = deps(&world);
            // Its time is over when the next one comes.
            let asked = create(&json!({"name": "Swimming", "type": "expense"}));
            let mut keyed = with_header(asked, "idempotency-key", "k");
            keyed.deadline = Timestamp::UNIX_EPOCH;
            world.aws.fault(call, 0, 1, fault);
            tokio::select! {
                outcome = acting!(handle(&deps, keyed.clone())) => panic!("{call}: {outcome:?}"),
                () = world.aws.hung() => {}
            }
            world.aws.heal();
            let (status, first) = body(acting!(handle(&deps, keyed.clone())).await);
            assert_eq!(status, 201, "{call} {fault:?}: {first}");
            assert_eq!(own(&world).await, 1, "{call} {fault:?}");
            assert_eq!(body(acting!(handle(&deps, keyed)).await), (201, first));
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_is_said_and_the_key_is_good_for_another_try() {
    let world = World::new().await;
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let asked = json!({"name": "Swimming", "type": "expense"});
    let keyed = || with_header(create(&asked), "idempotency-key", "k");
    assert_eq!(call(&world, keyed()).await.1["code"], "store_unavailable");
    world.aws.heal();
    assert_eq!(call(&world, keyed()).await.0, 201);
    assert_eq!(own(&world).await, 1);
}
