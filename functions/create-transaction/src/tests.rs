//! What a caller sees.

use std::sync::Arc;

use domain::{
    account::{AccountChange, AccountEdits, NewManualAccount},
    edit::OneTransaction,
    household::HouseholdEnds,
    ids::{AccountId, ItemId, ItemRef},
    removal::RemovalStarts,
    store::OneConnection,
    sync::{Cause, SyncReads},
    time::Clock,
};
use edge::{http::Request, idempotency::Once, system::System};
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        categories: world.store.clone(),
        manual: world.store.clone(),
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

fn tea(account: &AccountId) -> Value {
    json!({"account_id": account, "date": "2026-11-22", "amount": "12.50", "name": " Tea "})
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn post(user: &str, body: &Value) -> Request {
    request(user, &[], "", body)
}

/// An account that is kept by hand.
async fn by_hand(world: &World, byte: u8) -> (ItemRef, AccountId) {
    let at = ItemRef { household: world.household.clone(), item: ItemId::from_entropy([byte; 10]) };
    let new = NewManualAccount {
        at: at.clone(),
        user: "alice".parse().unwrap(),
        name: "Cash".to_owned(),
        kind: "other".into(),
        subtype: None,
        currency: domain::money::Currency::Iso("EUR".to_owned()),
        balance: None,
        now: System.now(),
    };
    assert!(world.store.open(&new).await.unwrap());
    let account = world.store.connection(&at).await.unwrap().unwrap().accounts.remove(0).id;
    (at, account)
}

/// An account of a bank.
async fn linked(world: &World) -> (ItemRef, AccountId) {
    let (at, _) = world.item("user_many", "0").await;
    world.run(&at, Cause::Link).await;
    let account = world.store.state(&at).await.unwrap().unwrap().accounts.remove(0).id;
    (at, account)
}

/// How many transactions lists find in the household.
async fn count(world: &World) -> u64 {
    let query = json!({
        "TableName": "DataTable", "IndexName": "by-month", "KeyConditionExpression": "mp = :mp",
        "ExpressionAttributeValues": {":mp": {"S": format!("H#{}#2026-11", world.household)}},
    });
    world.aws.ask("DynamoDB_20120810.Query", &query).await["Count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_transaction_is_entered_on_an_account_of_either_kind() {
    let world = World::new().await;
    for (account, currency) in [(by_hand(&world, 1).await.1, "EUR"), (linked(&world).await.1, "USD")] {
        let more = json!({
            "merchant_name": "Shop", "category_id": "s_travel", "note": "n", "tags": ["x"], "pending": true,
            "custom_fields": {"for": {"type": "boolean", "value": true}},
            "splits": [{"amount": "12"}, {"amount": "0.5"}],
        });
        let reply = acting!(handle(&deps(&world), post("alice", &with(tea(&account), &more)))).await.unwrap();
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        let id = answer["id"].as_str().unwrap();
        assert!(id.starts_with("txn_"), "{id}");
        let headers = vec![("location", format!("/api/v1/transactions/{id}")), ("etag", "\"1\"".to_owned())];
        assert_eq!((reply.status, reply.headers), (201, headers));
        assert_eq!((&answer["name"], &answer["amount"]), (&json!("Tea"), &json!("12.50")));
        assert_eq!((&answer["manual"], &answer["currency"]), (&json!(true), &json!(currency)));
        assert_eq!((&answer["account_id"], &answer["pending"]), (&json!(account), &json!(true)));
        assert_eq!(answer["splits"].as_array().unwrap().len(), 2);
        let households = std::slice::from_ref(&world.household);
        assert!(
            world.store.find_one(households, &id.parse().unwrap()).await.unwrap().unwrap().whole.is_some()
        );
    }
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let world = World::new().await;
    let (_, account) = by_hand(&world, 1).await;
    for (more, field) in [
        (json!({"amount": "1e400"}), "amount"),
        (json!({"amount": "NaN"}), "amount"),
        (json!({"amount": "0.0000000000000000001"}), "amount"),
        (json!({"amount": 12}), "amount"),
        (json!({"date": "0000-00-00"}), "date"),
        (json!({"date": "2026-02-30"}), "date"),
        (json!({"date": "1899-12-31"}), "date"),
        (json!({"name": " "}), "name"),
        (json!({"name": "a\u{0}"}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"currency": "euro"}), "currency"),
        (json!({"category_id": "cat_0000000000000000"}), "category_id"),
        (json!({"tags": vec!["x"; 21]}), "tags"),
        (json!({"splits": [{"amount": "1"}, {"amount": "2"}]}), "splits"),
        (json!({"account_id": "x"}), "account_id"),
        (json!({"id": "txn_0000000000000000"}), "id"),
        (json!({"hidden": true}), "hidden"),
    ] {
        let (status, answer) = call(&world, post("alice", &with(tea(&account), &more))).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{more}: {answer}");
    }
    for user in ["bob", "nobody"] {
        let (status, answer) = call(&world, post(user, &tea(&account))).await;
        assert_eq!((status, &answer["code"]), (404, &json!("account_not_found")));
    }
    assert_eq!(call(&world, post("carol", &tea(&account))).await.0, 403);
    assert_eq!(count(&world).await, 0);
}

#[tokio::test]
async fn a_key_makes_one_transaction_of_fifty_requests_at_once() {
    let world = World::new().await;
    let (_, account) = by_hand(&world, 1).await;
    let asked =
        (0..50).map(|_| call(&world, with_header(post("alice", &tea(&account)), "idempotency-key", "k")));
    let mut ids = std::collections::BTreeSet::new();
    for (status, answer) in futures::future::join_all(asked).await {
        match status {
            201 => drop(ids.insert(answer["id"].to_string())),
            409 => assert_eq!(answer["code"], "request_in_progress"),
            other => panic!("{other}: {answer}"),
        }
    }
    assert_eq!((ids.len(), count(&world).await), (1, 1));
    let other =
        with_header(post("alice", &with(tea(&account), &json!({"amount": "1"}))), "idempotency-key", "k");
    assert_eq!(call(&world, other).await.0, 422);
}

#[tokio::test]
async fn killed_anywhere_the_same_request_makes_the_same_transaction_once() {
    for operation in ["TransactWriteItems", "GetItem", "UpdateItem"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = World::new().await;
            let (_, account) = by_hand(&world, 1).await;
            let deps = deps(&world);
            let mut keyed = with_header(post("alice", &tea(&account)), "idempotency-key", "k");
            keyed.deadline = jiff::Timestamp::UNIX_EPOCH;
            world.aws.fault(operation, 0, 1, fault);
            tokio::select! {
                outcome = acting!(handle(&deps, keyed.clone())) => panic!("{operation}: {outcome:?}"),
                () = world.aws.hung() => {}
            }
            world.aws.heal();
            let (status, first) = body(acting!(handle(&deps, keyed.clone())).await);
            assert_eq!((status, count(&world).await), (201, 1), "{operation} {fault:?}: {first}");
            assert_eq!(body(acting!(handle(&deps, keyed)).await), (201, first));
        }
    }
}

