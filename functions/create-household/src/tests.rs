//! What a caller sees.

use std::sync::Arc;

use domain::household::{Households, MOST_HOUSEHOLDS, Memberships, NewHousehold, Role};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        households: world.store.clone(),
        clock: Arc::new(System),
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

fn named(name: &str) -> Request {
    request("dora", &[], "", &json!({"name": name}))
}

async fn own(world: &World) -> usize {
    world.store.memberships(&"dora".parse().unwrap()).await.unwrap().len()
}

#[tokio::test]
async fn whoever_makes_a_household_owns_it() {
    let world = World::new().await;
    let reply = acting!(handle(&deps(&world), named("  Holiday home "))).await.unwrap();
    assert_eq!((reply.status, reply.headers), (201, vec![("etag", "\"1\"".to_owned())]));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&answer["name"], &answer["role"]), (&json!("Holiday home"), &json!("owner")), "{answer}");
    let id = answer["id"].as_str().unwrap().parse().unwrap();
    let place = world.store.membership(&"dora".parse().unwrap(), &id).await.unwrap().unwrap();
    assert_eq!(place.role, Role::Owner);
    let [stored] = world.store.households(&[id]).await.unwrap().try_into().unwrap();
    assert_eq!(stored.name.as_str(), "Holiday home");
}

#[tokio::test]
async fn what_is_no_name_makes_nothing() {
    let world = World::new().await;
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({"name": 7}), "name"),
        (json!({}), "name"),
        (json!({"name": "x", "role": "owner"}), "role"),
        (json!({"name": "x", "owner": "alice"}), "owner"),
    ] {
        let (status, answer) = call(&world, request("dora", &[], "", &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    assert_eq!(call(&world, request("dora", &[], "id=hh_1", &json!({"name": "x"}))).await.0, 400);
    assert_eq!(own(&world).await, 0);
}

#[tokio::test]
async fn a_key_makes_one_household_however_many_requests_come_at_once() {
    let world = World::new().await;
    let deps = deps(&world);
    let mut asked = tokio::task::JoinSet::new();
    let deps = Arc::new(deps);
    for _ in 0..50 {
        let deps = deps.clone();
        asked.spawn(async move {
            body(acting!(handle(&deps, with_header(named("One"), "idempotency-key", "k"))).await)
        });
    }
    let mut answers = Vec::new();
    for (status, answer) in asked.join_all().await {
        match status {
            201 => answers.push(answer),
            409 => assert_eq!(answer["code"], "request_in_progress"),
            other => unreachable!("{other}: {answer}"),
        }
    }
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(own(&world).await, 1);
    let again = acting!(handle(&deps, with_header(named("One"), "idempotency-key", "k"))).await.unwrap();
    assert_eq!(again.headers, vec![("etag", "\"1\"".to_owned())]);
    assert_eq!(serde_json::from_str::<Value>(&again.body).unwrap(), answers[0]);
}

#[tokio::test]
async fn killed_anywhere_the_same_request_makes_the_same_household_once() {
    for call in ["Query", "TransactWriteItems", "UpdateItem"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = World::new().await;
            let deps = deps(&world);
            // Its time is over when the next one comes.
            let mut keyed = with_header(named("One"), "idempotency-key", "k");
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
async fn who_has_many_gets_no_more() {
    let world = World::new().await;
    for n in 0..MOST_HOUSEHOLDS {
        let new = NewHousehold {
            id: domain::ids::HouseholdId::from_entropy([u8::try_from(n + 100).unwrap(); 10]),
            name: "One of many".parse().unwrap(),
            members: vec![("dora".parse().unwrap(), Role::Owner)],
            at: Timestamp::now(),
        };
        world.store.create(&new).await.unwrap();
    }
    assert_eq!(call(&world, named("More")).await.1["code"], "too_many_households");
}

#[tokio::test]
async fn a_store_that_fails_is_said_and_the_key_is_good_for_another_try() {
    let world = World::new().await;
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let keyed = || with_header(named("One"), "idempotency-key", "k");
    assert_eq!(call(&world, keyed()).await.1["code"], "store_unavailable");
    world.aws.heal();
    assert_eq!(call(&world, keyed()).await.0, 201);
    assert_eq!(own(&world).await, 1);
}
