//! The rest of a connection's life: accounts that go on under new ids, that vanish, a log-in that is lost and comes back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    account::AccountState,
    edit::{Change, Edited, TransactionEdits},
    ids::{AccountId, ItemRef, TransactionId},
    item::HealthState,
    removal::RemovalStarts,
    store::Hints,
    sync::{Cause, Edit, Outcome, SyncReads},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use testkit::World;

/// An item with so many transactions, and Plaid's id of it.
async fn synced(world: &World, count: u32) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", &count.to_string()).await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    finished(world.run(&at, Cause::Link).await);
    (at, plaid_item)
}

fn finished(outcome: Outcome) -> domain::item::Counts {
    match outcome {
        Outcome::Finished { counts, .. } => counts,
        other => panic!("{other:?}"),
    }
}

fn change(world: &World, plaid_item: &str, change: &Value) -> String {
    let change = serde_json::from_value(change.clone()).unwrap();
    world.sandbox.world().change(plaid_item, &change).unwrap()
}

/// The rows: key, and the id, account and amount that it carries.
async fn rows(world: &World, at: &ItemRef) -> BTreeMap<TransactionId, (String, AccountId, Decimal)> {
    let live = world.store.live_rows(at, None).await.unwrap();
    assert_eq!(live.next, None, "a megabyte is more than any test here has");
    let row = |row: domain::sync::StoredRow| {
        let (signature, _) = row.signature.unwrap();
        (row.key, (row.carries.unwrap().to_string(), signature.account, signature.amount.unwrap()))
    };
    live.rows.into_iter().map(row).collect()
}

async fn assert_equal_to_ledger(world: &World, at: &ItemRef, plaid_item: &str) {
    let stored: BTreeMap<_, _> =
        rows(world, at).await.into_values().map(|(id, _, amount)| (id, amount)).collect();
    let ledger: BTreeMap<_, _> =
        world.sandbox.world().ledger(plaid_item).into_iter().map(|t| (t.id, t.amount)).collect();
    assert_eq!(stored, ledger);
}

async fn write_on(world: &World, at: &ItemRef, id: &TransactionId) {
    let note = Change { note: Edit::Set("mine".parse().unwrap()), ..Change::default() };
    assert!(matches!(world.store.edit(at, id, &note, None).await.unwrap(), Edited::Done { .. }));
}

async fn is_written_on(world: &World, at: &ItemRef, id: &TransactionId) -> bool {
    world.store.half(at, id).await.unwrap().is_some_and(|half| half.note.is_some())
}

#[tokio::test]
async fn accounts_that_are_granted_anew_go_on_with_all_that_was_written() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 300).await;
    let before = rows(&world, &at).await;
    let edited: Vec<_> = before.keys().step_by(7).cloned().collect();
    for id in &edited {
        write_on(&world, &at, id).await;
    }
    let accounts = world.store.state(&at).await.unwrap().unwrap().accounts;
    change(&world, &plaid_item, &json!({"change": "renumber_accounts"}));
    let counts = finished(world.run(&at, Cause::Webhook).await);
    assert_eq!((counts.added, counts.removed), (0, 0), "{counts:?}");
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
    let after = rows(&world, &at).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "no row moved");
    for (key, (_, account, amount)) in &after {
        assert_eq!((account, amount), (&before[key].1, &before[key].2));
    }
    for id in &edited {
        assert!(is_written_on(&world, &at, id).await, "the edit on {id} is gone");
        let new: TransactionId = after[id].0.parse().unwrap();
        assert!(is_written_on(&world, &at, &new).await, "the new id leads elsewhere");
    }
    let now = world.store.state(&at).await.unwrap().unwrap().accounts;
    let ids = |accounts: &[domain::account::Account]| -> BTreeSet<_> {
        accounts.iter().map(|account| account.id.clone()).collect()
    };
    assert_eq!(ids(&now), ids(&accounts));
    assert!(now.iter().all(|account| account.generation.number == 1 && account.state == AccountState::Live));
    // Once more, and what is new is new.
    change(&world, &plaid_item, &json!({"change": "renumber_accounts"}));
    change(&world, &plaid_item, &json!({"change": "add", "amount": "3.21"}));
    let counts = finished(world.run(&at, Cause::Webhook).await);
    assert_eq!((counts.added, counts.removed), (1, 0), "{counts:?}");
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}

