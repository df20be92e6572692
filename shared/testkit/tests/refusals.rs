//! Every documented refusal of Plaid's, at each place of a sync: what stands on the item, and that it ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    bank::UpdateMode,
    ids::ItemRef,
    item::{HealthState, Item},
    store::Hints,
    sync::{Cause, Deps, Outcome, SyncReads, Trigger, sync},
    vault::TokenOpener,
};
use jiff::Timestamp;
use plaid_sandbox::{Change, Fault, Mangle};
use serde_json::json;
use testkit::{Refusal, SkippingClock, World, refusals};

const PLACES: [&str; 3] = ["first page", "later page", "accounts"];
const SYNC: &str = "/transactions/sync";
/// More often than any run asks.
const ALWAYS: u32 = 1_000;

async fn run(world: &World, at: &ItemRef) -> Outcome {
    let deps = Deps { clock: Arc::new(SkippingClock::default()), ..world.sync() };
    sync(&deps, &by_person(at)).await.unwrap()
}

fn by_person(at: &ItemRef) -> Trigger {
    Trigger { at: at.clone(), want: None, cause: Cause::Person, deadline: Timestamp::MAX, fresh_within: None }
}

async fn item(world: &World, at: &ItemRef) -> Item {
    world.store.state(at).await.unwrap().unwrap().item
}

/// An item that is up to date, with Plaid's id of it.
async fn synced(world: &World) -> (ItemRef, String) {
    let known = world.sandbox.world().item_ids();
    let (at, _) = world.item("user_many", "3").await;
    let new = world.sandbox.world().item_ids().into_iter().find(|id| !known.contains(id)).unwrap();
    assert!(matches!(run(world, &at).await, Outcome::Finished { .. }));
    (at, new)
}

fn change(world: &World, plaid_item: &str, change: &Change) {
    world.sandbox.world().change(plaid_item, change).unwrap();
}

async fn assert_equal_to_ledger(world: &World, at: &ItemRef, plaid_item: &str) {
    let live = world.store.live_rows(at, None).await.unwrap();
    let stored: BTreeMap<_, _> = live
        .rows
        .into_iter()
        .map(|row| (row.carries.unwrap().to_string(), row.signature.unwrap().0.amount.unwrap()))
        .collect();
    let ledger = world.sandbox.world().ledger(plaid_item).into_iter();
    assert_eq!(stored, ledger.map(|t| (t.id, t.amount)).collect());
}

fn fault(refusal: &Refusal, place: &str, times: u32) -> Fault {
    let refused = Fault {
        path: if place == "accounts" { "/accounts/get" } else { SYNC }.to_owned(),
        after: u32::from(place == "later page"),
        times,
        error_code: Some(refusal.code.clone()),
        error_type: refusal.error_type.clone(),
        ..Fault::default()
    };
    let mangled = |mangle| Fault { error_code: None, mangle: Some(mangle), times: 1, ..refused.clone() };
    match (refusal.code.as_str(), place) {
        // For ever, but only where the stored cursor is asked for.
        ("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", "first page") => mangled(Mangle::CursorStuck),
        (_, "first page" | "later page") if refusal.names_cursor => mangled(Mangle::CursorRefused),
        _ => refused,
    }
}

/// What the table says that a sync does, in what can be seen of it.
fn assert_done(outcome: &Outcome, item: &Item, expected: &str, what: &str) {
    let retry_in = item
        .failure
        .as_ref()
        .and_then(|failure| failure.retry_at)
        .map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap().as_secs());
    let hours = |n: u64| n * 3_600 - 120..n * 3_600 + 120;
    let is_failed = matches!(outcome, Outcome::Failed(_));
    let holds = match expected {
        "from nothing" => matches!(outcome, Outcome::Finished { .. }),
        "the same page after 30 s" => *outcome == Outcome::HandOver(Duration::from_secs(30)),
        "retry" | "restart" => is_failed && retry_in.is_some_and(|s| s < 300),
        "in 4 h" => is_failed && retry_in.is_some_and(|s| hours(4).contains(&s)),
        "in 7 d" => is_failed && retry_in.is_some_and(|s| hours(7 * 24).contains(&s)),
        "user" | "gone" | "operator" => is_failed && retry_in.is_none(),
        other => panic!("{what}: the table says {other}"),
    };
    assert!(holds, "{what}: {outcome:?}, try again in {retry_in:?} s; the table says {expected}");
}

