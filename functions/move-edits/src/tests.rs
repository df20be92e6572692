//! What a caller sees.

use std::sync::Arc;

use domain::{
    edit::{Change, EditMoves, OneTransaction, Orphans, TransactionEdits},
    ids::ItemRef,
    sync::{Cause, Edit},
};
use edge::{http::Request, idempotency::Once, system::System};
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        transactions: world.store.clone(),
        categories: world.store.clone(),
        moves: world.store.clone(),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    }
}

fn move_to(user: &str, from: &str, to: &str) -> Request {
    request(user, &[("transaction_id", from)], "", &json!({"to": to}))
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

async fn code(world: &World, user: &str, from: &str, to: &str) -> (u16, Value) {
    let (status, answer) = call(world, move_to(user, from, to)).await;
    (status, answer["code"].clone())
}

async fn empty(world: &World) -> (ItemRef, String) {
    let before = world.sandbox.world().item_ids();
    let (at, _) = world.item("user_many", "0").await;
    world.run(&at, Cause::Link).await;
    let ids = world.sandbox.world().item_ids();
    (at, ids.into_iter().find(|id| !before.contains(id)).unwrap())
}

async fn change(world: &World, at: &ItemRef, plaid_item: &str, change: Value) -> String {
    let id = world.sandbox.world().change(plaid_item, &serde_json::from_value(change).unwrap()).unwrap();
    world.run(at, Cause::Webhook).await;
    id
}

async fn write_on(world: &World, at: &ItemRef, id: &str) {
    let change = Change {
        note: Edit::Set("mine".parse().unwrap()),
        tags: Edit::Set(["trip".parse().unwrap()].into()),
        hidden: Some(true),
        ..Change::default()
    };
    world.store.edit(at, &id.parse().unwrap(), &change, None).await.unwrap();
}

/// One with a person's half that went away, and two others that are there, the second of another bank.
async fn lost(world: &World) -> ([ItemRef; 2], String, [String; 2]) {
    let (at, plaid_item) = empty(world).await;
    let (other, other_item) = empty(world).await;
    let lost = change(world, &at, &plaid_item, json!({"change": "add", "amount": "7"})).await;
    write_on(world, &at, &lost).await;
    change(world, &at, &plaid_item, json!({"change": "remove", "id": lost})).await;
    let here = change(world, &at, &plaid_item, json!({"change": "add", "amount": "8"})).await;
    let there = change(world, &other, &other_item, json!({"change": "add", "amount": "9"})).await;
    ([at, other], lost, [here, there])
}

#[tokio::test]
async fn what_lost_its_transaction_moves_to_another_of_any_bank() {
    for target in [0, 1] {
        let world = World::new().await;
        let ([at, _], lost, others) = lost(&world).await;
        assert_eq!(world.store.orphans(&at).await.unwrap().len(), 1);
        let reply = acting!(handle(&deps(&world), move_to("alice", &lost, &others[target]))).await.unwrap();
        assert_eq!((reply.status, &reply.headers), (200, &vec![("etag", "\"1\"".to_owned())]));
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((&answer["id"], &answer["note"]), (&json!(others[target]), &json!("mine")));
        assert_eq!((&answer["tags"], &answer["hidden"]), (&json!(["trip"]), &json!(true)));
        assert!(world.store.orphans(&at).await.unwrap().is_empty());
        // The same again finds that it was done; another place does not get it too.
        assert_eq!(call(&world, move_to("alice", &lost, &others[target])).await, (200, answer));
        let elsewhere = code(&world, "alice", &lost, &others[1 - target]).await;
        assert_eq!(elsewhere, (409, json!("edits_not_orphaned")));
    }
}

#[tokio::test]
async fn what_cannot_move_stays() {
    let world = World::new().await;
    let ([at, other], lost, [here, there]) = lost(&world).await;
    assert_eq!(code(&world, "alice", &here, &there).await, (409, json!("edits_not_orphaned")));
    assert_eq!(code(&world, "alice", &lost, &lost).await, (404, json!("transaction_not_found")));
    assert_eq!(code(&world, "alice", &lost, "x").await, (404, json!("transaction_not_found")));
    assert_eq!(code(&world, "alice", "x", &here).await, (404, json!("transaction_not_found")));
    assert_eq!(code(&world, "carol", &lost, &here).await, (403, json!("role_not_sufficient")));
    assert_eq!(code(&world, "bob", &lost, &here).await, (404, json!("transaction_not_found")));
    write_on(&world, &other, &there).await;
    assert_eq!(code(&world, "alice", &lost, &there).await, (409, json!("target_edited")));
    let (status, answer) =
        call(&world, request("alice", &[("transaction_id", &lost)], "", &json!({"from": "x"}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("from")));
    assert_eq!(world.store.orphans(&at).await.unwrap().len(), 1);
}

/// One that posted without a link, with the edits of its pending transaction on it, and another.
async fn guessed(world: &World) -> (ItemRef, String, String) {
    let (at, plaid_item) = empty(world).await;
    let account = world.sandbox.world().account_ids(&plaid_item).remove(0);
    let add = |amount: &str, pending: bool| {
        json!({"change": "add", "amount": amount, "name": "Tea", "account": account, "pending": pending,
            "date": "2026-06-10", "authorized_date": "2026-06-10"})
    };
    let pending = change(world, &at, &plaid_item, add("7", true)).await;
    write_on(world, &at, &pending).await;
    let remove = serde_json::from_value(json!({"change": "remove", "id": pending})).unwrap();
    world.sandbox.world().change(&plaid_item, &remove).unwrap();
    change(world, &at, &plaid_item, add("7", false)).await;
    let other = change(world, &at, &plaid_item, add("8", false)).await;
    (at, pending, other)
}

#[tokio::test]
async fn what_a_guess_brought_is_taken_back_once() {
    let world = World::new().await;
    let (at, id, other) = guessed(&world).await;
    let take_back = || request("alice", &[("transaction_id", &id)], "", &json!({"to": null}));
    for _ in 0..2 {
        let (status, answer) = call(&world, take_back()).await;
        assert_eq!((status, &answer["id"], &answer["note"]), (200, &json!(id), &Value::Null));
        assert_eq!((&answer["edits_guessed"], &answer["revision"]), (&json!(false), &json!(2)));
    }
    let [orphan] = world.store.orphans(&at).await.unwrap().try_into().unwrap();
    assert_eq!((orphan.name.as_deref(), orphan.half.hidden), (Some("Tea"), true));
    // From there it moves like any other.
    let (status, answer) = call(&world, move_to("alice", orphan.key.as_str(), &other)).await;
    assert_eq!((status, &answer["note"], &answer["hidden"]), (200, &json!("mine"), &json!(true)));
    assert!(world.store.orphans(&at).await.unwrap().is_empty());
    let refused =
        call(&world, request("alice", &[("transaction_id", &other)], "", &json!({"to": null}))).await;
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("edits_not_orphaned")));
}

