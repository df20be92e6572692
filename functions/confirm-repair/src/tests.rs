//! What a caller sees while a worker does the work.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::ItemRef,
    sync::{Cause, Outcome, Trigger, sync},
};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request, with_header};

use crate::{Deps, handle};

/// Calls the endpoint with a worker beside it that serves its queue.
async fn call(world: &World, user: &str, item: &str, asked: &Value) -> (u16, Value) {
    send(world, request(user, &[("item_id", item)], "", asked)).await
}

async fn send(world: &World, request: Request) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        hints: world.store.clone(),
        queue: world.queue.clone(),
        clock: Arc::new(System),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    };
    let worker = async {
        loop {
            for (message, _) in world.queue.take() {
                let (at, want, cause) = (message.at, message.want, message.cause);
                let trigger = Trigger { at, want, cause, deadline: Timestamp::MAX, fresh_within: None };
                sync(&world.sync(), &trigger).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = acting!(handle(&deps, request)) => body(outcome),
        () = worker => unreachable!("the worker has no end"),
    }
}

async fn lost(world: &World) -> ItemRef {
    let (at, token) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    world.call_plaid("/sandbox/item/reset_login", &json!({"access_token": token.expose()})).await;
    assert!(matches!(world.run(&at, Cause::Webhook).await, Outcome::Failed(_)));
    at
}

fn change(world: &World, change: &Value) {
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    world.sandbox.world().change(&plaid_item, &serde_json::from_value(change.clone()).unwrap()).unwrap();
}

#[tokio::test]
async fn after_a_repair_the_item_works_under_the_same_ids() {
    let world = World::new().await;
    let at = lost(&world).await;
    let before = call(&world, "alice", at.item.as_str(), &Value::Null).await;
    assert_eq!((before.0, &before.1["code"]), (409, &json!("item_needs_attention")), "{before:?}");
    assert_eq!(before.1["plaid_code"], "ITEM_LOGIN_REQUIRED");
    change(&world, &json!({"change": "repair"}));
    // The bank granted the accounts anew: they have new ids there.
    change(&world, &json!({"change": "renumber_accounts"}));
    let (status, answer) = call(&world, "alice", at.item.as_str(), &json!({})).await;
    assert_eq!((status, &answer["health"]), (200, &json!("healthy")), "{answer}");
    assert_eq!(answer["account_ids"].as_array().unwrap().len(), 3, "the old ones, and no new one");
}

#[tokio::test]
async fn only_members_who_may_connect_confirm() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let item = at.item.as_str();
    assert_eq!(call(&world, "bob", item, &Value::Null).await.1["code"], "item_not_found");
    assert_eq!(call(&world, "carol", item, &Value::Null).await.1["code"], "role_not_sufficient");
    assert_eq!(call(&world, "alice", "x", &Value::Null).await.0, 404);
    let token = json!({"public_token": "public-sandbox-1"});
    assert_eq!(call(&world, "alice", item, &token).await.1["errors"][0]["field"], "public_token");
}

#[tokio::test]
async fn a_key_looks_once() {
    let world = World::new().await;
    let at = lost(&world).await;
    change(&world, &json!({"change": "repair"}));
    let keyed = || {
        with_header(
            request("alice", &[("item_id", at.item.as_str())], "", &json!({})),
            "idempotency-key",
            "k",
        )
    };
    let first = send(&world, keyed()).await;
    assert_eq!(first.0, 200, "{first:?}");
    assert_eq!(send(&world, keyed()).await, first);
}
