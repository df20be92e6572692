//! A second connection to the same accounts, however it comes about.

use domain::{
    account::AccountState,
    edit::{Change, TransactionEdits},
    household::{Households, NewHousehold, Role},
    ids::HouseholdId,
    item::{Connection, HealthState},
    removal::{Removal, RemovalStarts, RemovalSteps},
    store::{Connections, Intents},
    sync::{Cause, Edit, Outcome, StoredRow, SyncReads},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Fault, World, acting, request};

use super::{call, deps, exchange};
use crate::handle;

/// What Link says of a session, as its `onSuccess` gives it.
fn metadata(mask: Option<&str>, institution: &str) -> Value {
    json!({
        "institution": {"institution_id": institution, "name": "First Platypus Bank"},
        "accounts": [{
            "id": "Vo9xOeQ", "name": "Plaid Checking", "mask": mask, "type": "depository", "subtype": "checking",
            "verification_status": null, "class_type": null,
        }],
        "link_session_id": "79e772be-547d-4c9c-8b76-4ac4ed4c441a",
        "transfer_status": null, "account": null, "account_id": null,
    })
}

async fn exchange_with(world: &World, token: &str, metadata: &Value) -> (u16, Value) {
    let mut body = json!({"public_token": token});
    body.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    call(world, request("alice", &[], "", &body)).await
}

/// The connections that are not on their way out.
async fn connections(world: &World) -> Vec<Connection> {
    let all = world.store.connections(&world.household).await.unwrap();
    all.into_iter().filter(|connection| connection.item.health.may_sync()).collect()
}

fn account(name: &str, mask: &str, balance: u32) -> Value {
    json!({
        "type": "depository", "subtype": "checking", "starting_balance": balance, "meta": {"name": name, "mask": mask},
    })
}

fn log_in(accounts: &[Value]) -> String {
    json!({"override_accounts": accounts}).to_string()
}

/// A log-in at First Platypus Bank with one account.
fn person(name: &str, mask: &str) -> String {
    log_in(&[account(name, mask, 100)])
}

async fn exchange_accounts(world: &World, accounts: &[Value]) -> (u16, Value) {
    let token = world.public_token("user_custom", &log_in(accounts)).await;
    call(world, exchange(&token)).await
}

#[tokio::test]
async fn same_accounts_are_refused_whatever_link_says() {
    let cases = [
        json!({}),
        json!({"institution": null, "accounts": null}),
        json!({"institution": {"institution_id": ""}, "accounts": []}),
        metadata(Some("0000"), "ins_109508"),
        metadata(None, "ins_109508"),
        metadata(Some("0000"), "ins_3"),
    ];
    for said in cases {
        let world = World::new().await;
        let (first, second) = (
            world.public_token("user_good", "pass_good").await,
            world.public_token("user_good", "pass_good").await,
        );
        let (status, answer) = exchange_with(&world, &first, &said).await;
        assert_eq!(status, 201, "{said}: {answer}");
        let stays = answer["item_id"].as_str().unwrap().to_owned();
        // The same request again is answered in the same way.
        for _ in 0..2 {
            let (status, answer) = exchange_with(&world, &second, &said).await;
            assert_eq!((status, &answer["code"]), (409, &json!("duplicate_connection")), "{said}: {answer}");
            assert!(answer["detail"].as_str().unwrap().contains(&stays), "{answer}");
        }
        let [connection] = connections(&world).await.try_into().unwrap();
        assert_eq!((connection.item.at.item.as_str(), connection.accounts.len()), (stays.as_str(), 3));
        // What was exchanged is taken back at Plaid.
        let removals = world.removals.take().len();
        assert_eq!(world.sandbox.world().items(), 1 + removals, "{said}");
        assert!(world.store.unfinished().await.unwrap().is_empty());
        world.queue.take();
    }
}

#[tokio::test]
async fn insisting_connects_the_same_accounts_twice() {
    let world = World::new().await;
    for _ in 0..2 {
        let token = world.public_token("user_good", "pass_good").await;
        let (status, answer) = exchange_with(&world, &token, &json!({"allow_duplicate": true})).await;
        assert_eq!(status, 201, "{answer}");
    }
    assert_eq!(connections(&world).await.len(), 2);
    world.queue.take();
}