#[tokio::test]
async fn what_a_guess_brought_moves_to_another() {
    let world = World::new().await;
    let (at, id, other) = guessed(&world).await;
    for _ in 0..2 {
        let (status, answer) = call(&world, move_to("alice", &id, &other)).await;
        assert_eq!((status, &answer["note"], &answer["hidden"]), (200, &json!("mine"), &json!(false)));
    }
    assert!(world.store.orphans(&at).await.unwrap().is_empty());
    assert!(world.store.half(&at, &id.parse().unwrap()).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn it_stands_on_one_of_them_whatever_dies() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let world = World::new().await;
        let ([at, _], lost, [_, there]) = lost(&world).await;
        let households = std::slice::from_ref(&at.household);
        let find =
            async |id: &str| world.store.find_one(households, &id.parse().unwrap()).await.unwrap().unwrap();
        let (from, to) = (find(&lost).await, find(&there).await);
        world.aws.fault("TransactWriteItems", 0, 1, fault);
        tokio::select! {
            outcome = world.store.move_edits(&from, &to) => panic!("{outcome:?}"),
            () = world.aws.hung() => {}
        }
        let places = [find(&lost).await.half.is_empty(), find(&there).await.half.is_empty()];
        assert_eq!(places.iter().filter(|is_empty| !**is_empty).count(), 1, "{fault:?}");
        assert_eq!(call(&world, move_to("alice", &lost, &there)).await.1["note"], "mine");
    }
}
