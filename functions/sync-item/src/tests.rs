//! What the worker does to the store, what it sends, and what it costs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    account::{merging, visible_accounts},
    category::Categories,
    edit::{Change, Orphans, TransactionEdits},
    ids::{AccountId, ItemRef},
    search::{Search, TransactionSearch},
    store::Connections,
    sync::{self, Cause, Edit, SyncMessage, Turns},
};
use edge::{
    batch::{Message, Verdict},
    system::System,
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use testkit::{Fault, SkippingClock, World, acting};

use crate::{Deps, handle};

/// Waits that the sync makes take no time.
fn deps(world: &World) -> Deps {
    let sync = sync::Deps { clock: Arc::new(SkippingClock::default()), ..world.sync() };
    let merging = merging::Deps {
        categories: world.store.clone(),
        admissions: world.store.clone(),
        store: world.store.clone(),
        removals: world.removals.clone(),
        clock: Arc::new(System),
    };
    Deps {
        sync,
        queue: world.queue.clone(),
        removals: world.removals.clone(),
        merging: Some(merging),
        turns: Turns::default(),
    }
}

async fn run(world: &World, content: SyncMessage) -> Verdict {
    let deadline = Timestamp::now().checked_add(50.seconds()).unwrap();
    acting!(handle(&deps(world), Message { content, deadline })).await
}

/// Id, amount and pending of every listed transaction.
async fn listed(world: &World) -> BTreeMap<String, (String, bool)> {
    let households = vec![world.household.clone()];
    let scope = world.store.scope(&households).await.unwrap();
    let mut search = Search::everything(500);
    let mut all = BTreeMap::new();
    loop {
        let page = world.store.find(&search, &scope).await.unwrap();
        for found in page.transactions {
            let facts = (found.amount.unwrap().to_string(), found.pending);
            assert!(all.insert(found.id.to_string(), facts).is_none(), "listed twice");
        }
        search.after = page.next;
        if search.after.is_none() {
            return all;
        }
    }
}

/// Amount and pending of every transaction in the sandbox's ledger.
fn ledger(world: &World) -> Vec<(String, bool)> {
    let sandbox = world.sandbox.world();
    let ids = sandbox.item_ids();
    let all = ids.iter().flat_map(|id| sandbox.ledger(id));
    let mut all: Vec<_> = all.map(|t| (t.amount.normalize().to_string(), t.pending)).collect();
    all.sort();
    all
}

async fn assert_equal_to_ledger(world: &World) -> usize {
    let mut mine: Vec<_> = listed(world).await.into_values().collect();
    mine.sort();
    assert_eq!(mine, ledger(world));
    mine.len()
}

fn message(at: &ItemRef, want: u64) -> SyncMessage {
    SyncMessage::numbered(at.clone(), want, Cause::Person)
}

fn poll(at: &ItemRef) -> SyncMessage {
    SyncMessage::unnumbered(at.clone(), Cause::Webhook)
}

#[tokio::test]
async fn five_thousand_transactions_arrive_complete_each_once() {
    let world = World::new().await;
    let (at, _) = world.item("user_many", "5000").await;
    assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done);
    assert_eq!(assert_equal_to_ledger(&world).await, 5000);
}

#[tokio::test]
async fn a_first_page_of_500_costs_8_write_requests_and_3_units_and_a_half_a_row() {
    let world = World::new().await;
    let (at, _) = world.item("user_many", "500").await;
    run(&world, message(&at, 1)).await;
    let calls = world.aws.take_calls();
    let writes: usize = ["TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"]
        .iter()
        .map(|operation| calls.get(*operation).copied().unwrap_or_default())
        .sum();
    assert!(writes <= 8, "{calls:?}");
    let units = world.aws.take_write_units();
    assert!(units <= 3.5 * 500.0, "{units} write units for 500 rows");
}

#[tokio::test]
async fn an_idle_sync_costs_one_read_one_plaid_call_one_kms_call_one_write() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    run(&world, message(&at, 1)).await;
    world.aws.take_calls();
    world.sandbox.world().take_calls();
    assert_eq!(run(&world, poll(&at)).await, Verdict::Done);
    let calls: Vec<_> = world.aws.take_calls().into_iter().collect();
    let one = |name: &str| (name.to_owned(), 1);
    assert_eq!(calls, [one("Decrypt"), one("Query"), one("UpdateItem")]);
    let plaid: Vec<_> = world.sandbox.world().take_calls().into_iter().collect();
    assert_eq!(plaid, [("/transactions/sync".to_owned(), 1)]);
}

