//! What a caller of the exchange sees, and what it leaves behind whatever fails.

mod twins;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    bank::{AccountFeed, AccountsAnswer, BankError},
    edit::TransactionEdits,
    household::{Households, NewHousehold, Role},
    ids::HouseholdId,
    secret::AccessToken,
    store::{Connections, Intents, LinkSession, LinkSessions},
    sync::{Cause, SyncReads, Trigger},
};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    let once = Once {
        memberships: world.store.clone(),
        records: world.store.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
    };
    Deps { memberships: world.store.clone(), sessions: world.store.clone(), link: world.link(), once }
}

fn exchange(public_token: &str) -> Request {
    request("alice", &[], "", &json!({"public_token": public_token}))
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

#[tokio::test]
async fn a_finished_session_becomes_a_connection() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["accounts_added"], 3);
    assert_eq!(answer["institution"]["name"], "First Platypus Bank");
    assert_eq!(answer["accounts"].as_array().unwrap().len(), 3);

    let [(message, delay)] = world.queue.take().try_into().unwrap();
    assert_eq!((message.want, delay.as_secs()), (Some(1), 0));
    assert_eq!(message.at.item.to_string(), answer["item_id"]);
    assert!(world.store.unfinished().await.unwrap().is_empty());
}

/// Plaid's accounts without the bank's name, which its answers may leave out.
struct Nameless(Arc<dyn AccountFeed>);

#[async_trait]
impl AccountFeed for Nameless {
    async fn accounts(&self, token: &AccessToken) -> Result<AccountsAnswer, BankError> {
        let mut answer = self.0.accounts(token).await?;
        answer.item.institution_name = None;
        Ok(answer)
    }
}

#[tokio::test]
async fn a_bank_without_a_name_is_looked_up() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let mut deps = deps(&world);
    deps.link.accounts = Arc::new(Nameless(world.plaid.clone()));
    let (status, answer) = body(acting!(handle(&deps, exchange(&token))).await);
    assert_eq!((status, answer["institution"]["name"].as_str()), (201, Some("A bank by name")), "{answer}");
    world.queue.take();
}

#[tokio::test]
async fn only_members_who_may_connect_connect() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let named =
        |user| request(user, &[], "", &json!({"public_token": token, "household_id": world.household}));
    assert_eq!(call(&world, named("bob")).await.0, 404);
    assert_eq!(call(&world, named("nobody")).await.0, 404);
    assert_eq!(call(&world, named("carol")).await.1["code"], "role_not_sufficient");
    assert_eq!(world.sandbox.world().items(), 0);
}

#[tokio::test]
async fn a_body_that_is_wrong_is_told_where() {
    let world = World::new().await;
    let cases = [
        (json!({}), "public_token"),
        (json!({"public_token": ""}), "public_token"),
        (json!({"public_token": 7}), "public_token"),
        (json!({"public_token": "x", "household_id": "y"}), "household_id"),
        (json!({"public_token": "x", "role": "owner"}), "role"),
        (json!({"public_token": "x", "accounts": [{"mask": 1}]}), "accounts[0].mask"),
        (json!({"public_token": "x", "institution": {"name": "n".repeat(300)}}), "institution.name"),
    ];
    for (wrong, field) in cases {
        let (status, answer) = call(&world, request("alice", &[], "", &wrong)).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (400, Some(field)), "{answer}");
    }
}

#[tokio::test]
async fn whoever_lost_the_answer_gets_it_again_with_or_without_a_key() {
    for key in [None, Some("k")] {
        let world = World::new().await;
        let token = world.public_token("user_good", "pass_good").await;
        let asked = || match key {
            Some(key) => with_header(exchange(&token), "idempotency-key", key),
            None => exchange(&token),
        };
        let first = call(&world, asked()).await;
        assert_eq!(first.0, 201, "{first:?}");
        world.queue.take();
        assert_eq!(call(&world, asked()).await, first);
        world.queue.take();
        assert!(world.store.unfinished().await.unwrap().is_empty());
        assert_eq!(world.sandbox.world().items(), 1);
    }
}

/// A session of Link, as the endpoint of link tokens remembers it.
async fn open_link(world: &World, user: &str, household: &HouseholdId) -> String {
    let wanted = json!({
        "client_name": "Wumbo", "language": "en", "country_codes": ["US"], "products": ["transactions"],
        "user": {"client_user_id": user},
    });
    let created = world.call_plaid("/link/token/create", &wanted).await;
    let link_token = created["link_token"].as_str().unwrap().to_owned();
    let session = LinkSession {
        token_hash: domain::ids::fingerprint(&link_token),
        household: household.clone(),
        user: user.parse().unwrap(),
        item: None,
        is_hosted: false,
        began: Timestamp::now(),
    };
    world.store.remember(&session).await.unwrap();
    link_token
}

