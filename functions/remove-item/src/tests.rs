//! What a caller sees.

use std::sync::Arc;

use domain::{
    account::merging,
    removal::RemovalMessage,
    sync::{Cause, Outcome, SyncReads},
};
use edge::system::System;
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, item: &str, query: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        reads: world.store.clone(),
        categories: world.store.clone(),
        removals: world.store.clone(),
        queue: world.removals.clone(),
        clock: Arc::new(System),
    };
    body(acting!(handle(&deps, request(user, &[("item_id", item)], query, &Value::Null))).await)
}

#[tokio::test]
async fn a_removed_item_syncs_no_more_and_somebody_comes_to_remove_it() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let (status, answer) = call(&world, "alice", at.item.as_str(), "").await;
    assert_eq!((status, answer), (202, json!({"item_id": at.item.as_str(), "status": "removing"})));
    assert_eq!(world.run(&at, Cause::Night).await, Outcome::Inactive);
    // The same again asks again.
    assert_eq!(call(&world, "alice", at.item.as_str(), "data=keep").await.0, 202);
    let messages: Vec<_> = world.removals.take().into_iter().map(|(message, _)| message).collect();
    assert_eq!(messages, [RemovalMessage::of_item(at.clone()), RemovalMessage::of_item(at)]);
}

#[tokio::test]
async fn only_members_who_may_connect_remove() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    assert_eq!(call(&world, "bob", at.item.as_str(), "").await.1["code"], "item_not_found");
    assert_eq!(call(&world, "carol", at.item.as_str(), "").await.1["code"], "role_not_sufficient");
    assert_eq!(call(&world, "alice", "itm_0000000000000000", "").await.0, 404);
    assert_eq!(call(&world, "alice", "x", "").await.0, 404);
    let (status, answer) = call(&world, "alice", at.item.as_str(), "data=some").await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("data")), "{answer}");
    assert!(matches!(world.run(&at, Cause::Night).await, Outcome::Finished { .. }));
}

#[tokio::test]
async fn a_store_that_fails_is_said() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.aws.fault("UpdateItem", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, "alice", at.item.as_str(), "").await.1["code"], "store_unavailable");
}

#[tokio::test]
async fn merged_account_of_another_item_is_deleted_too() {
    let world = World::new().await;
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let (at, _) = world.item("user_good", "pass_good").await;
        world.run(&at, Cause::Link).await;
        let mut of_item = world.store.state(&at).await.unwrap().unwrap().accounts.into_iter();
        let checking = of_item.find(|account| account.bank.subtype.as_deref() == Some("checking"));
        accounts.push((at, checking.unwrap().id));
    }
    let [(stays, part), (goes, whole)] = accounts.try_into().unwrap();
    let merging = merging::Deps {
        categories: world.store.clone(),
        admissions: world.store.clone(),
        store: world.store.clone(),
        removals: world.removals.clone(),
        clock: Arc::new(System),
    };
    merging::merge(&merging, &goes.household, &part, &whole).await.unwrap();
    assert_eq!(call(&world, "alice", goes.item.as_str(), "").await.0, 202);
    let accounts = world.store.state(&stays).await.unwrap().unwrap().accounts;
    let states: Vec<_> =
        accounts.iter().filter(|account| !account.state.is_listed()).map(|a| &a.id).collect();
    assert_eq!(states, [&part]);
    assert_eq!(world.removals.take().len(), 2);
}