#[tokio::test]
async fn the_night_looks_at_the_accounts_as_well() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    run(&world, message(&at, 1)).await;
    world.sandbox.world().take_calls();
    let night = SyncMessage::unnumbered(at.clone(), Cause::Night);
    assert_eq!(run(&world, night).await, Verdict::Done);
    let plaid: Vec<_> = world.sandbox.world().take_calls().into_iter().collect();
    assert_eq!(plaid, [("/accounts/get".to_owned(), 1), ("/transactions/sync".to_owned(), 1)]);
}

#[tokio::test]
async fn a_new_transaction_costs_3_units_and_nothing_new_writes_no_row() {
    let world = World::new().await;
    let (at, token) = world.item("user_transactions_dynamic", "x").await;
    run(&world, message(&at, 1)).await;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let new: Vec<_> = (0..10)
        .map(|n| json!({"date_transacted": today, "date_posted": today, "amount": n, "description": "Tea"}))
        .collect();
    let body = json!({"access_token": token.expose(), "transactions": new});
    world.call_plaid("/sandbox/transactions/create", &body).await;
    world.aws.take_write_units();
    run(&world, poll(&at)).await;
    let units = world.aws.take_write_units();
    // Ten rows and the item, which is about 1 KB.
    assert!(units <= 3.1 * 10.0 + 4.0, "{units} write units for 10 rows");
    assert_equal_to_ledger(&world).await;
    world.aws.take_calls();
    assert_eq!(run(&world, poll(&at)).await, Verdict::Done);
    let calls = world.aws.take_calls();
    assert_eq!((calls.get("TransactWriteItems"), calls.get("UpdateItem")), (None, Some(&1)), "{calls:?}");
}

#[tokio::test]
async fn a_number_that_is_covered_calls_nobody() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    run(&world, message(&at, 1)).await;
    world.sandbox.world().take_calls();
    assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done);
    assert!(world.sandbox.world().take_calls().is_empty());
}

#[tokio::test]
async fn pendings_post_under_their_first_id_and_news_are_applied() {
    let world = World::new().await;
    let (at, token) = world.item("user_transactions_dynamic", "x").await;
    run(&world, message(&at, 1)).await;
    let before = listed(&world).await;
    let pending: Vec<_> =
        before.iter().filter(|(_, (_, pending))| *pending).map(|(id, _)| id.clone()).collect();
    assert!(!pending.is_empty());
    world.call_plaid("/transactions/refresh", &json!({"access_token": token.expose()})).await;
    run(&world, poll(&at)).await;
    let after = listed(&world).await;
    assert_equal_to_ledger(&world).await;
    for id in pending {
        assert_eq!(after.get(&id).map(|(_, pending)| *pending), Some(false), "{id} has posted where it was");
    }
}

#[tokio::test]
async fn history_that_is_not_there_yet_is_looked_for_again() {
    let world = World::with_plaid(Duration::from_hours(1), Duration::from_hours(2)).await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let mut content = SyncMessage::first(at.clone(), 1);
    let mut delays = Vec::new();
    loop {
        assert_eq!(run(&world, content.clone()).await, Verdict::Done);
        let mut sent = world.queue.take();
        let Some((next, delay)) = sent.pop() else { break };
        delays.push(delay.as_secs());
        content = next;
    }
    assert_eq!(
        delays,
        [10, 30, 120, 600, 900, 900, 900, 900],
        "10 s, 30 s, 2 min, 10 min, and an hour in hops"
    );
    assert!(listed(&world).await.is_empty());
}

#[tokio::test]
async fn a_lost_log_in_parks_the_item_without_retries_and_comes_back() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    run(&world, message(&at, 1)).await;
    world.call_plaid("/sandbox/item/reset_login", &json!({"access_token": token.expose()})).await;
    assert_eq!(run(&world, poll(&at)).await, Verdict::Done);
    assert_eq!(listed(&world).await.len(), ledger(&world).len(), "what is there stays");
}

#[tokio::test]
async fn what_passes_is_tried_again_by_a_message_and_what_is_ours_is_parked() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let refuse = |code: &str, times: u32| {
        let fault = json!({"path": "/transactions/sync", "times": times, "error_code": code});
        world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    };
    refuse("INTERNAL_SERVER_ERROR", 3);
    assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done);
    let [(again, delay)] = &world.queue.take()[..] else { panic!("one message") };
    assert_eq!((again.want, again.tries, delay.as_secs()), (Some(1), 1, 30));
    let spent = SyncMessage { tries: 4, ..again.clone() };
    refuse("INTERNAL_SERVER_ERROR", 3);
    assert_eq!(run(&world, spent).await, Verdict::Done, "an outage fills no dead letters");
    refuse("INTERNAL_SERVER_ERROR", 2);
    assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done, "two failures are retried in place");
    refuse("INSTITUTION_DOWN", 1);
    assert_eq!(run(&world, poll(&at)).await, Verdict::Done, "hours are not waited for in the queue");
    refuse("INVALID_API_KEYS", 1);
    assert!(matches!(run(&world, poll(&at)).await, Verdict::Park(_)));
    refuse("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", 1);
    assert_eq!(run(&world, poll(&at)).await, Verdict::Done, "a mutation starts the update over");
    world.aws.fault("Query", 0, 100, Fault::Refuse);
    assert!(matches!(run(&world, poll(&at)).await, Verdict::Retry(_)));
    world.aws.heal();
    assert_equal_to_ledger(&world).await;
}