#[tokio::test]
async fn an_account_that_is_closed_or_on_its_way_out_takes_nothing() {
    let world = World::new().await;
    let (at, account) = by_hand(&world, 1).await;
    let close = |closed| AccountChange { closed: Some(closed), ..AccountChange::default() };
    world.store.change_account(&at, &account, &close(true), None).await.unwrap();
    let (status, answer) = call(&world, post("alice", &tea(&account))).await;
    assert_eq!((status, &answer["code"]), (409, &json!("account_closed")));
    world.store.change_account(&at, &account, &close(false), None).await.unwrap();
    assert_eq!(call(&world, post("alice", &tea(&account))).await.0, 201);
    world.store.stop_account(&at, 1, &account, false).await.unwrap();
    assert_eq!(call(&world, post("alice", &tea(&account))).await.0, 404);

    let (at, account) = linked(&world).await;
    world.store.remove_item(&at, true, System.now()).await.unwrap();
    assert_eq!(call(&world, post("alice", &tea(&account))).await.1["code"], "account_closed");
    world.bury(&at).await;
    assert_eq!(call(&world, post("alice", &tea(&account))).await.0, 201, "it was kept");

    let (_, account) = by_hand(&world, 2).await;
    world.store.begin(&"alice".parse().unwrap(), &world.household, None, System.now()).await.unwrap();
    assert_eq!(call(&world, post("alice", &tea(&account))).await.0, 404);
}
