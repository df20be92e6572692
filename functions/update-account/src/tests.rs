//! What a caller sees.

use domain::{
    account::{AccountEdits, NewManualAccount, merging::MergeStore},
    ids::{AccountId, ItemId, ItemRef},
    removal::RemovalStarts,
    store::OneConnection,
    sync::{Cause, SyncReads},
    time::Clock,
};
use edge::{http::Request, system::System};
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        household: world.store.clone(),
        categories: world.store.clone(),
        accounts: world.store.clone(),
    }
}

fn patch(user: &str, account: &AccountId, body: &Value) -> Request {
    request(user, &[("account_id", account.as_str())], "", body)
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

async fn ok(world: &World, account: &AccountId, body: Value) -> Value {
    let (status, answer) = call(world, patch("alice", account, &body)).await;
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

async fn linked(world: &World) -> (ItemRef, AccountId) {
    let (at, _) = world.item("user_many", "0").await;
    world.run(&at, Cause::Link).await;
    let account = world.store.state(&at).await.unwrap().unwrap().accounts.remove(0).id;
    (at, account)
}

async fn by_hand(world: &World) -> (ItemRef, AccountId) {
    let at = ItemRef { household: world.household.clone(), item: ItemId::from_entropy([1; 10]) };
    let new = NewManualAccount {
        at: at.clone(),
        user: "alice".parse().unwrap(),
        name: "Cash".to_owned(),
        kind: "other".into(),
        subtype: None,
        currency: domain::money::Currency::Iso("EUR".to_owned()),
        balance: "5".parse().ok(),
        now: System.now(),
    };
    assert!(world.store.open(&new).await.unwrap());
    let account = world.store.connection(&at).await.unwrap().unwrap().accounts.remove(0).id;
    (at, account)
}

#[tokio::test]
async fn what_people_decide_outlives_syncs() {
    let world = World::new().await;
    let (at, account) = linked(&world).await;
    let banks = ok(&world, &account, json!({})).await;
    assert_eq!(banks["revision"], 0);
    let ours = json!({"name": " Ours ", "include_in_budget": false, "hidden": true});
    let reply = acting!(handle(&deps(&world), patch("alice", &account, &ours))).await.unwrap();
    assert_eq!(reply.headers, vec![("etag", "\"1\"".to_owned())]);
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&answer["name"], &answer["hidden"]), (&json!("Ours"), &json!(true)));
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    for change in [json!({"change": "balance", "current": "12.5"}), json!({"change": "renumber_accounts"})] {
        world.sandbox.world().change(&plaid_item, &serde_json::from_value(change).unwrap());
        world.run(&at, Cause::Webhook).await;
        let now = ok(&world, &account, json!({})).await;
        for field in ["name", "include_in_budget", "hidden", "revision"] {
            assert_eq!(now[field], answer[field], "{field}");
        }
    }
    let next = ok(&world, &account, json!({"name": null})).await;
    assert_eq!((&next["name"], &next["include_in_budget"]), (&banks["name"], &json!(false)));
}

#[tokio::test]
async fn one_that_is_kept_by_hand_has_a_balance_and_can_be_closed_and_opened() {
    let world = World::new().await;
    let (_, account) = by_hand(&world).await;
    let closed = ok(&world, &account, json!({"closed": true, "current_balance": "-7.25"})).await;
    assert_eq!((&closed["closed"], &closed["current_balance"]), (&json!(true), &json!("-7.25")));
    let open = ok(&world, &account, json!({"closed": false, "current_balance": null})).await;
    assert_eq!((&open["closed"], &open["current_balance"]), (&json!(false), &json!("5.00")));
    let (at, linked) = linked(&world).await;
    for (field, value) in
        [("closed", json!(true)), ("current_balance", json!("1")), ("current_balance", Value::Null)]
    {
        let (status, answer) = call(&world, patch("alice", &linked, &json!({*field: value}))).await;
        assert_eq!((status, &answer["code"]), (422, &json!("bank_field")), "{answer}");
        assert_eq!(answer["errors"][0]["field"], *field);
    }
    let rev = world.store.state(&at).await.unwrap().unwrap().rev;
    world.store.stop_account(&at, rev, &linked, true).await.unwrap();
    assert_eq!(ok(&world, &linked, json!({"current_balance": "1"})).await["current_balance"], "1.00");
}

#[tokio::test]
async fn a_change_of_something_older_is_refused_and_one_whose_answer_is_lost_is_made_once() {
    let world = World::new().await;
    let (_, account) = by_hand(&world).await;
    world.aws.fault("UpdateItem", 0, 1, Fault::HangAfter);
    assert_eq!(ok(&world, &account, json!({"name": "One"})).await["revision"], 1);
    for body in [json!({"name": "Two"}), json!({})] {
        let (status, answer) =
            call(&world, with_header(patch("alice", &account, &body), "if-match", "\"0\"")).await;
        assert_eq!((status, &answer["code"]), (412, &json!("precondition_failed")));
    }
    let named = with_header(patch("alice", &account, &json!({"name": "Two"})), "if-match", "\"1\"");
    assert_eq!(call(&world, named).await.1["name"], "Two");
}

#[tokio::test]
async fn who_may_and_what_is_wrong() {
    let world = World::new().await;
    let (at, account) = by_hand(&world).await;
    for (user, expected) in [("carol", 403), ("bob", 404), ("nobody", 404)] {
        assert_eq!(call(&world, patch(user, &account, &json!({"name": "x"}))).await.0, expected, "{user}");
    }
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("hidden", Value::Null),
        ("include_in_budget", json!(1)),
        ("closed", json!("yes")),
        ("current_balance", json!("1e400")),
        ("currency", json!("USD")),
        ("revision", json!(1)),
    ] {
        let (status, answer) = call(&world, patch("alice", &account, &json!({field: value}))).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{answer}");
    }
    let unknown: AccountId = "acc_0000000000000000_0000000000".parse().unwrap();
    assert_eq!(
        call(&world, patch("alice", &unknown, &json!({"name": "x"}))).await.1["code"],
        "account_not_found"
    );
    world.store.stop_account(&at, 1, &account, false).await.unwrap();
    assert_eq!(call(&world, patch("alice", &account, &json!({"name": "x"}))).await.0, 404);
}

#[tokio::test]
async fn null_clears_a_possible_twin() {
    let world = World::new().await;
    let (at, account) = linked(&world).await;
    let (_, twin) = by_hand(&world).await;
    world.store.set_compared(&at, &account, Some(&twin)).await.unwrap();
    assert_eq!(ok(&world, &account, json!({})).await["possible_twin"], json!(twin));
    let (status, answer) = call(&world, patch("alice", &account, &json!({"possible_twin": twin}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("possible_twin")));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("must be null"), "{answer}");
    assert_eq!(ok(&world, &account, json!({"possible_twin": null})).await["possible_twin"], Value::Null);
    assert_eq!(ok(&world, &account, json!({})).await["possible_twin"], Value::Null);
}
