//! What a caller sees.

use domain::household::{HouseholdEnds, Households};
use edge::http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps { memberships: world.store.clone(), households: world.store.clone() }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn rename(user: &str, household: &str, name: &str) -> Request {
    request(user, &[("household_id", household)], "", &json!({"name": name}))
}

#[tokio::test]
async fn who_may_name_a_household() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 403, 200, 200]) {
        let (status, answer) = call(&world, rename(user, id.as_str(), user)).await;
        assert_eq!(status, expected, "{user}: {answer}");
    }
    let [named] = world.store.households(&[id]).await.unwrap().try_into().unwrap();
    assert_eq!((named.name.as_str(), named.revision), ("owner", 3));
}

#[tokio::test]
async fn a_name_that_was_changed_meanwhile_is_not_overwritten() {
    let world = World::new().await;
    let id = world.household.as_str();
    let first =
        acting!(handle(&deps(&world), with_header(rename("alice", id, "One"), "if-match", "\"1\""))).await;
    assert_eq!(first.unwrap().headers, vec![("etag", "\"2\"".to_owned())]);
    for stale in ["\"1\"", "W/\"2\"", "2"] {
        let (status, answer) = call(&world, with_header(rename("alice", id, "Two"), "if-match", stale)).await;
        assert_eq!((status, &answer["code"]), (412, &json!("precondition_failed")), "{stale}");
    }
    let any = call(&world, with_header(rename("alice", id, "Three"), "if-match", "*")).await.1;
    assert_eq!((&any["name"], &any["revision"]), (&json!("Three"), &json!(3)));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let id = world.household.to_string();
    let with = |body: Value| request("alice", &[("household_id", &id)], "", &body);
    for (body, field) in
        [(json!({"name": ""}), "name"), (json!({}), "name"), (json!({"name": "x", "id": "hh_1"}), "id")]
    {
        let (status, answer) = call(&world, with(body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)));
    }
    for household in [world.other_household.as_str(), "hh_0000000000000000", "x"] {
        assert_eq!(call(&world, rename("alice", household, "Mine")).await.1["code"], "household_not_found");
    }
    world.aws.fault("UpdateItem", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, rename("alice", &id, "Mine")).await.1["code"], "store_unavailable");
    world.aws.heal();
    world.store.begin(&"alice".parse().unwrap(), &world.household, None, Timestamp::now()).await.unwrap();
    assert_eq!(call(&world, rename("alice", &id, "Mine")).await.0, 404);
}
