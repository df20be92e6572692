//! The same log-in again as another item.

use std::collections::BTreeSet;

use jiff::civil::Date;
use plaid_sandbox::{Relink, Transaction};
use serde_json::{Value, json};

use crate::{caller::Caller, server::Server};

/// Links the caller's item again: what Link handed over, and the new item's token and id.
async fn relink(caller: &Caller, how: Value) -> (Value, Value, String) {
    let server = Server::start(caller).await;
    let path = format!("/control/items/{}/relink", caller.item);
    let linked = server.post(&path, how).await.json();
    let exchanged =
        caller.ask("/item/public_token/exchange", &json!({"public_token": linked["public_token"]}));
    caller.ask("/transactions/sync", &json!({"access_token": exchanged["access_token"]}));
    let item = exchanged["item_id"].as_str().unwrap().to_owned();
    (linked, exchanged["access_token"].clone(), item)
}

/// What is the same of a transaction under any item.
fn facts(transaction: &Transaction) -> (String, String, Date, bool) {
    let Transaction { name, amount, date, pending, .. } = transaction.clone();
    (name, amount.to_string(), date, pending)
}

#[tokio::test]
async fn a_log_in_again_has_the_same_facts_under_other_ids_and_a_shorter_history() {
    let caller = Caller::new(400);
    let pending = caller.change(json!({"change": "add", "pending": true})).unwrap();
    caller.change(json!({"change": "post", "id": pending, "removal": "after"})).unwrap();
    let (linked, token, item) = relink(&caller, json!({"days": 90})).await;
    let accounts = |token: &Value| {
        let answer = caller.ask("/accounts/get", &json!({"access_token": token}));
        answer["accounts"].as_array().unwrap().clone()
    };
    let (old, new) = (accounts(&json!(caller.token)), accounts(&token));
    for (old, new) in old.iter().zip(&new) {
        let same = |account: &Value| ["name", "mask", "type", "subtype"].map(|field| account[field].clone());
        assert_eq!(same(old), same(new));
        assert_ne!(old["account_id"], new["account_id"]);
    }
    assert_eq!(linked["metadata"]["accounts"].as_array().unwrap().len(), 3);
    assert_eq!(linked["metadata"]["institution"]["institution_id"], "ins_109508");

    let world = caller.sandbox.world();
    let (old, new) = (world.ledger(&caller.item), world.ledger(&item));
    let first: Date = "2026-08-22".parse().unwrap();
    let sorted = |ledger: &[Transaction]| {
        let mut all: Vec<_> = ledger.iter().filter(|t| t.date >= first).map(facts).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&old), sorted(&new));
    assert!(new.len() < old.len() && new.iter().all(|t| t.date >= first));
    let ids: BTreeSet<_> = old.iter().map(|t| &t.id).collect();
    assert!(new.iter().all(|t| !ids.contains(&t.id)));
    let linked = new.iter().find_map(|t| t.pending_transaction_id.clone()).unwrap();
    assert!(new.iter().any(|t| t.id == linked && t.pending), "a link follows");
}

#[tokio::test]
async fn what_was_pending_has_posted_and_some_dates_are_a_day_off() {
    let caller = Caller::new(300);
    caller.change(json!({"change": "add", "pending": true, "name": "Tea"})).unwrap();
    let (_, _, item) = relink(&caller, json!({"days": 730, "post_pending": true, "shift_dates": true})).await;
    let world = caller.sandbox.world();
    let (old, new) = (world.ledger(&caller.item), world.ledger(&item));
    assert_eq!(old.len(), new.len());
    assert!(new.iter().all(|t| !t.pending));
    let dates = |ledger: &[Transaction]| {
        let mut all: Vec<_> = ledger.iter().map(|t| (t.amount, t.name.clone(), t.date)).collect();
        all.sort();
        all
    };
    let moved = dates(&old).iter().zip(&dates(&new)).filter(|(old, new)| old != new).count();
    assert!((50..200).contains(&moved), "{moved} of {}", old.len());
}

#[tokio::test]
async fn only_an_item_that_is_there_can_be_linked_again() {
    let caller = Caller::new(0);
    let relink = Relink { days: 30, post_pending: false, shift_dates: false };
    assert_eq!(caller.sandbox.world().relink("nobody", &relink), None);
    assert!(caller.sandbox.world().relink(&caller.item, &relink).is_some());
    let server = Server::start(&caller).await;
    assert_eq!(server.post("/control/items/nobody/relink", json!({"days": 30})).await.status(), "404");
}

#[tokio::test]
async fn one_bank_has_ids_that_are_the_same_under_every_item() {
    let caller = Caller::new(0);
    let ids = |institution: &str| {
        let created = caller.ask(
            "/sandbox/public_token/create",
            &json!({"institution_id": institution, "initial_products": ["transactions"]}),
        );
        let exchanged =
            caller.ask("/item/public_token/exchange", &json!({"public_token": created["public_token"]}));
        let answer = caller.ask("/accounts/get", &json!({"access_token": exchanged["access_token"]}));
        let accounts = answer["accounts"].as_array().unwrap().clone();
        accounts
            .iter()
            .filter_map(|account| account.get("persistent_account_id").cloned())
            .collect::<Vec<_>>()
    };
    let first = ids("ins_127287");
    assert_eq!((first.len(), ids("ins_127287")), (2, first), "checking and savings");
    assert_eq!(ids("ins_109508"), Vec::<Value>::new());
}