#[tokio::test]
async fn an_item_that_is_no_more_is_done() {
    let world = World::new().await;
    let (mut at, _) = world.item("user_good", "pass_good").await;
    at.item = domain::ids::ItemId::from_entropy([9; 10]);
    assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done);
}

/// Killed at each call of AWS, before and after it takes effect, in the middle of a history of two pages; then the
/// message comes again.
#[tokio::test]
async fn killed_anywhere_the_next_delivery_completes_the_history() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for step in (0..).step_by(3) {
            let world = World::new().await;
            let (at, _) = world.item("user_many", "520").await;
            world.aws.fault("", step, 1, fault);
            let dependencies = Arc::new(deps(&world));
            let deadline = Timestamp::now().checked_add(50.seconds()).unwrap();
            let content = message(&at, 1);
            let was_killed = tokio::select! {
                _ = acting!(handle(&dependencies, Message { content, deadline })) => false,
                () = world.aws.hung() => true,
            };
            if !was_killed {
                break;
            }
            assert_eq!(run(&world, message(&at, 1)).await, Verdict::Done);
            assert_eq!(assert_equal_to_ledger(&world).await, 520, "{fault:?} at call {step}");
        }
    }
}

/// The size of a row as DynamoDB counts it: names and values.
fn row_bytes(row: &serde_json::Value) -> usize {
    fn size(value: &serde_json::Value) -> usize {
        let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "S" => inner.as_str().unwrap().len(),
            // A number takes a byte for two digits, and one more.
            "N" => inner.as_str().unwrap().len().div_ceil(2) + 1,
            "B" => inner.as_str().unwrap().len() / 4 * 3,
            "BOOL" => 1,
            "M" => {
                3 + inner
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, inner)| name.len() + size(inner) + 1)
                    .sum::<usize>()
            }
            other => panic!("{other}"),
        }
    }
    row.as_object().unwrap().iter().map(|(name, inner)| name.len() + size(inner)).sum()
}

#[tokio::test]
async fn half_of_the_rows_take_a_kilobyte_at_most_and_nearly_all_two() {
    let world = World::new().await;
    let mut partitions = Vec::new();
    for (username, password) in
        [("user_good", "pass_good"), ("user_transactions_dynamic", "x"), ("user_many", "400")]
    {
        let (at, _) = world.item(username, password).await;
        run(&world, message(&at, 1)).await;
        partitions.push(format!("H#{}#I#{}", at.household, at.item));
    }
    let mut sizes = Vec::new();
    for partition in partitions {
        let query = json!({
            "TableName": "DataTable",
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": {":pk": {"S": partition}, ":sk": {"S": "T#"}},
        });
        let answer = world.aws.ask("DynamoDB_20120810.Query", &query).await;
        assert!(answer.get("LastEvaluatedKey").is_none());
        sizes.extend(answer["Items"].as_array().unwrap().iter().map(row_bytes));
    }
    sizes.sort_unstable();
    let percentile = |percent: usize| sizes[sizes.len() * percent / 100];
    assert!(sizes.len() > 800, "{}", sizes.len());
    assert!(
        percentile(50) <= 1024 && percentile(99) <= 2048,
        "p50 {}, p99 {}",
        percentile(50),
        percentile(99)
    );
}

/// Id and state of the visible accounts.
async fn account_names(world: &World) -> Vec<String> {
    let tree = world.store.tree(&world.household).await.unwrap();
    let connections = world.store.connections(&world.household).await.unwrap();
    let shown = visible_accounts(tree.merges(), connections).into_iter();
    let mut names: Vec<_> =
        shown.map(|(_, account)| format!("{} {}", account.id, account.state.is_stopped())).collect();
    names.sort();
    names
}