#[tokio::test]
async fn equal_transactions_stay_as_many_as_they_are() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 0).await;
    for _ in 0..3 {
        change(&world, &plaid_item, &json!({"change": "add", "amount": "4.50", "name": "Coffee"}));
    }
    world.run(&at, Cause::Webhook).await;
    let keys: Vec<_> = rows(&world, &at).await.into_keys().collect();
    write_on(&world, &at, &keys[1]).await;
    change(&world, &plaid_item, &json!({"change": "renumber_accounts"}));
    change(&world, &plaid_item, &json!({"change": "add", "amount": "4.50", "name": "Coffee"}));
    let counts = finished(world.run(&at, Cause::Webhook).await);
    assert_eq!((counts.added, counts.removed), (1, 0), "{counts:?}");
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
    assert!(is_written_on(&world, &at, &keys[1]).await);
}

#[tokio::test]
async fn what_the_same_item_has_no_more_goes_though_its_accounts_were_granted_anew() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 200).await;
    change(&world, &plaid_item, &json!({"change": "renumber_accounts"}));
    let mut ledger = world.sandbox.world().ledger(&plaid_item);
    ledger.sort_by_key(|transaction| transaction.date);
    for transaction in &ledger[..100] {
        change(&world, &plaid_item, &json!({"change": "remove", "id": transaction.id}));
    }
    let counts = finished(world.run(&at, Cause::Webhook).await);
    assert_eq!((counts.added, counts.removed), (0, 100), "{counts:?}");
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}

#[tokio::test]
async fn a_lost_log_in_needs_attention_and_a_repair_fills_in_what_was_missed() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 50).await;
    change(&world, &plaid_item, &json!({"change": "login_loss"}));
    assert!(matches!(world.run(&at, Cause::Webhook).await, Outcome::Failed(_)));
    let health = world.store.state(&at).await.unwrap().unwrap().item.health;
    assert_eq!(
        (health.state, health.reason.as_deref()),
        (HealthState::NeedsLogin, Some("ITEM_LOGIN_REQUIRED"))
    );
    assert_eq!(world.aws.announced().last().map(String::as_str), Some("Item Needs Attention"));
    let told = world.aws.announced().len();
    assert!(matches!(world.run(&at, Cause::Night).await, Outcome::Failed(_)));
    assert_eq!(world.aws.announced().len(), told, "the same news are told once");

    change(&world, &plaid_item, &json!({"change": "add", "amount": "9.99"}));
    change(&world, &plaid_item, &json!({"change": "repair"}));
    world.store.want_look(&at).await.unwrap().unwrap();
    assert_eq!(finished(world.run(&at, Cause::Person).await).added, 1);
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!((state.item.health.state, state.news), (HealthState::Healthy, None));
    assert_eq!(world.aws.announced()[told..], ["Sync Finished", "Item Repaired"]);
}