#[tokio::test]
async fn a_public_token_of_anothers_session_is_refused() {
    let world = World::new().await;
    let of_alice = open_link(&world, "alice", &world.household).await;
    let of_bob = open_link(&world, "bob", &world.other_household).await;
    let token = world.public_token("user_good", "pass_good").await;
    let with =
        |user: &str, link: &str| request(user, &[], "", &json!({"public_token": token, "link_token": link}));
    for link in [of_alice.as_str(), "link-unknown"] {
        let (status, answer) = call(&world, with("bob", link)).await;
        assert_eq!((status, &answer["code"]), (422, &json!("link_session_mismatch")), "{link}");
    }
    assert_eq!(call(&world, with("alice", &of_bob)).await.0, 422);
    // Nothing came of it: the token is still good.
    assert_eq!(call(&world, with("alice", &of_alice)).await.0, 201);
    world.queue.take();
}

#[tokio::test]
async fn another_request_with_the_same_key_is_422() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let first = with_header(exchange(&token), "idempotency-key", "k");
    assert_eq!(call(&world, first).await.0, 201);
    world.queue.take();
    let (status, answer) = call(&world, with_header(exchange("another"), "idempotency-key", "k")).await;
    assert_eq!((status, &answer["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test]
async fn a_token_that_another_person_used_or_that_never_was_is_422_with_plaids_code() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    assert_eq!(call(&world, exchange(&token)).await.0, 201);
    world.queue.take();
    let new = NewHousehold {
        id: HouseholdId::from_entropy([7; 10]),
        name: "Dora's".parse().unwrap(),
        members: vec![("dora".parse().unwrap(), Role::Owner)],
        at: Timestamp::now(),
    };
    world.store.create(&new).await.unwrap();
    let of_dora = request("dora", &[], "", &json!({"public_token": token}));
    for asked in [of_dora, exchange("public-sandbox-never-was")] {
        let (status, answer) = call(&world, asked).await;
        assert_eq!((status, answer["plaid_code"].as_str()), (422, Some("INVALID_PUBLIC_TOKEN")), "{answer}");
    }
    assert!(world.store.unfinished().await.unwrap().is_empty(), "a refusal leaves nothing");
}

#[tokio::test]
async fn a_second_connection_to_the_same_accounts_is_refused_unless_insisted_on() {
    let world = World::new().await;
    let session = |token: &str, more: Value| {
        let mut body = json!({
            "public_token": token,
            "institution": {"institution_id": "ins_109508", "name": "First Platypus Bank"},
            "accounts": [{"name": "Plaid Checking", "mask": "0000", "subtype": "checking"}],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request("alice", &[], "", &body)
    };
    let tokens = [
        world.public_token("user_good", "pass_good").await,
        world.public_token("user_good", "pass_good").await,
    ];
    assert_eq!(call(&world, session(&tokens[0], json!({}))).await.0, 201);
    let (status, answer) = call(&world, session(&tokens[1], json!({}))).await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("duplicate_connection")));
    assert_eq!(world.sandbox.world().items(), 1, "nothing was exchanged");
    let other = json!({"accounts": [{"name": "Plaid Checking", "mask": "9999"}]});
    assert_eq!(call(&world, session("unknown", other)).await.0, 422, "another log-in at the bank is none");
    assert_eq!(call(&world, session(&tokens[1], json!({"allow_duplicate": true}))).await.0, 201);
    world.queue.take();
}

#[tokio::test]
async fn without_the_key_service_nothing_is_exchanged() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    world.aws.fault("Encrypt", 0, 100, Fault::Refuse);
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("vault_unavailable")));
    assert_eq!(world.sandbox.world().items(), 0);
    world.aws.heal();
    assert!(world.store.unfinished().await.unwrap().is_empty());
    assert_eq!(call(&world, exchange(&token)).await.0, 201, "the token is as good as before");
    world.queue.take();
}