#[tokio::test]
async fn two_log_ins_at_one_bank_are_two_connections() {
    let world = World::new().await;
    for (name, mask) in [("Everyday", "1111"), ("Everyday", "2222"), ("Savings", "3333")] {
        let token = world.public_token("user_custom", &person(name, mask)).await;
        let (status, answer) = call(&world, exchange(&token)).await;
        assert_eq!(status, 201, "{name} {mask}: {answer}");
    }
    assert_eq!(connections(&world).await.len(), 3);
    world.queue.take();
}

#[tokio::test]
async fn two_log_ins_without_masks_are_two_connections() {
    let world = World::new().await;
    let of_anna = [account("Everyday", "", 100), account("Savings", "", 200)];
    let of_ben = [account("Everyday", "", 300)];
    for accounts in [&of_anna[..], &of_ben[..]] {
        let (status, answer) = exchange_accounts(&world, accounts).await;
        assert_eq!(status, 201, "{answer}");
    }
    // Without masks and with other balances nothing tells the same log-in from one that looks the same: a person decides.
    let again = [account("Everyday", "", 101), account("Savings", "", 201)];
    assert_eq!(exchange_accounts(&world, &again).await.0, 409);
    world.queue.take();
    world.removals.take();
}

#[tokio::test]
async fn a_wrong_institution_of_link_is_corrected() {
    let world = World::new().await;
    for (institution, expected) in [("ins_3", 201), ("ins_109508", 409), ("ins_56", 409)] {
        let token = world.public_token("user_good", "pass_good").await;
        let (status, answer) = exchange_with(&world, &token, &metadata(None, institution)).await;
        assert_eq!(status, expected, "{institution}: {answer}");
    }
    world.queue.take();
    world.removals.take();
}

