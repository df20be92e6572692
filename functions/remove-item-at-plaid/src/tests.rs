//! What is left after a removal, whatever fails.

use std::{sync::Arc, time::Duration};

use domain::{
    account::AccountState,
    ids::ItemRef,
    item::{HealthState, NewItem},
    removal::{Begun, RemovalMessage, RemovalStarts},
    secret::AccessToken,
    store::{Connections, KnownItem, NewConnections, PlaidItems, Replaced},
    sync::{Cause, SyncReads},
    vault::TokenSealer,
};
use edge::{
    batch::{Message, Verdict},
    system::System,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Fault, World, acting};

use crate::{Deps, handle};

async fn run(world: &World, message: RemovalMessage) -> Verdict {
    let deps = Deps {
        reads: world.store.clone(),
        steps: world.store.clone(),
        ends: world.store.clone(),
        vault: world.opener.clone(),
        bank: world.plaid.clone(),
        queue: world.removals.clone(),
        events: world.bus.clone(),
        clock: Arc::new(System),
    };
    acting!(handle(&deps, Message { content: message, deadline: Timestamp::MAX })).await
}

async fn synced(world: &World) -> (ItemRef, AccessToken) {
    let (at, token) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    (at, token)
}

async fn begin(world: &World, at: &ItemRef, keep_data: bool) {
    let begun = world.store.remove_item(at, keep_data, Timestamp::now()).await.unwrap();
    assert_eq!(begun, Begun::Removing);
}

/// All rows of the item in the table, as they are stored.
async fn stored(world: &World, at: &ItemRef) -> Vec<Value> {
    let scan = world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": "DataTable"})).await;
    let all = scan["Items"].as_array().unwrap().clone();
    let is_of_item = |row: &Value| {
        let text = |name: &str| row[name]["S"].as_str().unwrap_or_default().to_owned();
        text("pk").contains(at.item.as_str()) || text("sk").contains(at.item.as_str())
    };
    all.into_iter().filter(is_of_item).collect()
}

fn down(world: &World, times: u32) {
    let fault = json!({"path": "/item/remove", "times": times, "error_code": "INTERNAL_SERVER_ERROR"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
}

#[tokio::test]
async fn nothing_is_left_but_a_tombstone() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    begin(&world, &at, false).await;
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0, "gone at Plaid");
    let [row] = stored(&world, &at).await.try_into().unwrap();
    assert_eq!(
        (&row["hs"]["S"], &row["tk"], &row["dp"]),
        (&json!("removed"), &Value::Null, &Value::Null),
        "{row}"
    );
    assert!(row["ttl"].is_object(), "it does not stay for ever");
    let found = world.store.find(&plaid_item.parse().unwrap()).await.unwrap();
    assert_eq!(found, Some(KnownItem::Gone), "late webhooks lead nowhere");
    assert_eq!(world.aws.announced().iter().filter(|name| *name == "Item Removed").count(), 1);
    // A message that comes twice finds nothing to do.
    assert_eq!(run(&world, RemovalMessage::of_item(at)).await, Verdict::Done);
}

#[tokio::test]
async fn what_is_kept_is_kept_by_hand() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let before = world.store.live_rows(&at, None).await.unwrap().rows.len();
    begin(&world, &at, true).await;
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
    assert_eq!(world.store.live_rows(&at, None).await.unwrap().rows.len(), before);
    let [connection] = world.store.connections(&at.household).await.unwrap().try_into().unwrap();
    assert_eq!(connection.item.health.state, HealthState::Removed);
    assert!(connection.accounts.iter().all(|account| account.state == AccountState::Manual));
}

