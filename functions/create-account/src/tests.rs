//! What a caller sees, and what becomes of an account that is kept by hand.

use std::sync::Arc;

use domain::{
    household::HouseholdEnds,
    ids::{AccountId, ItemId, ItemRef},
    item::HealthState,
    removal::{RemovalStarts, RemovalSteps},
    store::{Connections, SyncRequests},
    sync::SyncReads,
    time::Clock,
};
use edge::{http::Request, idempotency::Once, system::System};
use serde_json::{Value, json};
use testkit::{CIRCLE, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        all: world.store.clone(),
        accounts: world.store.clone(),
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

fn cash() -> Value {
    json!({"name": " Cash ", "type": "depository", "subtype": "cash", "currency": "EUR", "current_balance": "20.50"})
}

async fn made(world: &World) -> (ItemRef, AccountId) {
    let (status, answer) = call(world, request("alice", &[], "", &cash())).await;
    assert_eq!(status, 201, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let item: ItemId = text("item_id").parse().unwrap();
    (ItemRef { household: world.household.clone(), item }, text("id").parse().unwrap())
}

#[tokio::test]
async fn an_account_is_made_as_lists_show_it() {
    let world = World::new().await;
    let reply = acting!(handle(&deps(&world), request("alice", &[], "", &cash()))).await.unwrap();
    assert_eq!((reply.status, &reply.headers), (201, &vec![("etag", "\"0\"".to_owned())]));
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    for (field, value) in [
        ("name", json!("Cash")),
        ("type", json!("depository")),
        ("subtype", json!("cash")),
        ("currency", json!("EUR")),
        ("current_balance", json!("20.50")),
        ("is_manual", json!(true)),
        ("is_active", json!(true)),
        ("health", json!("manual")),
        ("closed", json!(false)),
        ("include_in_budget", json!(true)),
        ("sync_error", Value::Null),
        ("user_id", json!("alice")),
    ] {
        assert_eq!(answer[field], value, "{field}");
    }
    let [connection] = world.store.connections(&world.household).await.unwrap().try_into().unwrap();
    assert_eq!(connection.item.health.state, HealthState::Removed, "no list of connections shows it");
    let least = json!({"name": "Wallet", "currency": "USD"});
    assert_eq!(call(&world, request("alice", &[], "", &least)).await.1["type"], "other");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_made() {
    let world = World::new().await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("type", json!("piggy")),
        ("subtype", json!("x".repeat(51))),
        ("currency", json!("euro")),
        ("current_balance", json!("NaN")),
        ("current_balance", json!(1)),
        ("household_id", json!("x")),
        ("id", json!("acc_0000000000000000_0000000000")),
        ("closed", json!(true)),
    ] {
        let mut body = cash();
        body[field] = value.clone();
        let (status, answer) = call(&world, request("alice", &[], "", &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{value}: {answer}");
    }
    let mut body = cash();
    body["household_id"] = json!(world.other_household);
    assert_eq!(call(&world, request("alice", &[], "", &body)).await.1["code"], "household_not_found");
    assert!(world.store.connections(&world.household).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_may_make_one() {
    let world = World::new().await;
    let household = circle(&world).await;
    let mut body = cash();
    body["household_id"] = json!(household);
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 201, 201, 201]) {
        assert_eq!(call(&world, request(user, &[], "", &body)).await.0, expected, "{user}");
    }
}

#[tokio::test]
async fn a_key_makes_one_account() {
    let world = World::new().await;
    let keyed = || with_header(request("alice", &[], "", &cash()), "idempotency-key", "k");
    let first = call(&world, keyed()).await;
    assert_eq!(call(&world, keyed()).await, first);
    assert_eq!(world.store.connections(&world.household).await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_night_looks_at_it_and_no_sync_can_be_asked_for() {
    let world = World::new().await;
    let (at, account) = made(&world).await;
    let due = async || {
        let scan = json!({"TableName": "DataTable", "IndexName": "due"});
        world.aws.ask("DynamoDB_20120810.Scan", &scan).await["Count"].as_u64()
    };
    assert_eq!(due().await, Some(0));
    assert_eq!(world.store.want_sync(&at).await.unwrap(), None);
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert!(!state.has_leftovers() && !state.item.health.may_sync());
    // What is to be erased is found by the night, if the message that asks for it is lost.
    assert!(world.store.stop_account(&at, state.rev, &account, false).await.unwrap());
    assert_eq!(due().await, Some(1));
    assert!(world.store.state(&at).await.unwrap().unwrap().has_leftovers());
    while world.store.erase_some(&at, Some(&account)).await.unwrap() {}
    world.store.account_erased(&at, &account).await.unwrap();
    assert_eq!((due().await, world.store.state(&at).await.unwrap()), (Some(0), None));
}

#[tokio::test]
async fn it_goes_with_its_household() {
    let world = World::new().await;
    let (at, account) = made(&world).await;
    world.store.begin(&"alice".parse().unwrap(), &world.household, None, System.now()).await.unwrap();
    let waiting = world.store.remove_items(&world.household, System.now()).await.unwrap();
    assert_eq!(waiting, std::slice::from_ref(&at));
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert!(state.has_leftovers());
    world.store.account_erased(&at, &account).await.unwrap();
    assert_eq!(world.store.state(&at).await.unwrap(), None);
}
