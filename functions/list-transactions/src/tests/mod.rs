//! What a caller of the list sees, and what it costs.

mod filters;
mod pages;

use std::collections::BTreeSet;

use domain::{
    ids::ItemRef,
    sync::{Cause, Trigger, sync},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let store = &world.store;
    let deps = Deps {
        memberships: store.clone(),
        search: store.clone(),
        connections: store.clone(),
        orphans: store.clone(),
    };
    body(acting!(handle(&deps, request(user, &[], query, &Value::Null))).await)
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
    assert!(merchant["category"]["primary"].is_string() && merchant["category"]["source"] == "bank");
    assert!(merchant["category"]["id"].is_string() && merchant["logo_url"].is_string());
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
    assert_eq!(
        call(&world, "alice", "category_id=cat_0000000000000000").await.1["code"],
        "category_not_found"
    );
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
        ("alice", format!("cursor={cursor}&sort=date"), "cursor"),
        ("alice", format!("cursor={cursor}&q=x"), "cursor"),
        ("alice", format!("cursor={cursor}&hidden=any"), "cursor"),
        ("alice", format!("cursor={cursor}&orphaned=true"), "cursor"),
        ("alice", "from=0000-00-00".to_owned(), "from"),
        ("alice", format!("q={}", "x".repeat(101)), "q"),
        ("alice", "q=%CC%81".to_owned(), "q"),
        ("alice", "min_amount=NaN".to_owned(), "min_amount"),
        ("alice", "min_amount=-1".to_owned(), "min_amount"),
        ("alice", "max_amount=1e400".to_owned(), "max_amount"),
        ("alice", "max_amount=0.0000000000000000001".to_owned(), "max_amount"),
        ("alice", "max_amount=79228162514264337593543950336".to_owned(), "max_amount"),
        ("alice", "min_amount=2&max_amount=1.99".to_owned(), "max_amount"),
        ("alice", "direction=up".to_owned(), "direction"),
        ("alice", format!("category_id={}", "x".repeat(65)), "category_id"),
        ("alice", format!("category_id={}", vec!["none"; 21].join(",")), "category_id"),
        ("alice", format!("account_id={account},"), "account_id"),
        ("alice", format!("tag={}", "x".repeat(51)), "tag"),
        ("alice", "pending=yes".to_owned(), "pending"),
        ("alice", "manual=1".to_owned(), "manual"),
        ("alice", "hidden=none".to_owned(), "hidden"),
        ("alice", format!("field={}", "x".repeat(201)), "field"),
        ("alice", "totals=maybe".to_owned(), "totals"),
        ("alice", "orphaned=true&q=x".to_owned(), "orphaned"),
        ("alice", "colour=red".to_owned(), "colour"),
        ("alice", "q=a&q=b".to_owned(), "q"),
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
    for query in ["limit=100", "limit=500", "limit=100&to=2000-01-01", "limit=100&sort=date"] {
        world.aws.take_calls();
        let (_, answer) = call(&world, "alice", &format!("household_id={household}&{query}")).await;
        let calls = world.aws.take_calls();
        assert_eq!(calls.get("GetItem"), Some(&1), "the membership");
        assert_eq!(calls.get("BatchGetItem"), Some(&1), "the household's months");
        let queries = calls.get("Query").copied().unwrap_or_default();
        assert_eq!(queries, 1 + months(&answer), "{query}: the connections, and one a month");
    }
}