#[tokio::test]
async fn each_code_at_each_place_does_what_the_table_says_and_ends() {
    let world = World::new().await;
    world.sandbox.world().set_page_size(Some(2));
    for refusal in refusals() {
        for (place, expected) in PLACES.into_iter().zip(&refusal.sync) {
            // A cursor is no matter of the list's, and the sandbox has no such answer.
            if place == "accounts" && refusal.names_cursor {
                continue;
            }
            let what = format!("{} {:?} at {place}", refusal.code, refusal.error_type);
            let (at, plaid_item) = synced(&world).await;
            for _ in 0..5 {
                let add = Change::Add {
                    pending: false,
                    amount: None,
                    name: None,
                    date: None,
                    authorized_date: None,
                    account: None,
                };
                change(&world, &plaid_item, &add);
            }
            if expected == "restart" {
                world.sandbox.world().add_fault(fault(&refusal, place, 1));
                assert!(matches!(run(&world, &at).await, Outcome::Finished { .. }), "{what}");
                change(&world, &plaid_item, &Change::Amend { id: None, amount: None });
                for _ in 0..3 {
                    let add = Change::Add {
                        pending: true,
                        amount: None,
                        name: None,
                        date: None,
                        authorized_date: None,
                        account: None,
                    };
                    change(&world, &plaid_item, &add);
                }
            }
            if place == "accounts" {
                world.store.want_look(&at).await.unwrap();
            }
            if !(expected == "restart" && refusal.names_cursor) {
                world.sandbox.world().add_fault(fault(&refusal, place, ALWAYS));
                let outcome = run(&world, &at).await;
                let item = item(&world, &at).await;
                assert_done(&outcome, &item, expected, &what);
                let is_over = matches!(expected.as_str(), "from nothing" | "the same page after 30 s");
                if !is_over {
                    let (health, next) = &refusal.health;
                    assert_eq!(json!(item.health.state), json!(health), "{what}");
                    assert_eq!(json!(item.health.next_action()), json!(next), "{what}");
                    assert!(item.trouble().is_some_and(|words| words.ends_with('.')), "{what}: no words");
                }
            }
            world.sandbox.world().clear_faults();
            let outcome = run(&world, &at).await;
            assert!(matches!(outcome, Outcome::Finished { .. }), "{what} does not end: {outcome:?}");
            let healed = item(&world, &at).await;
            assert_eq!((healed.health.state, healed.trouble()), (HealthState::Healthy, None), "{what}");
            assert_equal_to_ledger(&world, &at, &plaid_item).await;
        }
    }
}

/// Update mode asks for what mends the reason, and the sandbox's Link grants nothing else.
#[tokio::test]
async fn each_reason_for_a_repair_is_mended_by_its_own_update_mode() {
    let world = World::new().await;
    let repairable = refusals().into_iter().filter(|refusal| refusal.health.1 == "repair");
    for refusal in repairable.filter(|refusal| refusal.error_type.is_none()) {
        let (at, plaid_item) = synced(&world).await;
        change(&world, &plaid_item, &Change::Trouble { code: Some(refusal.code.clone()) });
        assert!(matches!(run(&world, &at).await, Outcome::Failed(_)), "{}", refusal.code);
        let reason = item(&world, &at).await.health.reason.unwrap();
        let sealed = world.store.state(&at).await.unwrap().unwrap().token;
        let access_token = world.opener.open(&at, &sealed).await.unwrap().expose().to_owned();
        let mode = UpdateMode::mending(&reason);
        let mut asked = json!({
            "client_name": "Test", "language": "en", "country_codes": ["US"],
            "user": {"client_user_id": "alice"}, "access_token": access_token,
            "additional_consented_products": mode.consent_products,
        });
        if mode.select_accounts {
            asked["update"] = json!({"account_selection_enabled": true});
        }
        let link_token = world.call_plaid("/link/token/create", &asked).await["link_token"].clone();
        world.call_plaid("/link/submit", &json!({"link_token": link_token})).await;
        let outcome = run(&world, &at).await;
        assert!(matches!(outcome, Outcome::Finished { .. }), "{}: {outcome:?}", refusal.code);
        assert_eq!(item(&world, &at).await.health.state, HealthState::Healthy, "{}", refusal.code);
    }
}