#[tokio::test]
async fn an_item_that_cannot_be_sealed_or_stored_is_taken_back() {
    for (operation, pass) in [("Encrypt", 1), ("TransactWriteItems", 0)] {
        let world = World::new().await;
        let token = world.public_token("user_good", "pass_good").await;
        world.aws.fault(operation, pass, 10_000, Fault::Refuse);
        let (status, answer) = call(&world, exchange(&token)).await;
        assert_eq!(status, 503, "{operation}: {answer}");
        world.aws.heal();
        assert_eq!(world.sandbox.world().items(), 0, "{operation}: the item is gone at Plaid");
        assert!(world.store.connections(&world.household).await.unwrap().is_empty());
        assert!(world.store.unfinished().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_item_that_is_connected_already_is_refused_and_lives_on() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    // What Link's update mode hands over is a public token of the same item.
    let again = world.sandbox.world().public_token_of(token.expose());
    let again = again.unwrap();
    let (status, answer) = call(&world, exchange(&again)).await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("duplicate_connection")), "{answer}");
    assert!(world.store.unfinished().await.unwrap().is_empty());
    let trigger =
        Trigger { at, want: Some(1), cause: Cause::Link, deadline: Timestamp::MAX, fresh_within: None };
    let outcome = domain::sync::sync(&world.sync(), &trigger).await.unwrap();
    assert!(matches!(outcome, domain::sync::Outcome::Finished { .. }), "the connection works: {outcome:?}");
}

#[tokio::test]
async fn with_too_little_time_nothing_is_exchanged() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let late = Request { deadline: Timestamp::now().checked_add(15.seconds()).unwrap(), ..exchange(&token) };
    let (status, answer) = call(&world, late).await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("too_slow")));
    assert_eq!(world.sandbox.world().items(), 0);
    assert!(world.store.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn plaid_down_is_503_and_stores_nothing() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    for code in ["INTERNAL_SERVER_ERROR", "PLANNED_MAINTENANCE", "RATE_LIMIT_EXCEEDED"] {
        let fault = json!({"path": "/item/public_token/exchange", "times": 1, "error_code": code});
        world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
        let (status, answer) = call(&world, exchange(&token)).await;
        assert_eq!((status, answer["plaid_code"].as_str()), (503, Some(code)), "{answer}");
        assert!(world.store.connections(&world.household).await.unwrap().is_empty());
    }
    assert_eq!(call(&world, exchange(&token)).await.0, 201);
    world.queue.take();
}

