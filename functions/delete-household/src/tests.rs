//! What a caller sees, and what is left whatever fails.

use std::sync::Arc;

use domain::{
    account::AccountState,
    household::{Ending, HouseholdEnds, Memberships, finish},
    ids::ItemRef,
    removal::{Begun, Removal, RemovalMessage, RemovalStarts, RemovalSteps},
    store::{Connections, StoreError},
    sync::{Cause, Outcome, SyncReads},
};
use edge::{http::Request, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, LATER, handle};

fn deps(world: &World) -> Deps {
    Deps { ends: world.store.clone(), queue: world.removals.clone(), clock: Arc::new(System) }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn delete(user: &str, household: &str) -> Request {
    request(user, &[("household_id", household)], "", &Value::Null)
}

/// The keys of all rows that name the household.
async fn stored(world: &World, household: &str) -> Vec<(String, String)> {
    let scan = world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": "DataTable"})).await;
    let all = scan["Items"].as_array().unwrap().iter();
    let keys = all.map(|row| ["pk", "sk"].map(|name| row[name]["S"].as_str().unwrap().to_owned()));
    keys.filter(|[pk, sk]| pk.contains(household) || sk.contains(household)).map(Into::into).collect()
}

/// The messages for items; those for the household, in case this request dies, came before.
fn messages(world: &World) -> Vec<RemovalMessage> {
    let all = world.removals.take().into_iter();
    let (later, now): (Vec<_>, Vec<_>) =
        all.partition(|(message, _)| matches!(message.what, Removal::Household(_)));
    assert!(!later.is_empty() && later.iter().all(|(_, delay)| *delay == LATER));
    now.into_iter().map(|(message, _)| message).collect()
}

#[tokio::test]
async fn who_may_end_a_household() {
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 403, 403, 202]) {
        let world = World::new().await;
        let id = circle(&world).await;
        let (status, answer) = call(&world, delete(user, id.as_str())).await;
        assert_eq!(status, expected, "{user}: {answer}");
        assert_eq!(stored(&world, id.as_str()).await.is_empty(), expected == 202, "{user}");
        world.removals.take();
    }
}

#[tokio::test]
async fn nothing_is_left_but_items_that_somebody_comes_to_remove() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    // What others keep in the household goes too.
    let row = json!({"pk": {"S": format!("H#{}", at.household)}, "sk": {"S": "C#food"}});
    world.aws.ask("DynamoDB_20120810.PutItem", &json!({"TableName": "DataTable", "Item": row})).await;
    let (status, answer) = call(&world, delete("alice", at.household.as_str())).await;
    assert_eq!((status, answer), (202, json!({"household_id": at.household.as_str(), "status": "deleting"})));
    assert_eq!(messages(&world), [RemovalMessage::of_item(at.clone())]);
    assert_eq!(world.run(&at, Cause::Night).await, Outcome::Inactive);
    let left = stored(&world, at.household.as_str()).await;
    assert!(left.iter().all(|(pk, sk)| pk.contains("#I#") || sk.starts_with("I#") || pk.starts_with("PI#")));
    for user in ["alice", "carol"] {
        assert_eq!(world.store.memberships(&user.parse().unwrap()).await.unwrap(), []);
        assert_eq!(call(&world, delete(user, at.household.as_str())).await.0, 404, "{user}");
    }
    let other = stored(&world, world.other_household.as_str()).await;
    assert_eq!(other.len(), 3, "bob's household is as it was");
}

#[tokio::test]
async fn data_that_was_kept_by_hand_goes_too() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Link).await;
    let begun = world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    assert_eq!(begun, Begun::Removing);
    world.bury(&at).await;
    assert_eq!(call(&world, delete("alice", at.household.as_str())).await.0, 202);
    assert_eq!(messages(&world), [RemovalMessage::of_item(at.clone())]);
    let [kept] = world.store.connections(&at.household).await.unwrap().try_into().unwrap();
    assert!(!kept.accounts.is_empty());
    let to_be_erased = AccountState::Removed { erased: false };
    assert!(kept.accounts.iter().all(|account| account.state == to_be_erased), "{:?}", kept.accounts);
}

#[tokio::test]
async fn a_removal_under_way_that_was_to_keep_data_keeps_none() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    let before = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!(call(&world, delete("alice", at.household.as_str())).await.0, 202);
    assert_eq!(messages(&world), [RemovalMessage::of_item(at.clone())]);
    // Whoever was about to bury it with its data begins anew.
    assert_eq!(world.store.bury(&before, Timestamp::now()).await, Err(StoreError::Busy));
    world.bury(&at).await;
    assert!(world.store.state(&at).await.unwrap().unwrap().accounts.is_empty());
}

