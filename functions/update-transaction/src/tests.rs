//! What a caller sees, beside a sync and alone.

use domain::{
    category::{CategoryChange, NewCategory, create, update},
    edit::{Facts, ManualTransactions, NewTransaction, OneTransaction, UserHalf},
    ids::{HouseholdId, ItemRef, TransactionId},
    sync::{Cause, SyncReads},
};
use edge::http::Request;
use serde_json::{Value, json};
use testkit::{Fault, World, acting, body, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        transactions: world.store.clone(),
        categories: world.store.clone(),
        edits: world.store.clone(),
        manual: world.store.clone(),
    }
}

fn patch(user: &str, id: &str, body: &Value) -> Request {
    request(user, &[("transaction_id", id)], "", body)
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

async fn ok(world: &World, id: &str, body: Value) -> Value {
    let (status, answer) = call(world, patch("alice", id, &body)).await;
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

/// An item with no transactions, and Plaid's id of it.
async fn empty(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "0").await;
    world.run(&at, Cause::Link).await;
    (at, world.sandbox.world().item_ids().pop().unwrap())
}

fn change(world: &World, plaid_item: &str, change: Value) -> String {
    world.sandbox.world().change(plaid_item, &serde_json::from_value(change).unwrap()).unwrap()
}

/// An item, and a transaction of it about 12.50.
async fn one(world: &World) -> (ItemRef, String, String) {
    let (at, plaid_item) = empty(world).await;
    let id = change(world, &plaid_item, json!({"change": "add", "amount": "12.50", "name": "Tea"}));
    world.run(&at, Cause::Webhook).await;
    (at, plaid_item, id)
}

/// A transaction that a person has entered.
async fn entered(world: &World, at: &ItemRef) -> String {
    let account = world.store.state(at).await.unwrap().unwrap().accounts.remove(0).id;
    let facts = Facts {
        account,
        date: "2026-01-31".parse().unwrap(),
        amount: "20".parse().unwrap(),
        currency: Some(domain::money::Currency::Iso("USD".to_owned())),
        name: "Cash".to_owned(),
        merchant_name: Some("Shop".to_owned()),
        pending: false,
    };
    let half = UserHalf { rev: 1, ..UserHalf::default() };
    let new = NewTransaction { at: at.clone(), id: TransactionId::from_entropy([9; 10]), facts, half };
    world.store.enter(&new).await.unwrap();
    new.id.to_string()
}

#[tokio::test]
async fn what_is_written_is_answered_and_what_is_left_out_stays() {
    let world = World::new().await;
    let (at, _, id) = one(&world).await;
    let all = json!({
        "category_id": "s_travel", "note": "a\nb", "tags": ["trip", "tax", "trip"], "hidden": true,
        "custom_fields": {
            "for": {"type": "text", "value": "Ann"}, "miles": {"type": "number", "value": "12.340"},
            "due": {"type": "date", "value": "2026-02-28"}, "paid": {"type": "boolean", "value": false},
        },
        "splits": [
            {"amount": "15", "category_id": "s_travel_flights", "note": "there"}, {"amount": "-2.5"},
        ],
    });
    let reply = acting!(handle(&deps(&world), patch("alice", &id, &all))).await.unwrap();
    assert_eq!(reply.headers, vec![("etag", "\"1\"".to_owned())]);
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (&answer["category"]["id"], &answer["category"]["source"]),
        (&json!("s_travel"), &json!("person"))
    );
    assert_eq!((&answer["note"], &answer["tags"]), (&json!("a\nb"), &json!(["tax", "trip"])));
    assert_eq!(answer["custom_fields"]["miles"], json!({"type": "number", "value": "12.34"}));
    assert_eq!(answer["custom_fields"]["paid"], json!({"type": "boolean", "value": false}));
    assert_eq!(answer["splits"][0]["category_id"], "s_travel_flights");
    assert_eq!((&answer["splits"][1]["amount"], &answer["splits_stale"]), (&json!("-2.50"), &json!(false)));
    assert_eq!(
        (&answer["hidden"], &answer["amount"], &answer["name"]),
        (&json!(true), &json!("12.50"), &json!("Tea"))
    );

    let next = ok(&world, &id, json!({"custom_fields": {"for": null, "due": null}, "note": null})).await;
    assert_eq!((&next["note"], &next["revision"]), (&Value::Null, &json!(2)));
    assert_eq!(next["custom_fields"].as_object().unwrap().keys().collect::<Vec<_>>(), ["miles", "paid"]);
    assert_eq!((&next["splits"], &next["tags"]), (&answer["splits"], &answer["tags"]));
    let clear = json!({"category_id": null, "tags": null, "splits": null, "hidden": false});
    let last = ok(&world, &id, clear).await;
    assert_ne!(last["category"]["source"], "person");
    assert_eq!((&last["splits"], &last["tags"], &last["hidden"]), (&json!([]), &json!([]), &json!(false)));
    // Nothing changes nothing.
    assert_eq!(ok(&world, &id, json!({})).await, last);
    let half = world.store.half(&at, &id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(half.rev, 3);
}

#[tokio::test]
async fn a_change_that_answers_something_older_is_refused() {
    let world = World::new().await;
    let (_, _, id) = one(&world).await;
    let with = |tag: &str, body: Value| with_header(patch("alice", &id, &body), "if-match", tag);
    assert_eq!(call(&world, with("\"0\"", json!({"note": "one"}))).await.0, 200);
    for (tag, body) in
        [("\"0\"", json!({"note": "two"})), ("\"0\"", json!({})), ("1", json!({"note": "two"}))]
    {
        let (status, answer) = call(&world, with(tag, body)).await;
        assert_eq!((status, &answer["code"]), (412, &json!("precondition_failed")), "{tag}");
    }
    assert_eq!(call(&world, with("\"1\"", json!({}))).await.1["note"], "one");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let world = World::new().await;
    let (at, _, id) = one(&world).await;
    let long = "x".repeat(2_001);
    let fields: Value =
        (0..21).map(|n| (format!("f{n}"), json!({"type": "boolean", "value": true}))).collect();
    let part = |amount: &str| json!({"amount": amount});
    let cases = [
        (json!({"note": long}), "note"),
        (json!({"note": ""}), "note"),
        (json!({"note": 7}), "note"),
        (json!({"tags": [""]}), "tags[0]"),
        (json!({"tags": vec!["x"; 21]}), "tags"),
        (json!({"hidden": null}), "hidden"),
        (json!({"hidden": "yes"}), "hidden"),
        (json!({"custom_fields": fields}), "custom_fields"),
        (json!({"custom_fields": null}), "custom_fields"),
        (json!({"category_id": "cat_0000000000000000"}), "category_id"),
        (json!({"category_id": "FOOD_AND_DRINK"}), "category_id"),
        (json!({"splits": [part("12.5")]}), "splits"),
        (json!({"splits": [part("12.5"), part("0")]}), "splits"),
        (json!({"splits": [part("12.5"), part("0.000000000000000001")]}), "splits"),
        (json!({"splits": [part("1e400"), part("1")]}), "splits[0].amount"),
        (json!({"splits": [part("NaN"), part("1")]}), "splits[0].amount"),
        (json!({"splits": [part("10"), {"amount": "2.5", "category_id": "s_x"}]}), "splits[1].category_id"),
        (json!({"splits": [part("10"), {"amount": "2.5", "id": 1}]}), "splits[1].id"),
        (json!({"account_owner": "bob"}), "account_owner"),
        (json!({"revision": 7}), "revision"),
    ];
    for (body, field) in cases {
        let (status, answer) = call(&world, patch("alice", &id, &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    let raw = |text: &str| {
        let mut request = patch("alice", &id, &json!({}));
        request.body = text.as_bytes().to_vec();
        request
    };
    for text in [
        r#"{"custom_fields":{"a":{"type":"text","value":"x"},"a":{"type":"text","value":"y"}}}"#,
        r#"{"custom_fields":{"a":{"type":"number","value":1e400}}}"#,
        r#"{"custom_fields":{"a":{"type":"number","value":7}}}"#,
        r#"{"custom_fields":{"a":{"type":"date","value":"2026-02-30"}}}"#,
        r#"{"custom_fields":{"a":{"type":"date","value":"0000-00-00"}}}"#,
        r#"{"custom_fields":{"a":{"type":"text","value":"x","more":1}}}"#,
        r#"{"custom_fields":{"a":{"type":"secret","value":"x"}}}"#,
        r#"{"note":"\ud800"}"#,
        r#"{"note":"x","note":"y"}"#,
    ] {
        let (status, answer) = call(&world, raw(text)).await;
        assert_eq!(status, 400, "{text}: {answer}");
    }
    assert_eq!(call(&world, raw(&"[".repeat(100_000))).await.0, 400);
    let many = |from: u32| -> Value {
        (from..from + 11).map(|n| (format!("f{n}"), json!({"type": "boolean", "value": true}))).collect()
    };
    ok(&world, &id, json!({"custom_fields": many(0)})).await;
    let (status, answer) = call(&world, patch("alice", &id, &json!({"custom_fields": many(11)}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("custom_fields")), "{answer}");
    let half = world.store.half(&at, &id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((half.rev, half.fields.len(), half.note), (1, 11, None));
}

#[tokio::test]
async fn a_category_is_one_of_the_household_and_active() {
    let world = World::new().await;
    let (at, _, id) = one(&world).await;
    let category = |byte: u8| NewCategory {
        id: domain::ids::CategoryId::from_entropy([byte; 10]),
        name: format!("Own {byte}").parse().unwrap(),
        parent: Some("s_travel".parse().unwrap()),
        kind: None,
        colour: None,
        icon: None,
    };
    let make = async |household: &HouseholdId, byte| {
        create(&*world.store, household, &category(byte)).await.unwrap().id
    };
    let own = make(&at.household, 1).await;
    let asleep = make(&at.household, 2).await;
    let foreign = make(&world.other_household, 3).await;
    let sleep = CategoryChange { is_active: Some(false), ..CategoryChange::default() };
    update(&*world.store, &at.household, &asleep, &sleep, None).await.unwrap();
    assert_eq!(ok(&world, &id, json!({"category_id": own})).await["category"]["name"], "Own 1");
    for (category, words) in [(&asleep, "not active"), (&foreign, "no category of this household")] {
        let (status, answer) = call(&world, patch("alice", &id, &json!({"category_id": category}))).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("category_id")));
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer}");
    }
    // What stands there already may be sent again, with what is new beside it.
    let amount = ok(&world, &id, json!({})).await["amount"].as_str().unwrap().to_owned();
    let parts = |note: &str| {
        json!([
            {"amount": amount, "category_id": own, "note": note},
            {"amount": "1"},
            {"amount": "-1"},
        ])
    };
    ok(&world, &id, json!({"splits": parts("one")})).await;
    update(&*world.store, &at.household, &own, &sleep, None).await.unwrap();
    let again = ok(&world, &id, json!({"category_id": own, "splits": parts("two")})).await;
    assert_eq!((&again["category"]["id"], &again["splits"][0]["note"]), (&json!(own), &json!("two")));
}

#[tokio::test]
async fn facts_are_the_banks_unless_a_person_has_entered_them() {
    let world = World::new().await;
    let (at, _, id) = one(&world).await;
    let account = world.store.state(&at).await.unwrap().unwrap().accounts.remove(0).id;
    let facts = [
        ("amount", json!("1.00")),
        ("date", json!("2026-02-01")),
        ("name", json!("Other")),
        ("merchant_name", Value::Null),
        ("currency", json!("EUR")),
        ("pending", json!(true)),
        ("account_id", json!(account)),
    ];
    for (field, value) in &facts {
        let (status, answer) = call(&world, patch("alice", &id, &json!({*field: value, "note": "x"}))).await;
        assert_eq!((status, &answer["code"]), (422, &json!("bank_field")), "{field}: {answer}");
        assert_eq!(answer["errors"][0]["field"], *field);
    }
    let manual = entered(&world, &at).await;
    let (status, answer) = call(&world, patch("alice", &manual, &json!({"account_id": account}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("account_id")));
    for (field, value) in facts.iter().filter(|(field, _)| *field != "account_id") {
        assert_eq!(ok(&world, &manual, json!({*field: value})).await[*field], *value);
    }
    // Parts are those of the new amount; they stay when the amount changes again.
    let parts = json!([{"amount": "1.5"}, {"amount": "1.5"}]);
    let split = ok(&world, &manual, json!({"amount": "3", "splits": parts, "date": "2025-12-01"})).await;
    assert_eq!(
        (&split["amount"], &split["splits_stale"], &split["revision"]),
        (&json!("3.00"), &json!(false), &json!(8))
    );
    assert_eq!(ok(&world, &manual, json!({"amount": "4"})).await["splits_stale"], json!(true));
    let stale = with_header(patch("alice", &manual, &json!({"amount": "5"})), "if-match", "\"1\"");
    assert_eq!(call(&world, stale).await.0, 412);
}

#[tokio::test]
async fn an_amendment_whose_answer_is_lost_is_not_made_twice() {
    let world = World::new().await;
    let (at, _, _) = one(&world).await;
    let manual = entered(&world, &at).await;
    world.aws.fault("TransactWriteItems", 0, 1, Fault::HangAfter);
    let answer = ok(&world, &manual, json!({"amount": "5"})).await;
    assert_eq!((&answer["amount"], &answer["revision"]), (&json!("5.00"), &json!(2)));
}

#[tokio::test]
async fn who_may_write() {
    let world = World::new().await;
    let (_, _, id) = one(&world).await;
    for (user, expected) in [("alice", 200), ("carol", 403), ("bob", 404), ("nobody", 404)] {
        assert_eq!(call(&world, patch(user, &id, &json!({"note": "x"}))).await.0, expected, "{user}");
    }
    for id in ["x", "txn_0000000000000000", "STAGE#1", ""] {
        let (status, answer) = call(&world, patch("alice", id, &json!({"note": "x"}))).await;
        assert_eq!((status, &answer["code"]), (404, &json!("transaction_not_found")), "{id}");
    }
    world.aws.fault("UpdateItem", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, patch("alice", &id, &json!({"note": "y"}))).await.1["code"], "store_unavailable");
}

/// So many races of each kind: rounds of so many at the same time.
const ROUNDS: usize = 40;
const AT_ONCE: usize = 25;

/// A sync, and a person on each of the transactions that it changes, all at once.
async fn race(world: &World, at: &ItemRef, ids: &[String], note: &str) {
    let deps = deps(world);
    let people = ids.iter().map(|id| acting!(handle(&deps, patch("alice", id, &json!({"note": note})))));
    let (_, replies) = tokio::join!(world.run(at, Cause::Webhook), futures::future::join_all(people));
    for reply in replies {
        assert_eq!(body(reply).1["note"], note);
    }
}

/// What stands under each id: the key, the note, the amount, and whether it is pending.
async fn stored(world: &World, at: &ItemRef, ids: &[String]) -> Vec<(String, String, String, bool)> {
    let ids: Vec<TransactionId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let rows = world.store.rows(at, &ids).await.unwrap();
    let mut all = Vec::new();
    for id in &ids {
        let (row, half) = (&rows[id], world.store.half(at, id).await.unwrap().unwrap());
        let amount = row.signature.as_ref().unwrap().0.amount.unwrap().to_string();
        all.push((row.key.to_string(), half.note.unwrap().as_str().to_owned(), amount, row.pending));
    }
    all
}

#[tokio::test]
async fn a_person_and_a_sync_of_the_same_transaction_both_have_their_effect_a_thousand_times() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let ids: Vec<_> =
        (0..AT_ONCE).map(|_| change(&world, &plaid_item, json!({"change": "add", "amount": "1"}))).collect();
    world.run(&at, Cause::Webhook).await;
    for round in 0..ROUNDS {
        let (amount, note) = ((round + 2).to_string(), format!("n{round}"));
        for id in &ids {
            change(&world, &plaid_item, json!({"change": "amend", "id": id, "amount": amount}));
        }
        race(&world, &at, &ids, &note).await;
        let both = |id: &String| (id.clone(), note.clone(), amount.clone(), false);
        assert_eq!(stored(&world, &at, &ids).await, ids.iter().map(both).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_person_and_a_posting_both_have_their_effect_a_thousand_times() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    for round in 0..ROUNDS {
        let add = |n| json!({"change": "add", "pending": true, "amount": n, "name": format!("{round} {n}")});
        let ids: Vec<_> = (1..=AT_ONCE).map(|n| change(&world, &plaid_item, add(n.to_string()))).collect();
        world.run(&at, Cause::Webhook).await;
        let post = |id: &String| change(&world, &plaid_item, json!({"change": "post", "id": id}));
        let posted: Vec<_> = ids.iter().map(post).collect();
        let note = format!("n{round}");
        race(&world, &at, &ids, &note).await;
        world.run(&at, Cause::Webhook).await;
        let by_pending = stored(&world, &at, &ids).await;
        assert_eq!(by_pending, stored(&world, &at, &posted).await);
        for (id, (key, written, _, pending)) in ids.iter().zip(by_pending) {
            assert_eq!((id, &written, pending), (&key, &note, false));
        }
        // By either id it goes on.
        let households = std::slice::from_ref(&at.household);
        for id in [&ids[0], &posted[0]] {
            assert_eq!(ok(&world, id, json!({"tags": [id.get(..9)]})).await["note"], note);
            let found = world.store.find_one(households, &id.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!(found.key.as_str(), ids[0]);
        }
    }
}
