//! What a caller of the list sees, and what it costs.

use domain::sync::{Cause, Trigger, sync};
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
async fn a_household_sees_its_accounts_and_nobody_else_does() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let trigger = Trigger {
        at: at.clone(),
        want: Some(1),
        cause: Cause::Link,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    sync(&world.sync(), &trigger).await.unwrap();
    let query = format!("household_id={}", world.household);
    for (user, query) in [("alice", query.as_str()), ("alice", ""), ("carol", query.as_str())] {
        let (status, answer) = call(&world, user, query).await;
        let accounts = answer["accounts"].as_array().unwrap();
        assert_eq!((status, accounts.len()), (200, 3), "{user}");
        let card = accounts.iter().find(|account| account["mask"] == "3333").unwrap();
        assert_eq!(card["name"], "Plaid Credit Card");
        assert_eq!((&card["current_balance"], &card["available_balance"]), (&json!("410.00"), &Value::Null));
        assert_eq!(
            (&card["is_active"], &card["health"], &card["sync_error"]),
            (&json!(true), &json!("healthy"), &Value::Null)
        );
        assert!(card["last_synced_at"].is_string());
    }
    assert_eq!(call(&world, "bob", &query).await.0, 404);
    assert_eq!(call(&world, "bob", "").await.1, json!({"accounts": []}));
    assert_eq!(call(&world, "nobody", "").await.1, json!({"accounts": []}));
}

#[tokio::test]
async fn what_the_bank_refused_is_told_in_words() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    let run = |want| {
        let trigger = Trigger {
            at: at.clone(),
            want: Some(want),
            cause: Cause::Link,
            deadline: Timestamp::MAX,
            fresh_within: None,
        };
        let deps = world.sync();
        async move { sync(&deps, &trigger).await.unwrap() }
    };
    run(1).await;
    world.call_plaid("/sandbox/item/reset_login", &json!({"access_token": token.expose()})).await;
    run(2).await;
    let (_, answer) = call(&world, "alice", "").await;
    for account in answer["accounts"].as_array().unwrap() {
        assert_eq!((&account["is_active"], &account["health"]), (&json!(false), &json!("needs_login")));
        assert!(account["sync_error"].as_str().unwrap().contains("log in again"));
    }
}

#[tokio::test]
async fn it_costs_the_membership_the_merges_and_one_query() {
    let world = World::new().await;
    world.item("user_good", "pass_good").await;
    call(&world, "alice", &format!("household_id={}", world.household)).await;
    let calls = world.aws.take_calls();
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), [("GetItem".to_owned(), 2), ("Query".to_owned(), 1)]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let world = World::new().await;
    for (query, field) in [("household_id=x", "household_id"), ("colour=red", "colour")] {
        let (status, answer) = call(&world, "alice", query).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (400, Some(field)));
    }
}
