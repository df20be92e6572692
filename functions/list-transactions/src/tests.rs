//! What a caller of the list sees, and what it costs.

use std::collections::BTreeSet;

use domain::{
    ids::ItemRef,
    sync::{Cause, Trigger, sync},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), search: world.store.clone() };
    body(handle(&deps, request(user, &[], query, &Value::Null)).await)
}

async fn synced(world: &World, count: u32) -> ItemRef {
    let (at, _) = world.item("user_many", &count.to_string()).await;
    let trigger = Trigger {
        at: at.clone(),
        want: Some(1),
        cause: Cause::Link,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    sync(&world.sync(), &trigger).await.unwrap();
    world.aws.take_calls();
    at
}

/// All pages of a question.
async fn all(world: &World, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, answer) = call(world, "alice", &format!("{query}{cursor}")).await;
        assert_eq!(status, 200, "{answer}");
        found.extend(answer["transactions"].as_array().unwrap().clone());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_are_in_order_and_hold_each_transaction_once() {
    let world = World::new().await;
    synced(&world, 700).await;
    let whole = all(&world, "limit=500").await;
    assert_eq!(whole.len(), 700);
    let place = |t: &Value| (t["date"].as_str().unwrap().to_owned(), t["id"].as_str().unwrap().to_owned());
    assert!(whole.windows(2).all(|pair| place(&pair[0]) > place(&pair[1])));
    for limit in [1, 7, 100] {
        if limit > 1 {
            assert_eq!(all(&world, &format!("limit={limit}")).await, whole, "limit {limit}");
        }
        let (_, page) = call(&world, "alice", &format!("limit={limit}")).await;
        assert_eq!(page["transactions"].as_array().unwrap().len(), limit);
    }
}

#[tokio::test]
async fn filters_hold() {
    let world = World::new().await;
    synced(&world, 400).await;
    let whole = all(&world, "limit=500").await;
    let (from, to) = (whole[300]["date"].as_str().unwrap(), whole[100]["date"].as_str().unwrap());
    let expected: Vec<_> = whole
        .iter()
        .filter(|t| t["date"].as_str().unwrap() >= from && t["date"].as_str().unwrap() <= to)
        .cloned()
        .collect();
    assert_eq!(all(&world, &format!("from={from}&to={to}&limit=9")).await, expected);
    let account = whole[0]["account_id"].as_str().unwrap();
    let of_account: Vec<_> = whole.iter().filter(|t| t["account_id"] == account).cloned().collect();
    assert!(!of_account.is_empty() && of_account.len() < whole.len());
    assert_eq!(all(&world, &format!("account_id={account}&limit=9")).await, of_account);
}

#[tokio::test]
async fn a_transaction_has_its_facts() {
    let world = World::new().await;
    synced(&world, 100).await;
    let whole = all(&world, "limit=500").await;
    let transfer = whole.iter().find(|t| t["payment_channel"] == "other").unwrap();
    assert!(transfer["payment_meta"]["reference_number"].is_string());
    assert_eq!(transfer["payment_meta"]["payee"], Value::Null);
    let merchant = whole.iter().find(|t| t["merchant_name"].is_string()).unwrap();
    assert!(merchant["category"]["primary"].is_string() && merchant["logo_url"].is_string());
    assert_eq!((&merchant["currency"], &merchant["pending"]), (&json!("USD"), &json!(false)));
}

#[tokio::test]
async fn strangers_and_wrong_parameters_get_nothing() {
    let world = World::new().await;
    synced(&world, 30).await;
    let (_, page) = call(&world, "alice", "limit=5").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let account = page["transactions"][0]["account_id"].as_str().unwrap();
    assert_eq!(call(&world, "bob", &format!("household_id={}", world.household)).await.0, 404);
    assert_eq!(call(&world, "bob", &format!("account_id={account}")).await.0, 404);
    assert_eq!(call(&world, "bob", "").await.1["transactions"], json!([]));
    let mut damaged = cursor.to_owned();
    damaged.replace_range(10..11, if damaged.as_bytes()[10] == b'A' { "B" } else { "A" });
    let cases = [
        ("bob", format!("cursor={cursor}"), "cursor"),
        ("alice", format!("cursor={cursor}&from=2020-01-01"), "cursor"),
        ("alice", format!("cursor={damaged}"), "cursor"),
        ("alice", "limit=0".to_owned(), "limit"),
        ("alice", "limit=501".to_owned(), "limit"),
        ("alice", "from=2026-02-30".to_owned(), "from"),
        ("alice", "from=2026-02-02&to=2026-01-01".to_owned(), "to"),
        ("alice", "account_id=x".to_owned(), "account_id"),
        ("alice", "sort=x".to_owned(), "sort"),
    ];
    for (user, query, field) in cases {
        let (status, answer) = call(&world, user, &query).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (400, Some(field)), "{query}: {answer}");
    }
}

#[tokio::test]
async fn it_costs_the_membership_the_scope_and_a_query_for_each_month_that_it_reads() {
    let world = World::new().await;
    synced(&world, 730).await;
    let household = &world.household;
    let months = |answer: &Value| {
        let dates = answer["transactions"].as_array().unwrap().iter();
        dates.map(|t| t["date"].as_str().unwrap()[..7].to_owned()).collect::<BTreeSet<_>>().len()
    };
    for query in ["limit=100", "limit=500", "limit=100&to=2000-01-01"] {
        world.aws.take_calls();
        let (_, answer) = call(&world, "alice", &format!("household_id={household}&{query}")).await;
        let calls = world.aws.take_calls();
        assert_eq!(calls.get("GetItem"), Some(&1), "the membership");
        assert_eq!(calls.get("BatchGetItem"), Some(&1), "the household's months");
        assert_eq!(calls.get("Query").copied().unwrap_or_default(), months(&answer), "{query}: one a month");
    }
}
