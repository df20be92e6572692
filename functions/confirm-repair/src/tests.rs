//! What a caller sees while a worker does the work.

use std::{sync::Arc, time::Duration};

use domain::{
    account::{Account, AccountState},
    ids::{AccountId, ItemRef},
    removal::{RemovalStarts, RemovalSteps},
    search::{Search, TransactionSearch},
    store::Hints,
    sync::{Cause, Outcome, SyncReads, Trigger, sync},
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
        categories: world.store.clone(),
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

/// The ids of live accounts, and the number of listed transactions.
async fn live(world: &World, at: &ItemRef) -> (Vec<AccountId>, usize) {
    let accounts = world.store.state(at).await.unwrap().unwrap().accounts;
    let live = accounts.into_iter().filter(|account| account.state == AccountState::Live);
    let scope = world.store.scope(std::slice::from_ref(&at.household)).await.unwrap();
    let found = world.store.find(&Search::everything(500), &scope).await.unwrap();
    (live.map(|account| account.id).collect(), found.transactions.len())
}

#[tokio::test]
async fn stopped_account_restarts_once_selected_in_link() {
    for (keeps_data, gets_new_ids) in [(true, false), (true, true), (false, false)] {
        let world = World::new().await;
        let (at, _) = world.item("user_good", "pass_good").await;
        world.run(&at, Cause::Link).await;
        let before = live(&world, &at).await;
        let state = world.store.state(&at).await.unwrap().unwrap();
        let is_checking = |account: &&Account| account.bank.subtype.as_deref() == Some("checking");
        let stopped = state.accounts.iter().find(is_checking).unwrap().id.clone();
        assert!(world.store.stop_account(&at, state.rev, &stopped, keeps_data).await.unwrap());
        if !keeps_data {
            while world.store.erase_some(&at, Some(&stopped)).await.unwrap() {}
            world.store.account_erased(&at, &stopped).await.unwrap();
            assert!(live(&world, &at).await.1 < before.1);
        }
        // A repair without a selection leaves it stopped.
        assert_eq!(call(&world, "alice", at.item.as_str(), &json!({})).await.0, 200);
        assert_eq!(live(&world, &at).await.0.len(), before.0.len() - 1);
        world.store.mark_account_selection(&at, Timestamp::now()).await.unwrap();
        if gets_new_ids {
            change(&world, &json!({"change": "renumber_accounts"}));
        }
        for _ in 0..2 {
            assert_eq!(call(&world, "alice", at.item.as_str(), &json!({})).await.0, 200);
            assert_eq!(live(&world, &at).await, before, "{keeps_data} {gets_new_ids}");
        }
    }
}
