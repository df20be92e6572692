//! What a caller sees.

use std::sync::Arc;

use domain::{
    account::AccountState,
    ids::{AccountId, ItemRef},
    removal::{RemovalStarts, RemovalSteps},
    store::StoreError,
    sync::{Cause, Outcome, SyncReads},
};
use edge::system::System;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, account: &AccountId, query: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        categories: world.store.clone(),
        reads: world.store.clone(),
        removals: world.store.clone(),
        queue: world.removals.clone(),
        clock: Arc::new(System),
    };
    body(
        acting!(handle(
            &deps,
            request(user, &[("account_id", account.to_string().as_str())], query, &Value::Null),
        ))
        .await,
    )
}

async fn synced(world: &World) -> (ItemRef, Vec<AccountId>) {
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    let state = world.store.state(&at).await.unwrap().unwrap();
    (at, state.accounts.into_iter().map(|account| account.id).collect())
}

#[tokio::test]
async fn one_account_stops_and_its_siblings_live() {
    let world = World::new().await;
    let (at, accounts) = synced(&world).await;
    let (status, answer) = call(&world, "alice", &accounts[0], "").await;
    assert_eq!((status, &answer["item_removed"]), (202, &json!(false)), "{answer}");
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let plaid_accounts = world.sandbox.world().account_ids(&plaid_item);
    for account in plaid_accounts {
        let add = json!({"change": "add", "account": account});
        world.sandbox.world().change(&plaid_item, &serde_json::from_value(add).unwrap()).unwrap();
    }
    let Outcome::Finished { counts, .. } = world.run(&at, Cause::Webhook).await else { panic!("a sync") };
    assert_eq!(counts.added, 2, "what is new on the stopped one is left out");
    let states: Vec<_> = world.store.state(&at).await.unwrap().unwrap().accounts;
    let state = |id: &AccountId| states.iter().find(|account| account.id == *id).unwrap().state;
    assert_eq!(state(&accounts[0]), AccountState::Removed { erased: false });
    assert_eq!(state(&accounts[1]), AccountState::Live);
    // The same again asks for what is left to be erased.
    assert_eq!(call(&world, "alice", &accounts[0], "").await.0, 202);
    assert_eq!(world.removals.take().len(), 2);
}

#[tokio::test]
async fn the_last_one_takes_the_item_along() {
    let world = World::new().await;
    let (at, accounts) = synced(&world).await;
    for (account, query) in [(&accounts[0], "data=keep"), (&accounts[1], "")] {
        assert_eq!(call(&world, "alice", account, query).await.1["item_removed"], json!(false));
    }
    assert_eq!(call(&world, "alice", &accounts[2], "").await.1["item_removed"], json!(true));
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert!(state.is_forsaken() && state.has_leftovers(), "whoever comes removes the item");
    assert_eq!(world.removals.take().len(), 3);
}

#[tokio::test]
async fn an_account_that_was_kept_when_its_item_went_can_go_as_well() {
    let world = World::new().await;
    let (at, accounts) = synced(&world).await;
    world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    let (status, answer) = call(&world, "alice", &accounts[0], "").await;
    assert_eq!((status, &answer["item_removed"]), (202, &json!(true)), "it is on its way out: {answer}");
    // What is to be erased is, before nobody would find it any more.
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!(world.store.bury(&state, Timestamp::now()).await, Err(StoreError::Busy));
    while world.store.erase_some(&at, Some(&accounts[0])).await.unwrap() {}
    world.store.account_erased(&at, &accounts[0]).await.unwrap();
    world.bury(&at).await;
    assert_eq!(call(&world, "alice", &accounts[0], "").await.0, 404, "it went before its item did");
    for account in &accounts[1..] {
        let (status, answer) = call(&world, "alice", account, "").await;
        assert_eq!((status, &answer["item_removed"]), (202, &json!(false)), "{answer}");
    }
    assert!(world.store.state(&at).await.unwrap().unwrap().has_leftovers());
    assert_eq!(world.removals.take().len(), 3);
}

#[tokio::test]
async fn only_members_who_may_connect_remove() {
    let world = World::new().await;
    let (_, accounts) = synced(&world).await;
    assert_eq!(call(&world, "bob", &accounts[0], "").await.1["code"], "account_not_found");
    assert_eq!(call(&world, "carol", &accounts[0], "").await.1["code"], "role_not_sufficient");
    let unknown = "acc_0000000000000000_0000000000".parse().unwrap();
    assert_eq!(call(&world, "alice", &unknown, "").await.0, 404);
    assert_eq!(call(&world, "alice", &accounts[0], "data=1").await.0, 400);
}