/// A weekly look, and no other, at what is not supported.
#[tokio::test]
async fn the_night_leaves_alone_what_is_not_supported_until_its_week_is_over() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    change(&world, &plaid_item, &Change::Trouble { code: Some("PRODUCTS_NOT_SUPPORTED".to_owned()) });
    assert!(matches!(run(&world, &at).await, Outcome::Failed(_)));
    let night = |clock: Arc<testkit::StandingClock>| {
        let deps = Deps { clock, ..world.sync() };
        let trigger = Trigger {
            at: at.clone(),
            want: None,
            cause: Cause::Night,
            deadline: Timestamp::MAX,
            fresh_within: Some(Duration::from_hours(20)),
        };
        async move { sync(&deps, &trigger).await.unwrap() }
    };
    let clock = Arc::new(testkit::StandingClock::at(Timestamp::now()));
    assert_eq!(night(clock.clone()).await, Outcome::Gone);
    change(&world, &plaid_item, &Change::Trouble { code: None });
    clock.pass(Duration::from_hours(6 * 24));
    assert_eq!(night(clock.clone()).await, Outcome::Gone);
    clock.pass(Duration::from_hours(25));
    assert!(matches!(night(clock).await, Outcome::Finished { .. }));
    assert_eq!(item(&world, &at).await.health.state, HealthState::Healthy);
}

/// What failures of ours leave behind: the item says so at once, and is well again once they are over.
#[tokio::test]
async fn a_store_that_refuses_stands_on_the_item() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let add = Change::Add {
        pending: false,
        amount: None,
        name: None,
        date: None,
        authorized_date: None,
        account: None,
    };
    change(&world, &plaid_item, &add);
    world.aws.fault("TransactWriteItems", 0, 1, testkit::Fault::Invalid);
    assert!(sync(&world.sync(), &by_person(&at)).await.is_err(), "the message is parked");
    let failed = item(&world, &at).await;
    assert_eq!(failed.failure.as_ref().map(|failure| failure.code.as_str()), Some("STORE_REFUSED"));
    assert!(failed.trouble().is_some());
    assert!(matches!(run(&world, &at).await, Outcome::Finished { .. }));
    assert_eq!(item(&world, &at).await.failure, None);
    assert_equal_to_ledger(&world, &at, &plaid_item).await;
}

/// What mends the item is what its last refusal asks for, not its first.
#[tokio::test]
async fn a_second_refusal_takes_the_place_of_the_first() {
    let world = World::new().await;
    let (at, plaid_item) = synced(&world).await;
    let codes =
        ["ITEM_LOGIN_REQUIRED", "NO_ACCOUNTS", "ADDITIONAL_CONSENT_REQUIRED", "PRODUCTS_NOT_SUPPORTED"];
    for code in codes.iter().chain(codes.iter().rev()) {
        change(&world, &plaid_item, &Change::Trouble { code: Some((*code).to_owned()) });
        assert!(matches!(run(&world, &at).await, Outcome::Failed(_)), "{code}");
        assert_eq!(item(&world, &at).await.health.reason.as_deref(), Some(*code));
    }
}