/// Amount and note of transactions with a note.
async fn notes(world: &World) -> Vec<(String, String)> {
    let scope = world.store.scope(std::slice::from_ref(&world.household)).await.unwrap();
    let found = world.store.find(&Search::everything(500), &scope).await.unwrap();
    let mut notes: Vec<_> = found
        .transactions
        .into_iter()
        .filter_map(|listed| {
            Some((listed.amount.unwrap().to_string(), listed.half.note?.as_str().to_owned()))
        })
        .collect();
    notes.sort();
    notes
}

#[tokio::test]
async fn reissued_accounts_keep_ids_rows_and_edits() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    assert_eq!(run(&world, SyncMessage::first(at.clone(), 1)).await, Verdict::Done);
    let before = (listed(&world).await, account_names(&world).await);
    for (number, id) in before.0.keys().enumerate().filter(|(number, _)| number % 7 == 0) {
        let note = Edit::Set(format!("note {number}").parse().unwrap());
        world
            .store
            .edit(&at, &id.parse().unwrap(), &Change { note, ..Change::default() }, None)
            .await
            .unwrap();
    }
    let written = notes(&world).await;
    assert!(written.len() > 5);
    let item = world.sandbox.world().item_ids().remove(0);
    world
        .sandbox
        .world()
        .change(&item, &serde_json::from_value(json!({"change": "reissue_accounts"})).unwrap())
        .unwrap();
    for _ in 0..2 {
        assert_eq!(run(&world, poll(&at)).await, Verdict::Done);
        let mut facts: Vec<_> = before.0.values().cloned().collect();
        let mut now: Vec<_> = listed(&world).await.into_values().collect();
        facts.sort();
        now.sort();
        assert_eq!(now, facts);
        assert_eq!(account_names(&world).await, before.1);
        assert_eq!(notes(&world).await, written);
        assert!(world.store.orphans(&at).await.unwrap().is_empty());
    }
}

/// A log-in at a bank with one account and its transactions.
fn person(name: &str, mask: &str, amounts: &[u32]) -> String {
    let spent = |(number, amount): (usize, &u32)| {
        let day = format!("2026-0{}-{:02}", 1 + number / 20, 1 + number % 20);
        json!({"date_transacted": day, "date_posted": day, "amount": amount, "description": format!("Shop {amount}"), "currency": "USD"})
    };
    let transactions: Vec<_> = amounts.iter().enumerate().map(spent).collect();
    json!({"override_accounts": [{
        "type": "depository", "subtype": "checking", "starting_balance": 100, "meta": {"name": name, "mask": mask},
        "transactions": transactions,
    }]})
    .to_string()
}

/// A revoked item with a note, and a new item with an account that may be the same.
async fn linked_again(world: &World, amounts: [&[u32]; 2]) -> ItemRef {
    let (old, token) = world.item("user_custom", &person("Everyday", "1111", amounts[0])).await;
    run(world, SyncMessage::first(old.clone(), 1)).await;
    let first = listed(world).await.into_keys().next().unwrap();
    let note = Change { note: Edit::Set("mine".parse().unwrap()), ..Change::default() };
    world.store.edit(&old, &first.parse().unwrap(), &note, None).await.unwrap();
    world.call_plaid("/item/remove", &json!({"access_token": token.expose()})).await;
    run(world, poll(&old)).await;
    let (new, _) = world.item("user_custom", &person("Current", "2222", amounts[1])).await;
    run(world, SyncMessage::first(new, 1)).await;
    world.queue.take();
    old
}

#[tokio::test]
async fn equal_history_merges_across_connections() {
    let amounts: Vec<u32> = (1..=30).collect();
    let world = World::new().await;
    linked_again(&world, [&amounts, &amounts]).await;
    assert_eq!(listed(&world).await.len(), 30);
    assert_eq!(account_names(&world).await.len(), 1);
    assert_eq!(notes(&world).await.len(), 1);
    // The old item has no synced account: it is removed at Plaid.
    assert_eq!(world.removals.take().len(), 1);
}

#[tokio::test]
async fn similar_history_is_a_possible_twin() {
    let amounts: Vec<u32> = (1..=30).collect();
    let (half, other): (Vec<u32>, Vec<u32>) = (
        amounts.iter().map(|amount| if amount % 3 == 0 { amount + 100 } else { *amount }).collect(),
        (200..230).collect(),
    );
    for (new, is_asked) in [(half, true), (other, false)] {
        let world = World::new().await;
        let old = linked_again(&world, [&amounts, &new]).await;
        assert_eq!(listed(&world).await.len(), 60);
        let connections = world.store.connections(&world.household).await.unwrap();
        let twins: Vec<_> = connections
            .iter()
            .flat_map(|connection| &connection.accounts)
            .filter_map(|account| account.possible_twin())
            .map(AccountId::item)
            .collect();
        assert_eq!(twins, if is_asked { vec![old.item] } else { vec![] });
    }
}
