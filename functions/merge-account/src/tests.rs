//! What a caller sees.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    account::{Account, AccountState, merging, visible_accounts},
    category::Categories,
    edit::{Change, TransactionEdits},
    ids::{AccountId, ItemRef},
    search::{Search, TransactionSearch},
    store::Connections,
    sync::{Cause, Edit, SyncReads},
};
use edge::{idempotency::Once, system::System};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::{Fault, StandingClock, World, acting, body, request};

use crate::{Deps, handle};

fn deps_at(world: &World, now: Timestamp) -> Deps {
    Deps {
        memberships: world.store.clone(),
        connection: world.store.clone(),
        merging: merging::Deps {
            categories: world.store.clone(),
            admissions: world.store.clone(),
            store: world.store.clone(),
            removals: world.removals.clone(),
            clock: Arc::new(StandingClock::at(now)),
        },
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    }
}

async fn call(world: &World, user: &str, account: &AccountId, into: &Value) -> (u16, Value) {
    let asked = request(user, &[("account_id", account.as_str())], "", &json!({"account_id": into}));
    body(acting!(handle(&deps_at(world, Timestamp::now()), asked)).await)
}

async fn merge(world: &World, account: &AccountId, into: &AccountId) -> (u16, Value) {
    call(world, "alice", account, &json!(into)).await
}

fn custom(name: &str, mask: &str) -> String {
    let spent = |number: i32| json!({"date_transacted": format!("2026-0{}-{:02}", 1 + number % 3, 1 + number), "date_posted": format!("2026-0{}-{:02}", 1 + number % 3, 1 + number), "amount": number * 3 + 1, "description": format!("Shop {number}"), "currency": "USD"});
    let transactions: Vec<_> = (0..12).map(spent).collect();
    json!({"override_accounts": [{
        "type": "depository", "subtype": "checking", "starting_balance": 100, "meta": {"name": name, "mask": mask},
        "transactions": transactions,
    }]})
    .to_string()
}

/// The account of a bank's log-in that has been synced.
async fn linked(world: &World, name: &str, mask: &str) -> (ItemRef, AccountId) {
    let (at, _) = world.item("user_custom", &custom(name, mask)).await;
    world.run(&at, Cause::Link).await;
    let account = world.store.state(&at).await.unwrap().unwrap().accounts.remove(0);
    (at, account.id)
}

/// Account, amount and note of the listed transactions, by id.
async fn listed(world: &World) -> BTreeMap<String, (String, String, Option<String>)> {
    let scope = world.store.scope(std::slice::from_ref(&world.household)).await.unwrap();
    let found = world.store.find(&Search::everything(500), &scope).await.unwrap();
    let facts = |listed: domain::search::Listed| {
        let note = listed.half.note.map(|note| note.as_str().to_owned());
        (listed.id.to_string(), (listed.account.to_string(), listed.amount.unwrap().to_string(), note))
    };
    found.transactions.into_iter().map(facts).collect()
}

/// Amounts and notes, whatever the ids.
async fn ledger(world: &World) -> Vec<(String, Option<String>)> {
    let mut all: Vec<_> = listed(world).await.into_values().map(|(_, amount, note)| (amount, note)).collect();
    all.sort();
    all
}

async fn accounts(world: &World) -> Vec<Account> {
    let tree = world.store.tree(&world.household).await.unwrap();
    let all = world.store.connections(&world.household).await.unwrap();
    visible_accounts(tree.merges(), all).into_iter().map(|(_, account)| account).collect()
}

async fn note(world: &World, at: &ItemRef, place: usize, text: &str) {
    let rows = listed(world).await;
    let of_item: Vec<_> =
        rows.iter().filter(|(_, (account, ..))| account.contains(&at.item.as_str()[4..])).collect();
    let change = Change { note: Edit::Set(text.parse().unwrap()), ..Change::default() };
    world.store.edit(at, &of_item[place].0.parse().unwrap(), &change, None).await.unwrap();
}

async fn silence(world: &World, at: &ItemRef, account: &AccountId) {
    use domain::account::merging::MergeStore;
    let gone = AccountState::Unshared { missed_sweep: false };
    world.store.set_state(at, account, gone).await.unwrap();
}

/// An unshared account and its synced twin, with a note on each.
async fn twins(world: &World) -> ([ItemRef; 2], [AccountId; 2]) {
    let (old_at, old) = linked(world, "Everyday", "1111").await;
    note(world, &old_at, 0, "old").await;
    let (new_at, new) = linked(world, "Current", "2222").await;
    silence(world, &old_at, &old).await;
    note(world, &new_at, 5, "new").await;
    assert_eq!(listed(world).await.len(), 24);
    ([old_at, new_at], [old, new])
}