#[tokio::test]
async fn news_that_could_not_be_told_are_told_by_the_next_run() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 0).await;
    change(&world, &plaid_item, &json!({"change": "login_loss"}));
    world.aws.fault("PutEvents", 0, 10, testkit::Fault::Refuse);
    world.run(&at, Cause::Webhook).await;
    assert!(world.store.state(&at).await.unwrap().unwrap().news.is_some());
    world.aws.heal();
    world.run(&at, Cause::Night).await;
    assert!(world.store.state(&at).await.unwrap().unwrap().news.is_none());
    assert_eq!(world.aws.announced().iter().filter(|name| *name == "Item Needs Attention").count(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_at_a_date_works_until_then() {
    let world = World::new().await;
    let (at, _) = synced(&world, 5).await;
    let now = Timestamp::now();
    let until = now + std::time::Duration::from_hours(7 * 24);
    assert!(world.store.expires(&at, "PENDING_DISCONNECT", until, now).await.unwrap());
    finished(world.run(&at, Cause::Webhook).await);
    let health = world.store.state(&at).await.unwrap().unwrap().item.health;
    assert_eq!((health.state, health.until), (HealthState::Expiring, Some(until)));
    assert!(health.is_active());
    assert!(
        !world.store.expires(&at, "PENDING_DISCONNECT", until, now).await.unwrap(),
        "it is known already"
    );
    world.store.renewed(&at, Timestamp::now()).await.unwrap();
    let health = world.store.state(&at).await.unwrap().unwrap().item.health;
    assert_eq!(health.state, HealthState::Healthy);
    let again = world.store.expires(&at, "PENDING_DISCONNECT", until, Timestamp::now()).await.unwrap();
    assert!(!again, "a late webhook of what was renewed is no news");
}

#[tokio::test]
async fn what_was_kept_of_a_stopped_account_stays_as_it_was() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 0).await;
    let account = world.sandbox.world().account_ids(&plaid_item).remove(0);
    let add = json!({"change": "add", "account": account, "pending": true, "amount": "7"});
    let pending = change(&world, &plaid_item, &add);
    let gone = change(&world, &plaid_item, &json!({"change": "add", "account": account, "amount": "8"}));
    world.run(&at, Cause::Webhook).await;
    let state = world.store.state(&at).await.unwrap().unwrap();
    let ours = state.accounts.iter().find(|stored| stored.bank.id.as_str() == account).unwrap();
    assert!(world.store.stop_account(&at, state.rev, &ours.id, true).await.unwrap());
    let before = rows(&world, &at).await;
    change(&world, &plaid_item, &json!({"change": "post", "id": pending}));
    change(&world, &plaid_item, &json!({"change": "remove", "id": gone}));
    let counts = finished(world.run(&at, Cause::Webhook).await);
    assert_eq!((counts.added, counts.modified, counts.removed), (0, 0, 0), "{counts:?}");
    assert_eq!(rows(&world, &at).await, before);
}

fn accounts_answer(world: &World, mangle: &str) {
    let fault = json!({"path": "/accounts/get", "times": 1, "mangle": mangle});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
}

async fn account_ids(world: &World, at: &ItemRef) -> Vec<AccountId> {
    let accounts = world.store.state(at).await.unwrap().unwrap().accounts;
    accounts.into_iter().map(|account| account.id).collect()
}

/// A list of accounts that lacks one which the page names is older or newer than the page, or wrong.
#[tokio::test]
async fn accounts_under_new_ids_go_on_whatever_one_list_leaves_out() {
    for mangle in ["no_cursor", "account_missing"] {
        let world = World::new().await;
        let (at, plaid_item) = synced(&world, 60).await;
        let before = (account_ids(&world, &at).await, rows(&world, &at).await.len());
        let edited = rows(&world, &at).await.into_keys().next().unwrap();
        write_on(&world, &at, &edited).await;
        change(&world, &plaid_item, &json!({"change": "renumber_accounts"}));
        accounts_answer(&world, mangle);
        finished(world.run(&at, Cause::Webhook).await);
        finished(world.run(&at, Cause::Night).await);
        assert_equal_to_ledger(&world, &at, &plaid_item).await;
        assert_eq!((account_ids(&world, &at).await, rows(&world, &at).await.len()), before, "{mangle}");
        assert!(is_written_on(&world, &at, &edited).await, "{mangle}");
        assert!(rows(&world, &at).await.contains_key(&edited), "{mangle}: the edit is on a live row");
    }
}

