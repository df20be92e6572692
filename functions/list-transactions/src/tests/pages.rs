//! Pages while a sync runs between them, what they cost, and what has lost its transaction.

use std::collections::BTreeSet;

use domain::{
    edit::{Change, TransactionEdits},
    ids::{ItemRef, TransactionId},
    sync::{Cause, Edit},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use testkit::World;

use super::{all, call};

async fn empty(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    world.run(&at, Cause::Night).await;
    (at, plaid_item)
}

fn change(world: &World, plaid_item: &str, change: &Value) -> Option<String> {
    world.sandbox.world().change(plaid_item, &serde_json::from_value(change.clone()).unwrap())
}

fn ids(transactions: &[Value]) -> Vec<String> {
    transactions.iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
}

/// Pages through a list, with a sync after each page of what the steps say. What was there all the time, unchanged, is shown once.
async fn pages_with_syncs(sort: &str, limit: usize, steps: &[(u8, u8, u8)]) {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let add = |n: u8, day: u8| {
        let (month, day) = (1 + day % 4, 1 + day % 28);
        let date = format!("2026-{month:02}-{day:02}");
        change(&world, &plaid_item, &json!({"change": "add", "amount": n.to_string(), "date": date})).unwrap()
    };
    for n in 0..40 {
        add(n, n.wrapping_mul(37));
    }
    world.run(&at, Cause::Night).await;
    let before = ids(&all(&world, "limit=500").await);
    let mut touched = BTreeSet::new();
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    let mut steps = steps.iter();
    loop {
        let query = format!("sort={sort}&limit={limit}{cursor}");
        let (status, page) = call(&world, "alice", &query).await;
        assert_eq!(status, 200, "{page}");
        shown.extend(ids(page["transactions"].as_array().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        if let Some((what, which, to)) = steps.next() {
            let id = &before[usize::from(*which) % before.len()];
            match what % 3 {
                0 => drop(add(*to, *which)),
                1 => {
                    change(
                        &world,
                        &plaid_item,
                        &json!({"change": "amend", "id": id, "amount": to.to_string()}),
                    );
                    touched.insert(id.clone());
                }
                _ => {
                    change(&world, &plaid_item, &json!({"change": "remove", "id": id}));
                    touched.insert(id.clone());
                }
            }
            world.run(&at, Cause::Night).await;
        }
    }
    let once: BTreeSet<_> = shown.iter().collect();
    let moves = |id: &&String| sort.ends_with("amount") && touched.contains(*id);
    let twice = shown.iter().filter(|id| shown.iter().filter(|other| other == id).count() > 1);
    assert_eq!(twice.filter(|id| !moves(id)).collect::<Vec<_>>(), Vec::<&String>::new(), "twice");
    let skipped: Vec<_> = before.iter().filter(|id| !touched.contains(*id) && !once.contains(id)).collect();
    assert_eq!(skipped, Vec::<&String>::new(), "skipped");
}

#[test]
fn no_transaction_whose_place_stays_is_skipped_or_shown_twice_while_syncs_run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let steps = prop::collection::vec(any::<(u8, u8, u8)>(), 1..8);
    let sorts = prop::sample::select(vec!["-date", "date", "-amount", "amount"]);
    let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(sorts, 3_usize..12, steps), |(sort, limit, steps)| {
            runtime.block_on(pages_with_syncs(sort, limit, &steps));
            Ok(())
        })
        .unwrap();
}

/// Three months, of which the middle one is between one and two megabytes.
async fn a_large_month(world: &World) {
    let (at, plaid_item) = empty(world).await;
    let name = "word ".repeat(180);
    for n in 0..1_300 {
        let date = match n {
            0..50 => "2026-01-07".to_owned(),
            50..100 => "2026-03-07".to_owned(),
            _ => format!("2026-02-{:02}", 1 + n % 28),
        };
        let amount = (1 + n % 90).to_string();
        change(world, &plaid_item, &json!({"change": "add", "amount": amount, "date": date, "name": name}));
    }
    world.run(&at, Cause::Night).await;
    world.aws.take_calls();
}

#[tokio::test]
async fn no_question_costs_more_queries_than_its_months_have_megabytes() {
    let world = World::new().await;
    a_large_month(&world).await;
    let household = &world.household;
    let questions = [
        ("limit=500", 4),
        ("limit=500&q=words", 4),
        ("limit=20&q=word&min_amount=89", 4),
        ("limit=500&sort=date", 4),
        ("limit=50&sort=date&tag=none", 4),
        ("limit=500&sort=-amount", 4),
        ("limit=500&totals=true", 4),
        ("limit=500&from=2026-02-03&to=2026-02-26&q=words", 2),
        ("limit=500&from=2025-01-01&to=2026-01-31", 1),
        ("limit=500&from=2024-01-01&to=2024-12-31", 0),
    ];
    for (question, most) in questions {
        let mut cursor = String::new();
        let mut pages = 0;
        loop {
            world.aws.take_calls();
            let query = format!("household_id={household}&{question}{cursor}");
            let (_, answer) = call(&world, "alice", &query).await;
            let calls = world.aws.take_calls();
            assert_eq!((calls.get("GetItem"), calls.get("BatchGetItem")), (Some(&1), Some(&1)), "{question}");
            // One of them reads the connections.
            let queries = calls.get("Query").copied().unwrap_or_default() - 1;
            assert!(queries <= most, "{question}, page {pages}: {queries} queries");
            pages += 1;
            let Some(next) = answer["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        if question.contains("words") {
            assert_eq!(pages, 1, "{question}");
        }
    }
}

#[tokio::test]
async fn what_lost_its_transaction_is_listed_with_what_was_written_and_in_pages() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(
            change(&world, &plaid_item, &json!({"change": "add", "amount": (n + 1).to_string()})).unwrap(),
        );
    }
    world.run(&at, Cause::Night).await;
    for id in &ids {
        let change = Change { note: Edit::Set("tea".parse().unwrap()), ..Change::default() };
        let id: TransactionId = id.parse().unwrap();
        world.store.edit(&at, &id, &change, None).await.unwrap();
    }
    for id in &ids[1..] {
        change(&world, &plaid_item, &json!({"change": "remove", "id": id}));
    }
    world.run(&at, Cause::Night).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = call(&world, "alice", &format!("orphaned=true&limit=3{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        found.extend(page["orphaned"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    ids[1..].sort();
    let keys: Vec<_> = found.iter().map(|orphan| orphan["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, ids[1..]);
    for orphan in &found {
        assert_eq!((&orphan["note"], &orphan["item_id"]), (&json!("tea"), &json!(at.item)));
        assert!(
            orphan["amount"].is_string() && orphan["account_id"].is_string() && orphan["name"].is_string()
        );
    }
    assert_eq!(call(&world, "bob", "orphaned=true").await.1["orphaned"], json!([]));
    assert_eq!(call(&world, "bob", &format!("orphaned=true&household_id={}", world.household)).await.0, 404);
}