#[tokio::test]
async fn accounts_that_cannot_be_read_now_are_503_and_the_same_request_completes() {
    let world = World::new().await;
    let token = world.public_token("user_good", "pass_good").await;
    let fault = json!({"path": "/accounts/get", "times": 1, "error_code": "INTERNAL_SERVER_ERROR"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(call(&world, exchange(&token)).await.0, 503);
    let [(first, _)] = world.queue.take().try_into().unwrap();
    let again = call(&world, exchange(&token)).await;
    assert_eq!((again.0, again.1["code"].as_str()), (503, Some("link_unfinished")));
    // The first sync brings the accounts.
    let trigger = Trigger {
        at: first.at,
        want: first.want,
        cause: Cause::Link,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    domain::sync::sync(&world.sync(), &trigger).await.unwrap();
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!((status, &answer["accounts_added"]), (201, &json!(3)), "{answer}");
    assert_eq!(
        answer["institution"]["name"], "First Platypus Bank",
        "the sync brings the bank's name as well"
    );
    assert_eq!(world.sandbox.world().items(), 1);
    world.queue.take();
}

/// Killed at each call of AWS, before and after it takes effect; then the app sends the same request again, and the
/// first sync runs.
#[tokio::test]
async fn killed_anywhere_the_next_run_completes_the_link_or_the_intent_tells_of_it() {
    let mut lost = 0;
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for step in 0.. {
            let world = World::new().await;
            let token = world.public_token("user_good", "pass_good").await;
            world.aws.fault("", step, 1, fault);
            let dependencies = deps(&world);
            let was_killed = tokio::select! {
                outcome = acting!(handle(&dependencies, exchange(&token))) => {
                    assert!(outcome.is_ok());
                    false
                }
                () = world.aws.hung() => true,
            };
            world.queue.take();
            if !was_killed {
                break;
            }
            let (mut status, mut answer) = call(&world, exchange(&token)).await;
            if answer["code"] == "link_unfinished" {
                let [(first, _)] = world.queue.take().try_into().unwrap();
                let trigger = Trigger {
                    at: first.at,
                    want: first.want,
                    cause: Cause::Link,
                    deadline: Timestamp::MAX,
                    fresh_within: None,
                };
                domain::sync::sync(&world.sync(), &trigger).await.unwrap();
                (status, answer) = call(&world, exchange(&token)).await;
            }
            world.queue.take();
            let connections = world.store.connections(&world.household).await.unwrap();
            let unfinished = world.store.unfinished().await.unwrap();
            if let [connection] = connections.as_slice() {
                let state = world.store.state(&connection.item.at).await.unwrap().unwrap();
                assert_eq!(state.accounts.len(), 3, "{fault:?} {step}: {answer}");
                assert!(unfinished.is_empty() || status == 201, "{fault:?} {step}");
                assert_eq!(world.sandbox.world().items(), 1);
            } else {
                // The token died with the function: the item is at Plaid, and the intent tells whose it was.
                lost += 1;
                assert_eq!(
                    (connections.len(), status, unfinished.len()),
                    (0, 422, 1),
                    "{fault:?} {step}: {answer}"
                );
                assert_eq!(world.sandbox.world().items(), 1);
            }
        }
    }
    // Before and after the sealing, and before the store: the one window there is.
    assert_eq!(lost, 3);
}

/// A connection that was synced and written on, at a bank that ends it; and a new log-in there.
async fn ended(world: &World, how: &Value) -> (domain::ids::ItemRef, domain::ids::TransactionId, String) {
    let token = world.public_token("user_good", "pass_good").await;
    assert_eq!(call(world, exchange(&token)).await.0, 201);
    let [(first, _)] = world.queue.take().try_into().unwrap();
    let at = first.at;
    world.run(&at, Cause::Link).await;
    let row = world.store.live_rows(&at, None).await.unwrap().rows.swap_remove(40);
    let note = domain::edit::Change {
        note: domain::sync::Edit::Set("mine".parse().unwrap()),
        ..domain::edit::Change::default()
    };
    let edited = world.store.edit(&at, &row.key, &note, None).await.unwrap();
    assert!(matches!(edited, domain::edit::Edited::Done { .. }));
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let relink = serde_json::from_value(json!({"days": 90})).unwrap();
    let again = world.sandbox.world().relink(&plaid_item, &relink).unwrap();
    world.sandbox.world().change(&plaid_item, &serde_json::from_value(how.clone()).unwrap()).unwrap();
    assert!(matches!(world.run(&at, Cause::Webhook).await, domain::sync::Outcome::Failed(_)));
    (at, row.key, again)
}

#[tokio::test]
async fn a_new_item_takes_the_place_of_one_that_works_no_more() {
    let metadata = json!({
        "institution": {"institution_id": "ins_109508", "name": "First Platypus Bank"},
        "accounts": [{"name": "Plaid Checking", "mask": "0000", "subtype": "checking"}],
    });
    let cases = [
        // Gone at Plaid: with what Link said of it, and without.
        (json!({"change": "revoke"}), metadata.clone()),
        (json!({"change": "revoke"}), json!({})),
        // A lost log-in could be repaired; a person insists on a new one.
        (json!({"change": "login_loss"}), {
            let mut insisted = metadata;
            insisted["allow_duplicate"] = json!(true);
            insisted
        }),
    ];
    for (how, more) in cases {
        let world = World::new().await;
        let (at, edited, token) = ended(&world, &how).await;
        let before = world.store.live_rows(&at, None).await.unwrap().rows;
        let accounts = world.store.state(&at).await.unwrap().unwrap().accounts;
        let mut asked = json!({"public_token": token});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = call(&world, request("alice", &[], "", &asked)).await;
        assert_eq!((status, answer["item_id"].as_str()), (201, Some(at.item.as_str())), "{how}: {answer}");
        let ids: std::collections::BTreeSet<_> = answer["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["id"].as_str().unwrap().to_owned())
            .collect();
        let old: std::collections::BTreeSet<_> =
            accounts.iter().map(|account| account.id.to_string()).collect();
        assert_eq!(ids, old, "the accounts go on under their own ids");
        let [(first, _)] = world.queue.take().try_into().unwrap();
        let trigger = Trigger {
            at: at.clone(),
            want: first.want,
            cause: Cause::Link,
            deadline: Timestamp::MAX,
            fresh_within: None,
        };
        let outcome = domain::sync::sync(&world.sync(), &trigger).await.unwrap();
        let domain::sync::Outcome::Finished { counts, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((counts.added, counts.removed), (0, 0), "0 rows doubled, none gone: {counts:?}");
        let after = world.store.live_rows(&at, None).await.unwrap().rows;
        let keys =
            |rows: &[domain::sync::StoredRow]| -> Vec<_> { rows.iter().map(|row| row.key.clone()).collect() };
        assert_eq!(keys(&after), keys(&before), "{how}");
        assert!(world.store.half(&at, &edited).await.unwrap().unwrap().note.is_some());
        let new_item = world.sandbox.world().item_ids();
        let carried: std::collections::BTreeSet<_> =
            after.iter().filter_map(|row| row.carries.as_ref().map(ToString::to_string)).collect();
        let live = new_item.iter().find(|item| {
            let ledger = world.sandbox.world().ledger(item);
            !ledger.is_empty() && ledger.iter().all(|transaction| carried.contains(&transaction.id))
        });
        assert!(live.is_some(), "all of the new item's ids lead to the old rows");
        // The old item is to be removed at Plaid: its token is kept for that.
        assert_eq!(world.removals.take().len(), 1);
        assert!(world.store.state(&at).await.unwrap().unwrap().has_leftovers());
    }
}

#[tokio::test]
async fn the_token_of_a_repaired_item_ends_nothing() {
    for insists in [false, true] {
        let world = World::new().await;
        let token = world.public_token("user_good", "pass_good").await;
        assert_eq!(call(&world, exchange(&token)).await.0, 201);
        let [(first, _)] = world.queue.take().try_into().unwrap();
        let at = first.at;
        world.run(&at, Cause::Link).await;
        let state = world.store.state(&at).await.unwrap().unwrap();
        let plaid_item = state.plaid_item.to_string();
        let change = |change: Value| {
            let change = serde_json::from_value(change).unwrap();
            world.sandbox.world().change(&plaid_item, &change).unwrap()
        };
        change(json!({"change": "login_loss"}));
        world.run(&at, Cause::Webhook).await;
        change(json!({"change": "repair"}));
        let open = domain::vault::TokenOpener::open(&*world.opener, &at, &state.token).await.unwrap();
        let again = world.sandbox.world().public_token_of(open.expose()).unwrap();
        let mut asked = json!({"public_token": again});
        if insists {
            asked["allow_duplicate"] = json!(true);
            asked["institution"] = json!({"institution_id": "ins_109508"});
            asked["accounts"] = json!([{"name": "Plaid Checking", "mask": "0000", "subtype": "checking"}]);
        }
        let (status, answer) = call(&world, request("alice", &[], "", &asked)).await;
        assert_eq!((status, answer["code"].as_str()), (409, Some("duplicate_connection")), "{answer}");
        assert!(!world.sandbox.world().take_calls().contains_key("/item/remove"), "it lives on");
        let outcome = world.run(&at, Cause::Person).await;
        assert!(matches!(outcome, domain::sync::Outcome::Finished { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_replacement_that_was_not_heard_of_is_found_by_the_same_request() {
    let world = World::new().await;
    let (at, _, token) = ended(&world, &json!({"change": "revoke"})).await;
    // Once to find out whose accounts these are; the second time, after the item is stored, Plaid fails.
    let fault = json!({
        "path": "/accounts/get", "after": 1, "times": 1, "error_code": "INTERNAL_SERVER_ERROR",
    });
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(call(&world, exchange(&token)).await.0, 503);
    let [(first, _)] = world.queue.take().try_into().unwrap();
    assert_eq!(first.at, at);
    assert_eq!(call(&world, exchange(&token)).await.1["code"], "link_unfinished");
    world.queue.take();
    world.run(&at, Cause::Link).await;
    let (status, answer) = call(&world, exchange(&token)).await;
    assert_eq!((status, answer["item_id"].as_str()), (201, Some(at.item.as_str())), "{answer}");
    assert!(world.store.unfinished().await.unwrap().is_empty());
    world.queue.take();
    world.removals.take();
}

/// The column of the table in `docs/plaid-errors.md`.
#[tokio::test]
async fn each_refusal_of_the_exchange_is_answered_as_the_table_says() {
    let mut world = World::new().await;
    for (number, refusal) in testkit::refusals().into_iter().enumerate() {
        // A person may exchange so many tokens an hour.
        if number % 40 == 39 {
            world = World::new().await;
        }
        // An exchange has no cursor to name.
        if refusal.names_cursor {
            continue;
        }
        let what = format!("{} {:?}", refusal.code, refusal.error_type);
        let token = world.public_token("user_good", "pass_good").await;
        let fault = json!({"path": "/item/public_token/exchange", "times": 1_000, "error_code": refusal.code,
            "error_type": refusal.error_type});
        world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
        let (status, answer) = call(&world, exchange(&token)).await;
        world.sandbox.world().clear_faults();
        let said = (status, answer["code"].as_str().unwrap_or_default().to_owned());
        assert_eq!(said, refusal.exchange, "{what}: {answer}");
        world.queue.take();
    }
}