/// The accounts of the new one cannot be asked for before it is stored, so it cannot take the place of the ended one.
#[tokio::test]
async fn a_link_beside_an_ended_connection_goes_and_the_next_takes_its_place() {
    let world = World::new().await;
    let ended = exchange_accounts(&world, &[account("Everyday", "1111", 100)]).await.1;
    let [(first, _)] = world.queue.take().try_into().unwrap();
    world.run(&first.at, Cause::Link).await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let revoke = serde_json::from_value(json!({"change": "revoke"})).unwrap();
    world.sandbox.world().change(&plaid_item, &revoke).unwrap();
    assert!(matches!(world.run(&first.at, Cause::Webhook).await, Outcome::Failed(_)));
    let fault = json!({"path": "/accounts/get", "times": 1, "error_code": "INTERNAL_SERVER_ERROR"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    let (status, answer) = exchange_accounts(&world, &[account("Everyday", "1111", 100)]).await;
    assert_eq!(status, 409, "{answer}");
    let (status, again) = exchange_accounts(&world, &[account("Everyday", "1111", 100)]).await;
    assert_eq!((status, &again["item_id"]), (201, &ended["item_id"]), "{again}");
    world.queue.take();
    world.removals.take();
}

/// Two links of one log-in; the accounts of the second cannot be asked for yet.
async fn unfinished(world: &World) -> (String, domain::ids::ItemRef) {
    let (first, second) = (
        world.public_token("user_good", "pass_good").await,
        world.public_token("user_good", "pass_good").await,
    );
    assert_eq!(call(world, exchange(&first)).await.0, 201);
    world.queue.take();
    let fault = json!({"path": "/accounts/get", "times": 1, "error_code": "INTERNAL_SERVER_ERROR"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(call(world, exchange(&second)).await.0, 503);
    let [(message, _)] = world.queue.take().try_into().unwrap();
    (second, message.at)
}

/// A connection whose log-in was lost is somebody's: a log-in that only looks the same does not take its place.
#[tokio::test]
async fn a_guess_replaces_no_connection_that_can_be_repaired() {
    let world = World::new().await;
    assert_eq!(exchange_accounts(&world, &[account("Everyday", "", 100)]).await.0, 201);
    let [(first, _)] = world.queue.take().try_into().unwrap();
    world.run(&first.at, Cause::Link).await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let lost = serde_json::from_value(json!({"change": "login_loss"})).unwrap();
    world.sandbox.world().change(&plaid_item, &lost).unwrap();
    assert!(matches!(world.run(&first.at, Cause::Webhook).await, Outcome::Failed(_)));
    let (status, answer) = exchange_accounts(&world, &[account("Everyday", "", 300)]).await;
    assert_eq!(status, 409, "{answer}");
    let state = domain::sync::SyncReads::state(&*world.store, &first.at).await.unwrap().unwrap();
    assert!(state.leftovers.replaced.is_empty());
    // The same accounts for certain do.
    let (status, again) = exchange_accounts(&world, &[account("Everyday", "", 100)]).await;
    assert_eq!((status, again["item_id"].as_str()), (201, Some(first.at.item.as_str())), "{again}");
    world.queue.take();
    world.removals.take();
}

#[tokio::test]
async fn refused_link_names_the_item_that_stays_once_it_is_gone() {
    let world = World::new().await;
    let (token, at) = unfinished(&world).await;
    assert_eq!(world.run(&at, Cause::Link).await, Outcome::Refused);
    world.bury(&at).await;
    let (status, answer) = call(&world, exchange(&token)).await;
    let stays = connections(&world).await.swap_remove(0).item.at.item;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains(stays.as_str()), "{answer}");
    assert!(world.store.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn insisting_later_keeps_what_was_stored() {
    let world = World::new().await;
    let (token, at) = unfinished(&world).await;
    let insists = json!({"allow_duplicate": true});
    assert_eq!(exchange_with(&world, &token, &insists).await.1["code"], "link_unfinished");
    world.queue.take();
    assert!(matches!(world.run(&at, Cause::Link).await, Outcome::Finished { .. }));
    assert_eq!(connections(&world).await.len(), 2);
}

#[tokio::test]
async fn spelling_makes_no_other_account() {
    let same = [("Everyday", "1111"), ("EVERYDAY", "1111"), ("Everyday ...1111", ""), ("Everyday", "111")];
    for (name, mask) in same {
        let world = World::new().await;
        for (number, person) in [person("Everyday", "1111"), person(name, mask)].iter().enumerate() {
            let token = world.public_token("user_custom", person).await;
            let (status, answer) = call(&world, exchange(&token)).await;
            assert_eq!(status, if number == 0 { 201 } else { 409 }, "{name} {mask}: {answer}");
        }
        world.queue.take();
        world.removals.take();
    }
}

#[tokio::test]
async fn same_accounts_in_another_household_stay() {
    let world = World::new().await;
    let new = NewHousehold {
        id: HouseholdId::from_entropy([7; 10]),
        name: "Dora's".parse().unwrap(),
        members: vec![("dora".parse().unwrap(), Role::Owner)],
        at: Timestamp::now(),
    };
    world.store.create(&new).await.unwrap();
    for user in ["alice", "dora"] {
        let token = world.public_token("user_good", "pass_good").await;
        let asked = request(user, &[], "", &json!({"public_token": token}));
        assert_eq!(call(&world, asked).await.0, 201, "{user}");
    }
    assert_eq!(world.store.connections(&new.id).await.unwrap().len(), 1);
    world.queue.take();
}

#[tokio::test]
async fn one_of_two_at_once_stays() {
    for _ in 0..10 {
        let world = World::new().await;
        let tokens = [
            world.public_token("user_good", "pass_good").await,
            world.public_token("user_good", "pass_good").await,
        ];
        let [one, other] = tokens.each_ref().map(|token| call(&world, exchange(token)));
        let (one, other) = tokio::join!(one, other);
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{one:?} {other:?}");
        assert_eq!(connections(&world).await.len(), 1);
        world.queue.take();
        world.removals.take();
    }
}

#[tokio::test]
async fn first_link_without_accounts_goes_once_they_can_be_read() {
    let world = World::new().await;
    let said = metadata(Some("0000"), "ins_109508");
    let (first, second) = (
        world.public_token("user_good", "pass_good").await,
        world.public_token("user_good", "pass_good").await,
    );
    let fault = json!({"path": "/accounts/get", "times": 1, "error_code": "INTERNAL_SERVER_ERROR"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(exchange_with(&world, &first, &said).await.0, 503);
    let [(message, _)] = world.queue.take().try_into().unwrap();
    assert_eq!(exchange_with(&world, &second, &said).await.0, 201);
    assert_eq!(world.run(&message.at, Cause::Link).await, Outcome::Refused);
    let [connection] = connections(&world).await.try_into().unwrap();
    assert_ne!(connection.item.at, message.at);
    let (status, answer) = exchange_with(&world, &first, &said).await;
    assert_eq!((status, &answer["code"]), (409, &json!("duplicate_connection")), "{answer}");
    let gone = world.store.connections(&world.household).await.unwrap();
    assert!(gone.iter().any(|gone| gone.item.health.state == HealthState::Removing));
    world.queue.take();
}

/// Killed at each call of AWS, before and after it takes effect, in the second link of the same accounts; then the first
/// sync of what is stored runs, as its message or the night asks for it.
#[tokio::test]
async fn killed_anywhere_one_connection_stays() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for step in 0.. {
            let world = World::new().await;
            let first = world.public_token("user_good", "pass_good").await;
            assert_eq!(call(&world, exchange(&first)).await.0, 201);
            let second = world.public_token("user_good", "pass_good").await;
            world.aws.fault("", step, 1, fault);
            let dependencies = deps(&world);
            let was_killed = tokio::select! {
                _ = acting!(handle(&dependencies, exchange(&second))) => false,
                () = world.aws.hung() => true,
            };
            world.aws.heal();
            for connection in world.store.connections(&world.household).await.unwrap() {
                world.run(&connection.item.at, Cause::Night).await;
            }
            let left = connections(&world).await;
            assert_eq!(left.len(), 1, "{fault:?} {step}");
            assert!(left.iter().all(|connection| connection.accounts.len() == 3));
            world.queue.take();
            world.removals.take();
            if !was_killed {
                break;
            }
        }
    }
}

/// A bank that gave the accounts of an ended connection other words, linked again.
/// A connection that was removed while its data was kept, with a note on one row; and a new public token of the same log-in.
async fn kept(world: &World) -> (domain::ids::ItemRef, domain::ids::TransactionId, String) {
    let token = world.public_token("user_good", "pass_good").await;
    assert_eq!(call(world, exchange(&token)).await.0, 201);
    let [(first, _)] = world.queue.take().try_into().unwrap();
    let at = first.at;
    world.run(&at, Cause::Link).await;
    let row = world.store.live_rows(&at, None).await.unwrap().rows.swap_remove(40);
    let note = Change { note: Edit::Set("mine".parse().unwrap()), ..Change::default() };
    world.store.edit(&at, &row.key, &note, None).await.unwrap();
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let again =
        world.sandbox.world().relink(&plaid_item, &serde_json::from_value(json!({"days": 90})).unwrap());
    world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    let state = world.store.state(&at).await.unwrap().unwrap();
    world.store.bury(&state, Timestamp::now()).await.unwrap();
    (at, row.key, again.unwrap())
}

#[tokio::test]
async fn kept_accounts_go_on_under_a_new_connection() {
    for said in [json!({}), metadata(Some("0000"), "ins_109508")] {
        let world = World::new().await;
        let (at, edited, token) = kept(&world).await;
        let before = world.store.live_rows(&at, None).await.unwrap().rows;
        let (status, answer) = exchange_with(&world, &token, &said).await;
        assert_eq!((status, answer["item_id"].as_str()), (201, Some(at.item.as_str())), "{answer}");
        let [connection] = connections(&world).await.try_into().unwrap();
        assert!(connection.accounts.iter().all(|account| account.state == AccountState::Live));
        world.run(&at, Cause::Link).await;
        let after = world.store.live_rows(&at, None).await.unwrap().rows;
        let keys = |rows: &[StoredRow]| rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&after), keys(&before));
        assert!(world.store.half(&at, &edited).await.unwrap().unwrap().note.is_some());
        // Nothing is left to be removed at Plaid, and the night syncs it again.
        let state = world.store.state(&at).await.unwrap().unwrap();
        assert_eq!((state.has_leftovers(), state.item.health.state), (false, HealthState::Healthy));
        world.queue.take();
        world.removals.take();
    }
}

/// A reader that comes before the accounts of the new connection are known finds nothing to remove.
#[tokio::test]
async fn a_connection_that_kept_accounts_go_on_under_is_not_forsaken() {
    let world = World::new().await;
    let (at, _, token) = kept(&world).await;
    let accounts =
        json!({"path": "/accounts/get", "times": 100, "error_code": "INSTITUTION_DOWN", "after": 1});
    world.sandbox.world().add_fault(serde_json::from_value(accounts).unwrap());
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!(status, 503, "{answer}");
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!(state.item.health.state, HealthState::Healthy);
    assert!(!state.is_forsaken() && !state.has_leftovers());
    assert_eq!(world.removals.take().len(), 0);
    world.sandbox.world().clear_faults();
    // The first sync brings the accounts.
    world.run(&at, Cause::Link).await;
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!(status, 201, "{answer}");
    world.queue.take();
}

/// Of two connections to the same accounts, one removed and one broken, nothing is taken up a second time.
#[tokio::test]
async fn kept_accounts_do_not_go_on_beside_a_connection_that_has_them() {
    let world = World::new().await;
    let (at, _, token) = kept(&world).await;
    let first = json!({"public_token": token, "allow_duplicate": true});
    // Insisting takes the kept ones up; then another connection is made, and this one is removed again.
    assert_eq!(call(&world, request("alice", &[], "", &first)).await.0, 201);
    let mut world_items = world.sandbox.world().item_ids();
    let second = world.public_token("user_good", "pass_good").await;
    let insisted = json!({"public_token": second, "allow_duplicate": true});
    let (status, answer) = call(&world, request("alice", &[], "", &insisted)).await;
    assert_eq!(status, 201, "{answer}");
    let broken = answer["item_id"].as_str().unwrap().to_owned();
    let mut after = world.sandbox.world().item_ids();
    after.retain(|id| !world_items.contains(id));
    world_items = after;
    world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    world.store.bury(&world.store.state(&at).await.unwrap().unwrap(), Timestamp::now()).await.unwrap();
    let login_loss = serde_json::from_value(json!({"change": "login_loss"})).unwrap();
    world.sandbox.world().change(&world_items[0], &login_loss).unwrap();
    let broken_at =
        domain::ids::ItemRef { household: world.household.clone(), item: broken.parse().unwrap() };
    world.run(&broken_at, Cause::Webhook).await;
    let third = world.public_token("user_good", "pass_good").await;
    let (_, answer) = call(&world, exchange(&third)).await;
    assert_ne!(answer["item_id"].as_str(), Some(at.item.as_str()), "{answer}");
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert_eq!(state.item.health.state, HealthState::Removed);
    world.queue.take();
    world.removals.take();
}

#[tokio::test]
async fn kept_accounts_of_another_log_in_stay_as_they_are() {
    let world = World::new().await;
    let (at, ..) = kept(&world).await;
    let (status, answer) = exchange_accounts(&world, &[account("Everyday", "9999", 100)]).await;
    assert_eq!(status, 201, "{answer}");
    assert_ne!(answer["item_id"].as_str(), Some(at.item.as_str()));
    let state = world.store.state(&at).await.unwrap().unwrap();
    assert!(state.accounts.iter().all(|account| account.state == AccountState::Manual));
    world.queue.take();
}

#[tokio::test]
async fn ended_connection_goes_on_under_other_words() {
    let same = [("Everyday", "1111"), ("EVERYDAY", "1111"), ("Everyday ...1111", ""), ("Everyday", "111")];
    for (name, mask) in same {
        let world = World::new().await;
        let token = world.public_token("user_custom", &person("Everyday", "1111")).await;
        let (status, answer) = call(&world, exchange(&token)).await;
        assert_eq!(status, 201, "{answer}");
        let [(first, _)] = world.queue.take().try_into().unwrap();
        world.run(&first.at, Cause::Link).await;
        let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
        let revoke = serde_json::from_value(json!({"change": "revoke"})).unwrap();
        world.sandbox.world().change(&plaid_item, &revoke).unwrap();
        assert!(matches!(world.run(&first.at, Cause::Webhook).await, Outcome::Failed(_)));
        let token = world.public_token("user_custom", &person(name, mask)).await;
        let (status, again) = call(&world, exchange(&token)).await;
        assert_eq!((status, &again["item_id"]), (201, &answer["item_id"]), "{name} {mask}: {again}");
        assert_eq!(again["accounts"][0]["id"], answer["accounts"][0]["id"], "{name} {mask}");
        let accounts = connections(&world).await.swap_remove(0).accounts;
        assert_eq!(accounts.iter().map(|a| a.state).collect::<Vec<_>>(), [AccountState::Live]);
        let [message] = world.removals.take_messages().try_into().unwrap();
        assert!(
            matches!(message.what, Removal::Item(at) if at == first.at),
            "the old one is removed at Plaid"
        );
        world.queue.take();
    }
}