#[tokio::test]
async fn while_plaid_is_down_it_is_tried_for_as_long_as_it_takes() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    begin(&world, &at, false).await;
    down(&world, 12);
    let mut message = RemovalMessage::of_item(at.clone());
    let mut waited = Duration::ZERO;
    for _ in 0..12 {
        assert_eq!(run(&world, message).await, Verdict::Done);
        let [(again, delay)] = world.removals.take().try_into().unwrap();
        (message, waited) = (again, waited + delay);
        assert!(world.store.state(&at).await.unwrap().unwrap().item.health.state == HealthState::Removing);
    }
    assert!(waited > Duration::from_hours(1), "{waited:?}");
    assert_eq!(run(&world, message).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
    assert_eq!(stored(&world, &at).await.len(), 1);
}

#[tokio::test]
async fn what_it_has_replaced_is_not_forgotten_with_it() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let (_, token) = synced(&world).await;
    let old = world.store.state(&at).await.unwrap().unwrap();
    let new = NewItem {
        at: at.clone(),
        user: "alice".parse().unwrap(),
        plaid_item: "another".parse().unwrap(),
        institution: None,
        institution_name: None,
        token: world.sealer.seal(&at, &token).await.unwrap(),
        at_time: Timestamp::now(),
        awaits_admission: false,
    };
    assert_eq!(world.store.replace(&old, &new).await.unwrap(), Replaced::Stored);
    begin(&world, &at, false).await;
    // Of the two that are to be removed at Plaid, the first one fails once.
    down(&world, 1);
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    let [(again, _)] = world.removals.take().try_into().unwrap();
    assert_eq!(world.store.state(&at).await.unwrap().unwrap().item.health.state, HealthState::Removing);
    assert_eq!(run(&world, again).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
}

#[tokio::test]
async fn one_that_is_gone_at_plaid_already_is_removed_here() {
    let world = World::new().await;
    let (at, token) = synced(&world).await;
    world.call_plaid("/item/remove", &json!({"access_token": token.expose()})).await;
    begin(&world, &at, false).await;
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    assert_eq!(stored(&world, &at).await.len(), 1);
}

#[tokio::test]
async fn an_account_that_was_stopped_is_erased_and_its_siblings_are_not() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let state = world.store.state(&at).await.unwrap().unwrap();
    let of = |rows: Vec<domain::sync::StoredRow>, account: &domain::ids::AccountId| {
        rows.into_iter()
            .filter(|row| row.signature.as_ref().is_some_and(|(s, _)| s.account == *account))
            .count()
    };
    let rows = world.store.live_rows(&at, None).await.unwrap().rows;
    let busy = state.accounts.iter().find(|account| of(rows.clone(), &account.id) > 0).unwrap().id.clone();
    let others = rows.len() - of(rows.clone(), &busy);
    assert!(world.store.stop_account(&at, state.rev, &busy, false).await.unwrap());
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    let left = world.store.live_rows(&at, None).await.unwrap().rows;
    assert_eq!((of(left.clone(), &busy), left.len()), (0, others));
    let after = world.store.state(&at).await.unwrap().unwrap();
    let stopped = after.accounts.iter().find(|account| account.id == busy).unwrap();
    assert_eq!(stopped.state, AccountState::Removed { erased: true });
    assert!(!after.has_leftovers());
    assert_eq!(world.sandbox.world().items(), 1, "the item lives");
    // A later sync brings nothing of it back.
    world.run(&at, Cause::Night).await;
    assert_eq!(world.store.live_rows(&at, None).await.unwrap().rows.len(), others);
}

#[tokio::test]
async fn killed_anywhere_the_next_message_ends_it() {
    for call in ["Decrypt", "BatchWriteItem", "PutEvents", "TransactWriteItems"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = World::new().await;
            let (at, _) = synced(&world).await;
            begin(&world, &at, false).await;
            world.aws.fault(call, 0, 1, fault);
            tokio::select! {
                verdict = run(&world, RemovalMessage::of_item(at.clone())) => panic!("{call}: {verdict:?}"),
                () = world.aws.hung() => {}
            }
            world.aws.heal();
            assert_eq!(
                run(&world, RemovalMessage::of_item(at.clone())).await,
                Verdict::Done,
                "{call} {fault:?}"
            );
            assert_eq!(stored(&world, &at).await.len(), 1, "{call} {fault:?}");
            assert_eq!(world.sandbox.world().items(), 0);
            assert!(world.aws.announced().iter().any(|name| name == "Item Removed"));
        }
    }
}

