//! What a caller sees, and what it costs.

use domain::{
    edit::{Change, TransactionEdits},
    ids::ItemRef,
    sync::{Cause, Edit},
};
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, id: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        transactions: world.store.clone(),
        categories: world.store.clone(),
    };
    body(acting!(handle(&deps, request(user, &[("transaction_id", id)], "", &Value::Null))).await)
}

async fn synced(world: &World, count: &str) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", count).await;
    world.run(&at, Cause::Link).await;
    (at, world.sandbox.world().item_ids().pop().unwrap())
}

fn change(world: &World, plaid_item: &str, change: Value) -> String {
    world.sandbox.world().change(plaid_item, &serde_json::from_value(change).unwrap()).unwrap()
}

#[tokio::test]
async fn a_transaction_is_shown_with_all_detail_by_any_id_that_it_has_had() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, "0").await;
    let pending = change(&world, &plaid_item, json!({"change": "add", "pending": true, "amount": "7"}));
    world.run(&at, Cause::Webhook).await;
    let note = Change { note: Edit::Set("mine".parse().unwrap()), ..Change::default() };
    world.store.edit(&at, &pending.parse().unwrap(), &note, None).await.unwrap();
    let posted = change(&world, &plaid_item, json!({"change": "post", "id": pending}));
    world.run(&at, Cause::Webhook).await;
    let (status, by_posted) = call(&world, "alice", &posted).await;
    let (_, by_pending) = call(&world, "carol", &pending).await;
    assert_eq!((status, &by_posted), (200, &by_pending));
    assert_eq!((&by_posted["id"], &by_posted["note"]), (&json!(pending), &json!("mine")));
    assert_eq!((&by_posted["pending"], &by_posted["revision"]), (&json!(false), &json!(1)));
    for (user, id) in [("bob", &posted), ("bob", &pending), ("nobody", &posted)] {
        let (status, answer) = call(&world, user, id).await;
        assert_eq!((status, &answer["code"]), (404, &json!("transaction_not_found")), "{user}");
    }
    change(&world, &plaid_item, json!({"change": "remove", "id": posted}));
    world.run(&at, Cause::Webhook).await;
    assert_eq!(call(&world, "alice", &pending).await.0, 404, "what is no more is an orphan's");
}

#[tokio::test]
async fn detail_is_the_banks_own_object() {
    let world = World::new().await;
    let (at, _) = synced(&world, "60").await;
    let rows = domain::sync::SyncReads::live_rows(&*world.store, &at, None).await.unwrap().rows;
    let mut kinds = std::collections::BTreeSet::new();
    for row in rows {
        let (_, answer) = call(&world, "alice", row.key.as_str()).await;
        kinds.extend(answer["detail"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    }
    assert!(kinds.contains("counterparties") && kinds.contains("website"), "{kinds:?}");
}

#[tokio::test]
async fn it_costs_two_queries_and_two_reads() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, "0").await;
    let id = change(&world, &plaid_item, json!({"change": "add"}));
    world.run(&at, Cause::Webhook).await;
    world.aws.take_calls();
    assert_eq!(call(&world, "alice", &id).await.0, 200);
    let calls: Vec<_> = world.aws.take_calls().into_iter().collect();
    assert_eq!(calls, [("BatchGetItem".to_owned(), 1), ("GetItem".to_owned(), 1), ("Query".to_owned(), 2)]);
}
