//! What a caller sees while a worker does the work.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::ItemRef,
    sync::{Cause, Trigger, sync},
};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request, with_header};

use crate::{Deps, handle};

/// Calls the endpoint with a worker beside it that serves its queue.
async fn call(world: &World, user: &str, account: &str) -> (u16, Value) {
    send(world, request(user, &[("account_id", account)], "", &Value::Null)).await
}

async fn send(world: &World, request: Request) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connection: world.store.clone(),
        household: world.store.clone(),
        categories: world.store.clone(),
        requests: world.store.clone(),
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
                let trigger = Trigger {
                    at: message.at,
                    want: message.want,
                    cause: message.cause,
                    deadline: Timestamp::MAX,
                    fresh_within: None,
                };
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

async fn first_sync(world: &World, at: &ItemRef) -> String {
    let trigger = Trigger {
        at: at.clone(),
        want: Some(1),
        cause: Cause::Link,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    sync(&world.sync(), &trigger).await.unwrap();
    let state = world.sync().reads.state(at).await.unwrap().unwrap();
    state.accounts[0].id.to_string()
}

#[tokio::test]
async fn a_sync_answers_with_what_changed_since_it_was_asked_for() {
    let world = World::new().await;
    let (at, token) = world.item("user_transactions_dynamic", "x").await;
    let account = first_sync(&world, &at).await;
    let (status, idle) = call(&world, "alice", &account).await;
    assert_eq!((status, &idle["transactions_added"]), (200, &json!(0)), "{idle}");
    world.call_plaid("/transactions/refresh", &json!({"access_token": token.expose()})).await;
    let (status, news) = call(&world, "alice", &account).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&news["transactions_added"], &news["transactions_modified"]),
        (&json!(2), &json!(6)),
        "{news}"
    );
    // As times: of two texts the shorter fraction of a second would be the later one.
    let synced_at = |answer: &Value| answer["last_synced_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(synced_at(&news) > synced_at(&idle));
}

#[tokio::test]
async fn while_history_is_coming_it_is_running() {
    let world = World::with_plaid(Duration::ZERO, Duration::from_hours(1)).await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let account = first_sync(&world, &at).await;
    assert_eq!(call(&world, "alice", &account).await, (202, json!({"status": "running"})));
}

#[tokio::test]
async fn other_peoples_accounts_are_not_there() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let account = first_sync(&world, &at).await;
    let unknown = format!("{}x", &account[..account.len() - 1]);
    for (user, account) in
        [("bob", account.as_str()), ("alice", unknown.as_str()), ("alice", "x"), ("alice", "")]
    {
        let (status, answer) = call(&world, user, account).await;
        assert_eq!((status, answer["code"].as_str()), (404, Some("account_not_found")), "{user} {account}");
    }
    assert_eq!(call(&world, "carol", &account).await.0, 403);
}

#[tokio::test]
async fn what_the_bank_refuses_is_said() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    let account = first_sync(&world, &at).await;
    world.call_plaid("/sandbox/item/reset_login", &json!({"access_token": token.expose()})).await;
    for _ in 0..2 {
        let (status, answer) = call(&world, "alice", &account).await;
        let plaid_code = answer["plaid_code"].as_str();
        assert_eq!((status, plaid_code), (409, Some("ITEM_LOGIN_REQUIRED")), "{answer}");
    }
    let fault = json!({"path": "/transactions/sync", "times": 1, "error_code": "INSTITUTION_DOWN"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    assert!(matches!(call(&world, "alice", &account).await.0, 409 | 503));
}

#[tokio::test]
async fn a_key_asks_for_one_sync() {
    let world = World::new().await;
    let (at, token) = world.item("user_transactions_dynamic", "x").await;
    let account = first_sync(&world, &at).await;
    let keyed = || {
        with_header(request("alice", &[("account_id", &account)], "", &Value::Null), "idempotency-key", "k")
    };
    let first = send(&world, keyed()).await;
    assert_eq!(first.0, 200, "{first:?}");
    world.call_plaid("/transactions/refresh", &json!({"access_token": token.expose()})).await;
    assert_eq!(send(&world, keyed()).await, first, "the answer that it had, although there is news");
}