#[tokio::test]
async fn a_token_that_no_row_remembers_is_removed_at_plaid() {
    let world = World::new().await;
    let (at, token) = synced(&world).await;
    let sealed = world.sealer.seal(&at, &token).await.unwrap();
    let message = RemovalMessage::of_token(at.clone(), sealed);
    let sent: RemovalMessage = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
    assert_eq!(run(&world, sent).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
}

#[tokio::test]
async fn what_fails_comes_again_and_what_cannot_be_opened_is_put_aside() {
    let world = World::new().await;
    let (at, token) = synced(&world).await;
    begin(&world, &at, false).await;
    world.aws.fault("Query", 0, 9, Fault::Refuse);
    assert!(matches!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Retry(_)));
    world.aws.fault("Decrypt", 0, 9, Fault::Refuse);
    assert!(matches!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Retry(_)));
    world.aws.heal();
    let other = ItemRef { household: world.other_household.clone(), item: at.item.clone() };
    let sealed = world.sealer.seal(&other, &token).await.unwrap();
    assert!(matches!(run(&world, RemovalMessage::of_token(at, sealed)).await, Verdict::Park(_)));
    assert_eq!(world.sandbox.world().items(), 1);
}

#[tokio::test]
async fn the_last_account_takes_the_item_along_and_what_was_kept_of_the_others_stays() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let of = |rows: &[domain::sync::StoredRow], account: &domain::ids::AccountId| {
        rows.iter().filter(|row| row.signature.as_ref().is_some_and(|(s, _)| s.account == *account)).count()
    };
    let rows = world.store.live_rows(&at, None).await.unwrap().rows;
    let accounts = world.store.state(&at).await.unwrap().unwrap().accounts;
    let kept = accounts.iter().find(|account| of(&rows, &account.id) > 0).unwrap().id.clone();
    for account in &accounts {
        let state = world.store.state(&at).await.unwrap().unwrap();
        assert!(world.store.stop_account(&at, state.rev, &account.id, account.id == kept).await.unwrap());
    }
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0, "gone at Plaid");
    let left = world.store.live_rows(&at, None).await.unwrap().rows;
    assert_eq!((left.len(), of(&left, &kept)), (of(&rows, &kept), of(&rows, &kept)));
    let state = world.store.state(&at).await.unwrap().unwrap();
    let [account] = state.accounts.as_slice() else { panic!("{:?}", state.accounts) };
    assert_eq!((&account.id, account.state), (&kept, AccountState::Manual));
    assert!(!state.has_leftovers());
    // Later it goes as well, and nothing is left of it.
    assert!(world.store.stop_account(&at, state.rev, &kept, false).await.unwrap());
    assert_eq!(run(&world, RemovalMessage::of_item(at.clone())).await, Verdict::Done);
    assert_eq!(world.store.live_rows(&at, None).await.unwrap().rows.len(), 0);
    assert_eq!(world.store.state(&at).await.unwrap(), None, "nor of the item that stood for it");
}

#[tokio::test]
async fn a_household_that_is_ending_goes_on_and_another_is_left_alone() {
    let world = World::new().await;
    let (at, _) = synced(&world).await;
    let message = RemovalMessage::of_household(at.household.clone());
    assert_eq!(run(&world, message.clone()).await, Verdict::Done);
    assert!(matches!(world.run(&at, Cause::Night).await, domain::sync::Outcome::Finished { .. }));
    let alice = "alice".parse().unwrap();
    domain::household::HouseholdEnds::begin(&*world.store, &alice, &at.household, None, Timestamp::now())
        .await
        .unwrap();
    assert_eq!(run(&world, message).await, Verdict::Done);
    let [(item, _)] = world.removals.take().try_into().unwrap();
    assert_eq!(run(&world, item).await, Verdict::Done);
    assert_eq!(world.sandbox.world().items(), 0);
}