#[tokio::test]
async fn one_that_was_changed_meanwhile_is_not_ended() {
    let world = World::new().await;
    let id = world.household.as_str();
    let stale = with_header(delete("alice", id), "if-match", "\"2\"");
    assert_eq!(call(&world, stale).await.1["code"], "precondition_failed");
    assert_eq!(call(&world, with_header(delete("alice", id), "if-match", "\"1\"")).await.0, 202);
    world.removals.take();
}

#[tokio::test]
async fn who_is_no_owner_any_more_ends_nothing() {
    let world = World::new().await;
    let (carol, id) = ("carol".parse().unwrap(), world.household.clone());
    let ended = world.store.begin(&carol, &id, None, Timestamp::now()).await;
    assert_eq!(ended, Err(StoreError::Busy), "her role is looked at in the same moment");
    let ended = world.store.begin(&"bob".parse().unwrap(), &id, None, Timestamp::now()).await;
    assert_eq!(ended, Ok(Ending::NotThere));
    assert!(!world.store.is_ending(&id).await.unwrap());
}

#[tokio::test]
async fn what_this_request_could_not_end_is_ended_by_whoever_comes() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.aws.fault("UpdateItem", 0, 99, Fault::Refuse);
    assert_eq!(call(&world, delete("alice", at.household.as_str())).await.0, 202);
    world.aws.heal();
    let [(message, delay)] = world.removals.take().try_into().unwrap();
    assert_eq!((message, delay), (RemovalMessage::of_household(at.household.clone()), LATER));
    assert!(world.store.is_ending(&at.household).await.unwrap());
    finish(&*world.store, &*world.removals, &at.household, Timestamp::now()).await.unwrap();
    assert!(!world.store.is_ending(&at.household).await.unwrap());
    assert_eq!(world.removals.take().len(), 1);
    assert_eq!(world.run(&at, Cause::Night).await, Outcome::Inactive);
}

#[tokio::test]
async fn killed_anywhere_the_same_request_ends_it() {
    for call in ["GetItem", "Query", "UpdateItem", "BatchWriteItem", "TransactWriteItems"] {
        for pass in 0..4 {
            for fault in [Fault::HangBefore, Fault::HangAfter] {
                let world = World::new().await;
                let (at, _) = world.item("user_good", "pass_good").await;
                let row = json!({"pk": {"S": format!("H#{}", at.household)}, "sk": {"S": "C#food"}});
                world
                    .aws
                    .ask("DynamoDB_20120810.PutItem", &json!({"TableName": "DataTable", "Item": row}))
                    .await;
                killed(&world, &at, (call, pass, fault)).await;
            }
        }
    }
}

async fn killed(world: &World, at: &ItemRef, (operation, pass, fault): (&str, usize, Fault)) {
    let case = format!("{operation} {pass} {fault:?}");
    let deps = deps(world);
    world.aws.fault(operation, pass, 1, fault);
    let is_killed = tokio::select! {
        outcome = acting!(handle(&deps, delete("alice", at.household.as_str()))) => {
            // There are not as many calls of it.
            assert_eq!(outcome.unwrap().status, 202, "{case}");
            false
        }
        () = world.aws.hung() => true,
    };
    world.aws.heal();
    if is_killed {
        let (status, answer) = call(world, delete("alice", at.household.as_str())).await;
        // Killed after the very last write there is nothing to go on with.
        let is_last = status == 404 && operation == "TransactWriteItems" && fault == Fault::HangAfter;
        assert!(status == 202 || is_last, "{case}: {answer}");
    }
    let left = stored(world, at.household.as_str()).await;
    let of_items =
        |(pk, sk): &(String, String)| pk.contains("#I#") || sk.starts_with("I#") || pk.starts_with("PI#");
    assert!(left.iter().all(of_items), "{case}: {left:?}");
    assert!(messages(world).contains(&RemovalMessage::of_item(at.clone())), "{case}");
    assert_eq!(world.run(at, Cause::Night).await, Outcome::Inactive, "{case}");
}

#[tokio::test]
async fn a_store_that_fails_is_said() {
    let world = World::new().await;
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let id = world.household.to_string();
    assert_eq!(call(&world, delete("alice", &id)).await.1["code"], "store_unavailable");
    world.removals.take();
    world.aws.heal();
    for household in [world.other_household.as_str(), "hh_0000000000000000", "x"] {
        assert_eq!(call(&world, delete("alice", household)).await.1["code"], "household_not_found");
    }
    assert_eq!(
        call(&world, request("alice", &[("household_id", &id)], "data=keep", &Value::Null)).await.0,
        400
    );
}