/// What went while an account seemed not to be shared, and the history was read from nothing, is made up for.
#[tokio::test]
async fn an_account_that_comes_back_after_a_sweep_loses_what_is_gone() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 60).await;
    let account = world.sandbox.world().account_ids(&plaid_item).pop().unwrap();
    accounts_answer(&world, "account_missing");
    finished(world.run(&at, Cause::Night).await);
    let unshared = |state: AccountState| state.is_unshared();
    let states = async || {
        let accounts = world.store.state(&at).await.unwrap().unwrap().accounts;
        accounts.into_iter().map(|account| account.state).collect::<Vec<_>>()
    };
    assert_eq!(states().await.into_iter().filter(|state| unshared(*state)).count(), 1);
    // All of its transactions go at the bank, and the cursor is refused before anybody hears of it.
    let ledger = world.sandbox.world().ledger(&plaid_item);
    for transaction in ledger.iter().filter(|transaction| transaction.account_id == account) {
        change(&world, &plaid_item, &json!({"change": "remove", "id": transaction.id}));
    }
    let fault = json!({"path": "/transactions/sync", "times": 1, "mangle": "cursor_refused"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    finished(world.run(&at, Cause::Webhook).await);
    assert!(states().await.contains(&AccountState::Unshared { missed_sweep: true }));
    finished(world.run(&at, Cause::Night).await);
    assert!(states().await.into_iter().all(|state| state == AccountState::Live));
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}

/// Public reports of a cursor that answers with the mutation error for ever: with it nothing works, without it all does.
#[tokio::test]
async fn a_cursor_that_is_a_mutation_for_ever_is_given_up_and_nothing_is_lost() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 40).await;
    let edited = rows(&world, &at).await.into_keys().next().unwrap();
    write_on(&world, &at, &edited).await;
    for _ in 0..3 {
        change(&world, &plaid_item, &json!({"change": "add"}));
    }
    let mut ledger = world.sandbox.world().ledger(&plaid_item);
    ledger.retain(|transaction| transaction.id != edited.as_str());
    for transaction in &ledger[..2] {
        change(&world, &plaid_item, &json!({"change": "remove", "id": transaction.id}));
    }
    let fault = json!({"path": "/transactions/sync", "times": 1, "mangle": "cursor_stuck"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    world.sandbox.world().take_calls();
    let counts = finished(world.run(&at, Cause::Person).await);
    assert_eq!((counts.added, counts.removed), (3, 2), "{counts:?}");
    assert!(world.sandbox.world().calls_of("/transactions/sync") <= 5);
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
    assert!(is_written_on(&world, &at, &edited).await);
}

/// Detail beyond what a row holds, of every row of an update, and of one that is read in pages.
#[tokio::test]
async fn bulky_detail_keeps_no_row_out() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 5).await;
    for size in [None, Some(7)] {
        world.sandbox.world().set_page_size(size);
        for _ in 0..30 {
            change(&world, &plaid_item, &json!({"change": "add"}));
        }
        let fault = json!({"path": "/transactions/sync", "times": 20, "mangle": "bulky"});
        world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
        finished(world.run(&at, Cause::Webhook).await);
        world.sandbox.world().clear_faults();
        assert_equal_to_ledger(&world, &at, &plaid_item).await;
    }
}

/// A history from nothing says nothing of an account that is not shared: what is kept of it stays.
#[tokio::test]
async fn a_refused_cursor_keeps_what_was_stored_of_an_account_that_is_not_shared() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world, 60).await;
    let before = rows(&world, &at).await.len();
    change(&world, &plaid_item, &json!({"change": "lose_account"}));
    finished(world.run(&at, Cause::Night).await);
    let fault = json!({"path": "/transactions/sync", "times": 1, "mangle": "cursor_refused"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    finished(world.run(&at, Cause::Webhook).await);
    assert_eq!(rows(&world, &at).await.len(), before);
    change(&world, &plaid_item, &json!({"change": "share_account"}));
    finished(world.run(&at, Cause::Night).await);
    assert_eq!(rows(&world, &at).await.len(), before);
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}