#[tokio::test]
async fn merge_and_undo_work_in_both_directions() {
    for is_into_old in [true, false] {
        let world = World::new().await;
        let ([_, new_at], [old, new]) = twins(&world).await;
        let before = (listed(&world).await, ledger(&world).await);
        let (part, whole) = if is_into_old { (&new, &old) } else { (&old, &new) };
        for _ in 0..2 {
            let (status, answer) = merge(&world, part, whole).await;
            assert_eq!((status, &answer["id"]), (200, &json!(whole)), "{answer}");
            assert_eq!((&answer["is_active"], &answer["mask"]), (&json!(true), &json!("2222")));
            let rows = listed(&world).await;
            assert_eq!(rows.len(), 12);
            assert!(rows.values().all(|(account, ..)| *account == whole.to_string()));
            let notes: Vec<_> = rows.values().filter_map(|(.., note)| note.clone()).collect();
            assert_eq!(notes.len(), 2, "{notes:?}");
        }
        // Either id finds them all.
        for id in [part, whole] {
            let mut search = Search::everything(500);
            search.filter.accounts = [id.clone()].into();
            let scope = world.store.scope(std::slice::from_ref(&world.household)).await.unwrap();
            assert_eq!(world.store.find(&search, &scope).await.unwrap().transactions.len(), 12);
        }
        let [shown] = accounts(&world).await.try_into().unwrap();
        assert_eq!((&shown.id, shown.state), (whole, AccountState::Live));
        // What comes later is on the one account, once.
        let plaid_item = world.store.state(&new_at).await.unwrap().unwrap().plaid_item;
        let add = json!({"change": "add", "amount": "77", "name": "Later"});
        world.sandbox.world().change(plaid_item.as_str(), &serde_json::from_value(add).unwrap()).unwrap();
        world.run(&new_at, Cause::Webhook).await;
        assert_eq!(listed(&world).await.len(), 13);
        world.removals.take();
        let (status, answer) = call(&world, "alice", part, &Value::Null).await;
        assert_eq!((status, &answer["id"]), (200, &json!(part)), "{answer}");
        let rows = listed(&world).await;
        for (id, facts) in &before.0 {
            assert_eq!(rows.get(id), Some(facts), "{id}");
        }
        assert_eq!(rows.len(), 25);
        assert_eq!(accounts(&world).await.len(), 2);
        assert_eq!(call(&world, "alice", part, &Value::Null).await.1["code"], "account_not_merged");
    }
}

#[tokio::test]
async fn superseded_id_leads_to_the_successor_with_its_edits() {
    let world = World::new().await;
    let ([old_at, _], [old, new]) = twins(&world).await;
    let old_rows: Vec<_> =
        listed(&world).await.into_iter().filter(|(_, (account, ..))| *account == old.to_string()).collect();
    merge(&world, &old, &new).await;
    world.removals.take();
    let households = std::slice::from_ref(&old_at.household);
    for (id, (_, amount, note)) in &old_rows {
        use domain::edit::OneTransaction;
        let found = world.store.find_one(households, &id.parse().unwrap()).await.unwrap().unwrap();
        let whole = found.whole.unwrap();
        assert_eq!(whole.listed.amount.unwrap().to_string(), *amount);
        assert_ne!(found.at, old_at);
        if let Some(note) = note {
            assert_eq!(found.half.note.unwrap().as_str(), note);
        }
    }
}

#[tokio::test]
async fn invalid_merges_are_refused() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    let all = world.store.state(&at).await.unwrap().unwrap().accounts;
    let of = |subtype: &str| &all.iter().find(|a| a.bank.subtype.as_deref() == Some(subtype)).unwrap().id;
    let (checking, other) =
        (of("checking"), &all.iter().find(|a| a.bank.kind.as_str() == "credit").unwrap().id);
    let unknown: AccountId = "acc_0000000000000000_0000000000".parse().unwrap();
    for (user, from, into, expected) in [
        ("alice", checking, json!(other), (409, "accounts_differ")),
        ("alice", checking, json!(checking), (409, "account_merged")),
        ("alice", checking, json!(unknown), (404, "account_not_found")),
        ("alice", &unknown, json!(checking), (404, "account_not_found")),
        ("alice", checking, Value::Null, (409, "account_not_merged")),
        ("bob", checking, json!(other), (404, "account_not_found")),
        ("carol", checking, json!(other), (403, "role_not_sufficient")),
        ("alice", checking, json!(7), (400, "invalid_field")),
    ] {
        let (status, answer) = call(&world, user, from, &into).await;
        assert_eq!((status, answer["code"].as_str().unwrap()), expected, "{answer}");
    }
    assert_eq!(accounts(&world).await.len(), all.len());
}

#[tokio::test]
async fn unfinished_merge_is_resumed_by_request_or_comparison() {
    for by_sync in [false, true] {
        let world = World::new().await;
        let ([_, new_at], [old, new]) = twins(&world).await;
        // The rows are the second step.
        world.aws.fault("TransactWriteItems", 2, 1, Fault::HangBefore);
        let deps = deps_at(&world, Timestamp::now());
        tokio::select! {
            outcome = merging::merge(&deps.merging, &world.household, &new, &old) => panic!("{outcome:?}"),
            () = world.aws.hung() => {}
        }
        if by_sync {
            merging::compare(&deps.merging, &new_at).await.unwrap();
        } else {
            assert_eq!(merge(&world, &new, &old).await.0, 200);
        }
        world.removals.take();
        assert_eq!(listed(&world).await.len(), 12);
        assert_eq!(accounts(&world).await.len(), 1);
    }
}

#[tokio::test]
async fn undo_after_30_days_is_refused() {
    let world = World::new().await;
    let (_, [old, new]) = twins(&world).await;
    merge(&world, &old, &new).await;
    world.removals.take();
    let late = Timestamp::now() + SignedDuration::from_hours(30 * 24 + 1);
    let asked = request("alice", &[("account_id", old.as_str())], "", &json!({"account_id": null}));
    let (status, answer) = body(acting!(handle(&deps_at(&world, late), asked)).await);
    assert_eq!((status, &answer["code"]), (409, &json!("merge_too_old")));
    assert_eq!(listed(&world).await.len(), 12);
}
