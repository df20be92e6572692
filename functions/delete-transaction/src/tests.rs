//! What a caller sees, and what stays of it after syncs.

use domain::{
    edit::{Facts, ManualTransactions, NewTransaction, OneTransaction, UserHalf},
    ids::{ItemRef, TransactionId},
    sync::{Cause, SyncReads},
};
use edge::http::Request;
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

async fn send(world: &World, request: Request) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        transactions: world.store.clone(),
        edits: world.store.clone(),
        manual: world.store.clone(),
    };
    match acting!(handle(&deps, request)).await {
        Ok(reply) => {
            assert!(reply.body.is_empty());
            (reply.status, Value::Null)
        }
        problem => body(problem),
    }
}

fn delete(user: &str, id: &str) -> Request {
    request(user, &[("transaction_id", id)], "", &Value::Null)
}

async fn empty(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "0").await;
    world.run(&at, Cause::Link).await;
    (at, world.sandbox.world().item_ids().pop().unwrap())
}

async fn change(world: &World, at: &ItemRef, plaid_item: &str, change: Value) -> String {
    let id = world.sandbox.world().change(plaid_item, &serde_json::from_value(change).unwrap()).unwrap();
    world.run(at, Cause::Webhook).await;
    id
}

async fn is_hidden(world: &World, at: &ItemRef, id: &str) -> bool {
    let households = std::slice::from_ref(&at.household);
    let found = world.store.find_one(households, &id.parse().unwrap()).await.unwrap().unwrap();
    found.whole.expect("it is there").listed.half.hidden
}

async fn entered(world: &World, at: &ItemRef) -> String {
    let facts = Facts {
        account: world.store.state(at).await.unwrap().unwrap().accounts.remove(0).id,
        date: "2026-01-31".parse().unwrap(),
        amount: "20".parse().unwrap(),
        currency: None,
        name: "Cash".to_owned(),
        merchant_name: None,
        pending: false,
    };
    let half = UserHalf { rev: 1, ..UserHalf::default() };
    let new = NewTransaction { at: at.clone(), id: TransactionId::from_entropy([9; 10]), facts, half };
    world.store.enter(&new).await.unwrap();
    new.id.to_string()
}

#[tokio::test]
async fn what_a_bank_knows_of_is_hidden_and_stays_so_whatever_the_bank_says() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &at, &plaid_item, json!({"change": "add", "pending": true, "amount": "7"})).await;
    assert_eq!(send(&world, delete("alice", &id)).await.0, 204);
    assert_eq!(send(&world, delete("alice", &id)).await.0, 204, "the same again");
    change(&world, &at, &plaid_item, json!({"change": "amend", "id": id, "amount": "8"})).await;
    assert!(is_hidden(&world, &at, &id).await, "modified");
    let posted = change(&world, &at, &plaid_item, json!({"change": "post", "id": id})).await;
    assert!(is_hidden(&world, &at, &posted).await, "posted");
    change(&world, &at, &plaid_item, json!({"change": "remove", "id": posted})).await;
    assert_eq!(send(&world, delete("alice", &id)).await.0, 404);
    change(&world, &at, &plaid_item, json!({"change": "restore", "id": posted})).await;
    assert!(is_hidden(&world, &at, &posted).await, "removed and back");
    // From nothing, with a sweep at the end.
    change(&world, &at, &plaid_item, json!({"change": "renumber_accounts"})).await;
    assert!(is_hidden(&world, &at, &id).await, "under new ids");
}

#[tokio::test]
async fn what_a_person_has_entered_goes() {
    let world = World::new().await;
    let (at, _) = empty(&world).await;
    let id = entered(&world, &at).await;
    for (user, expected) in [("carol", 403), ("bob", 404)] {
        assert_eq!(send(&world, delete(user, &id)).await.0, expected, "{user}");
    }
    assert_eq!(send(&world, with_header(delete("alice", &id), "if-match", "\"7\"")).await.0, 412);
    assert_eq!(send(&world, with_header(delete("alice", &id), "if-match", "\"1\"")).await.0, 204);
    let (status, answer) = send(&world, delete("alice", &id)).await;
    assert_eq!((status, &answer["code"]), (404, &json!("transaction_not_found")));
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_a_deletion() {
    let world = World::new().await;
    let (at, _) = empty(&world).await;
    let id = entered(&world, &at).await;
    world.aws.fault("DeleteItem", 0, 1, Fault::HangAfter);
    assert_eq!(send(&world, delete("alice", &id)).await.0, 204);
}

#[tokio::test]
async fn a_deletion_of_something_older_is_refused() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &at, &plaid_item, json!({"change": "add"})).await;
    assert_eq!(send(&world, with_header(delete("alice", &id), "if-match", "\"1\"")).await.0, 412);
    assert_eq!(send(&world, with_header(delete("alice", &id), "if-match", "\"0\"")).await.0, 204);
    assert_eq!(send(&world, with_header(delete("alice", &id), "if-match", "\"0\"")).await.0, 412);
}
