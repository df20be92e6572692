//! What a caller sees.

use domain::{
    store::Hints,
    sync::{Cause, Outcome},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        categories: world.store.clone(),
    };
    body(acting!(handle(&deps, request(user, &[], query, &Value::Null))).await)
}

#[tokio::test]
async fn each_connection_says_how_it_is_and_what_to_do_next() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    let (status, answer) = call(&world, "alice", "").await;
    let item = &answer["items"][0];
    assert_eq!((status, item["id"].as_str()), (200, Some(at.item.as_str())), "{answer}");
    assert_eq!((&item["health"], &item["next_action"]), (&json!("healthy"), &json!("none")), "{answer}");
    assert_eq!(item["account_ids"].as_array().unwrap().len(), 3);
    assert_eq!(item["institution_name"], "First Platypus Bank");

    let until = Timestamp::now() + std::time::Duration::from_hours(100);
    world.store.expires(&at, "PENDING_DISCONNECT", until, Timestamp::now()).await.unwrap();
    let item = call(&world, "carol", "").await.1["items"][0].clone();
    assert_eq!((&item["health"], &item["next_action"]), (&json!("expiring"), &json!("repair")), "{item}");
    assert_eq!(item["expires_at"], json!(until));

    world.call_plaid("/sandbox/item/reset_login", &json!({"access_token": token.expose()})).await;
    assert!(matches!(world.run(&at, Cause::Webhook).await, Outcome::Failed(_)));
    let item = call(&world, "alice", "").await.1["items"][0].clone();
    assert_eq!((&item["health"], &item["next_action"]), (&json!("needs_login"), &json!("repair")), "{item}");
    assert!(item["message"].as_str().unwrap().contains("log in again"), "{item}");
    assert_eq!(item["expires_at"], Value::Null);
}

#[tokio::test]
async fn nobody_sees_those_of_others() {
    let world = World::new().await;
    world.item("user_good", "pass_good").await;
    let query = format!("household_id={}", world.household);
    assert_eq!(call(&world, "bob", &query).await.0, 404);
    assert_eq!(call(&world, "bob", "").await, (200, json!({"items": []})));
    assert_eq!(call(&world, "alice", "household_id=x").await.1["errors"][0]["field"], "household_id");
    assert_eq!(call(&world, "alice", "user=x").await.0, 400);
}
