//! What people write, beside a sync: the store's operation, and what becomes of it when its transaction moves or goes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::sync::Arc;

use domain::{
    edit::{Change, Edited, FieldValue, Note, Orphans, Part, Splits, TransactionEdits, UserHalf},
    ids::{ItemRef, TransactionId},
    search::{Search, TransactionSearch},
    sync::{Cause, Edit, Ledger, SyncReads, Trigger, sync},
};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use testkit::{Fault, World};

fn note(text: &str) -> Change {
    Change { note: Edit::Set(text.parse().unwrap()), ..Change::default() }
}

fn words(half: &UserHalf) -> &str {
    half.note.as_ref().map_or("", Note::as_str)
}

async fn run(world: &World, at: &ItemRef) {
    let trigger = Trigger {
        at: at.clone(),
        want: None,
        cause: Cause::Night,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    sync(&world.sync(), &trigger).await.unwrap();
}

/// An item with no transactions, and Plaid's id of it.
async fn empty(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    run(world, &at).await;
    (at, plaid_item)
}

fn change(world: &World, plaid_item: &str, change: &serde_json::Value) -> TransactionId {
    let change = serde_json::from_value(change.clone()).unwrap();
    world.sandbox.world().change(plaid_item, &change).unwrap().parse().unwrap()
}

async fn written(world: &World, at: &ItemRef, id: &TransactionId, change: &Change) -> UserHalf {
    match world.store.edit(at, id, change, None).await.unwrap() {
        Edited::Done { half, .. } => half,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_change_is_written_read_back_and_counted() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &plaid_item, &json!({"change": "add"}));
    run(&world, &at).await;
    let fields = [
        ("text", FieldValue::Text("a\nb".parse().unwrap())),
        ("number", FieldValue::Number("-12.340".parse::<rust_decimal::Decimal>().unwrap().normalize())),
        ("date", FieldValue::Date(jiff::civil::date(2026, 2, 28))),
        ("flag", FieldValue::Flag(false)),
    ];
    let part = |cents, category: Option<&str>| Part {
        amount: rust_decimal::Decimal::new(cents, 2).normalize(),
        category: category.map(|category| category.parse().unwrap()),
        note: category.map(|_| "half".parse().unwrap()),
    };
    let parts = vec![part(1_50, Some("FOOD")), part(-25, None)];
    let first = Change {
        hidden: Some(true),
        splits: Edit::Set(Splits::new(rust_decimal::Decimal::new(1_25, 2), parts).unwrap()),
        category: Edit::Set("FOOD".parse().unwrap()),
        tags: Edit::Set(["trip".parse().unwrap(), "tax".parse().unwrap()].into()),
        fields: fields.into_iter().map(|(name, value)| (name.parse().unwrap(), Edit::Set(value))).collect(),
        ..note("tea")
    };
    let half = written(&world, &at, &id, &first).await;
    assert_eq!(world.store.half(&at, &id).await.unwrap(), Some(half.clone()));
    assert_eq!(half, UserHalf::default().with(&first));
    let stale = world.store.edit(&at, &id, &note("no"), Some(0)).await.unwrap();
    assert_eq!(stale, Edited::Stale(half));
    let next = Change {
        note: Edit::Clear,
        tags: Edit::Clear,
        hidden: Some(false),
        splits: Edit::Clear,
        ..Change::default()
    };
    let half = written(&world, &at, &id, &next).await;
    assert_eq!(world.store.half(&at, &id).await.unwrap(), Some(half.clone()));
    assert_eq!((half.hidden, half.splits.is_none()), (false, true));
    assert_eq!((half.rev, half.note.is_none(), half.tags.is_empty(), half.fields.len()), (2, true, true, 4));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_written_on() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &plaid_item, &json!({"change": "add"}));
    assert_eq!(world.store.edit(&at, &id, &note("x"), None).await.unwrap(), Edited::NotFound);
    run(&world, &at).await;
    change(&world, &plaid_item, &json!({"change": "remove", "id": id.as_str()}));
    run(&world, &at).await;
    assert_eq!(world.store.edit(&at, &id, &note("x"), None).await.unwrap(), Edited::NotFound);
}

#[tokio::test]
async fn five_people_at_once_each_write_once() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &plaid_item, &json!({"change": "add"}));
    run(&world, &at).await;
    let edits = (0..5).map(|n| {
        let (store, at, id) = (world.store.clone(), at.clone(), id.clone());
        async move { store.edit(&at, &id, &note(&format!("n{n}")), None).await.unwrap() }
    });
    let mut revs: Vec<_> = join_all(edits)
        .await
        .into_iter()
        .map(|edited| match edited {
            Edited::Done { half, .. } => half.rev,
            other => panic!("{other:?}"),
        })
        .collect();
    revs.sort_unstable();
    assert_eq!(revs, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_edit_whose_answer_is_lost_is_not_made_twice() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &plaid_item, &json!({"change": "add"}));
    run(&world, &at).await;
    world.aws.fault("UpdateItem", 0, 1, Fault::HangAfter);
    let half = written(&world, &at, &id, &note("once")).await;
    assert_eq!((half.rev, words(&half)), (1, "once"));
    assert_eq!(world.store.half(&at, &id).await.unwrap(), Some(half));
}

/// However a pending transaction posts, the edit is on the posting; both ids lead there.
#[tokio::test]
async fn an_edit_follows_its_transaction_when_it_posts() {
    for (removal, linked) in [("with", true), ("with", false), ("before", true), ("after", true)] {
        let world = World::new().await;
        let (at, plaid_item) = empty(&world).await;
        let pending = change(&world, &plaid_item, &json!({"change": "add", "pending": true}));
        run(&world, &at).await;
        written(&world, &at, &pending, &note("mine")).await;
        let post = json!({"change": "post", "linked": linked, "removal": removal});
        let posted = change(&world, &plaid_item, &post);
        run(&world, &at).await;
        let settle = serde_json::from_value(json!({"change": "settle"})).unwrap();
        world.sandbox.world().change(&plaid_item, &settle);
        run(&world, &at).await;
        let live = world.store.live_rows(&at, None).await.unwrap().rows;
        assert_eq!(live.len(), 1, "{removal} {linked}");
        assert_eq!((&live[0].key, live[0].carries.as_ref(), live[0].edited), (&pending, Some(&posted), true));
        for id in [&pending, &posted] {
            let half = world.store.half(&at, id).await.unwrap().unwrap();
            assert_eq!(words(&half), "mine", "{removal} {linked}");
            written(&world, &at, id, &note("mine")).await;
        }
        assert!(world.store.orphans(&at).await.unwrap().is_empty());
    }
}

/// A pending transaction of a day with a person's edit goes, and something posts that the bank does not link to it.
async fn unlinked(world: &World, posted: &serde_json::Value) -> (ItemRef, TransactionId, TransactionId) {
    let (at, plaid_item) = empty(world).await;
    let account = world.sandbox.world().account_ids(&plaid_item).remove(0);
    let coffee = json!({"amount": "4.5", "name": "BLUE BOTTLE 12", "account": account});
    let with = |more: &serde_json::Value| {
        let mut change = coffee.clone();
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        change
    };
    let pending = json!({"change": "add", "pending": true, "date": "2026-06-10"});
    let pending = change(world, &plaid_item, &with(&pending));
    run(world, &at).await;
    let hidden = Change { hidden: Some(true), ..note("with Bob") };
    written(world, &at, &pending, &hidden).await;
    change(world, &plaid_item, &json!({"change": "remove", "id": pending.as_str()}));
    let posted = change(world, &plaid_item, &with(posted));
    run(world, &at).await;
    (at, pending, posted)
}

async fn seen(world: &World, at: &ItemRef) -> Vec<domain::search::Listed> {
    let scope = world.store.scope(std::slice::from_ref(&at.household)).await.unwrap();
    world.store.find(&Search::everything(50), &scope).await.unwrap().transactions
}

#[tokio::test]
async fn a_guess_brings_the_note_and_hides_nothing() {
    let world = World::new().await;
    let posted = json!({"change": "add", "date": "2026-06-12", "authorized_date": "2026-06-10"});
    let (at, pending, posted) = unlinked(&world, &posted).await;
    let [listed] = seen(&world, &at).await.try_into().unwrap();
    assert_eq!((&listed.id, listed.is_guessed, listed.half.hidden), (&pending, true, false));
    assert_eq!(words(&listed.half), "with Bob");
    // An edit confirms what it sees.
    let half = written(&world, &at, &posted, &note("with Ann")).await;
    assert_eq!((words(&half), half.hidden), ("with Ann", false));
    let [listed] = seen(&world, &at).await.try_into().unwrap();
    assert_eq!((listed.is_guessed, listed.half.hidden), (false, false));
}

#[tokio::test]
async fn a_guess_does_not_reach_what_was_there_before_or_was_authorized_at_another_time() {
    for posted in [
        json!({"change": "add", "date": "2026-06-02", "authorized_date": "2026-06-01"}),
        json!({"change": "add", "date": "2026-06-25"}),
        json!({"change": "add", "date": "2026-06-20", "authorized_date": "2026-06-19"}),
        json!({"change": "add", "date": "2026-06-12", "authorized_date": "2026-06-12"}),
    ] {
        let world = World::new().await;
        let (at, pending, id) = unlinked(&world, &posted).await;
        let [listed] = seen(&world, &at).await.try_into().unwrap();
        assert_eq!((&listed.id, listed.is_guessed, listed.half.is_empty()), (&id, false, true), "{posted}");
        let orphans = world.store.orphans(&at).await.unwrap();
        assert_eq!((&orphans[0].key, orphans[0].half.hidden), (&pending, true));
    }
}

#[tokio::test]
async fn an_edit_without_a_successor_is_listed_as_orphaned() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let add = json!({"change": "add", "pending": true, "amount": "7", "name": "Tea"});
    let id = change(&world, &plaid_item, &add);
    run(&world, &at).await;
    written(&world, &at, &id, &note("mine")).await;
    change(&world, &plaid_item, &json!({"change": "remove", "id": id.as_str()}));
    // Two could be the successor, so neither is.
    for _ in 0..2 {
        change(&world, &plaid_item, &json!({"change": "add", "amount": "7", "name": "Tea"}));
    }
    run(&world, &at).await;
    let orphans = world.store.orphans(&at).await.unwrap();
    assert_eq!(orphans.len(), 1);
    assert_eq!((&orphans[0].key, words(&orphans[0].half)), (&id, "mine"));
    assert_eq!(orphans[0].amount.unwrap().to_string(), "7");
    assert_eq!(orphans[0].name.as_deref(), Some("Tea"));
    // What was taken away again is nothing that could be moved.
    let second = change(&world, &plaid_item, &json!({"change": "add", "amount": "9"}));
    run(&world, &at).await;
    written(&world, &at, &second, &note("mine")).await;
    written(&world, &at, &second, &Change { note: Edit::Clear, ..Change::default() }).await;
    change(&world, &plaid_item, &json!({"change": "remove", "id": second.as_str()}));
    run(&world, &at).await;
    assert_eq!(world.store.orphans(&at).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_person_and_a_sync_at_once_both_have_their_effect() {
    let world = Arc::new(World::new().await);
    let (at, plaid_item) = empty(&world).await;
    let id = change(&world, &plaid_item, &json!({"change": "add", "amount": "1"}));
    run(&world, &at).await;
    for n in 2..30 {
        let amend = json!({"change": "amend", "id": id.as_str(), "amount": n.to_string()});
        change(&world, &plaid_item, &amend);
        let text = format!("n{n}");
        let change = note(&text);
        let ((), half) = futures::future::join(run(&world, &at), written(&world, &at, &id, &change)).await;
        assert_eq!(words(&half), text);
        let row = world.store.live_rows(&at, None).await.unwrap().rows.pop().unwrap();
        assert_eq!(row.signature.unwrap().0.amount.unwrap().to_string(), n.to_string());
        assert_eq!(world.store.half(&at, &id).await.unwrap(), Some(half));
    }
}

#[tokio::test]
async fn the_ledger_has_a_line_for_what_changed_or_failed_and_a_balance_for_what_differed() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    assert_eq!(world.store.runs(&at, 10).await.unwrap(), []);
    change(&world, &plaid_item, &json!({"change": "add"}));
    run(&world, &at).await;
    run(&world, &at).await;
    let fault = json!({"path": "/transactions/sync", "times": 1, "error_code": "INSTITUTION_DOWN"});
    world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    run(&world, &at).await;
    let runs = world.store.runs(&at, 10).await.unwrap();
    let told: Vec<_> =
        runs.iter().map(|run| (run.failure.as_deref(), run.counts.added, run.pages, run.cause)).collect();
    assert_eq!(told, [(Some("INSTITUTION_DOWN"), 0, 0, Cause::Night), (None, 1, 1, Cause::Night)]);
    assert!(runs.iter().all(|run| run.request_ids.len() == 1 && run.began <= run.at), "{runs:?}");
    let before = world.store.balances(&at).await.unwrap();
    assert_eq!(before.len(), 3, "one for each account of today");
    let account = world.sandbox.world().account_ids(&plaid_item).remove(0);
    change(&world, &plaid_item, &json!({"change": "balance", "account": account, "current": "12.5"}));
    change(&world, &plaid_item, &json!({"change": "add", "account": account}));
    run(&world, &at).await;
    let after = world.store.balances(&at).await.unwrap();
    assert_eq!(after.len(), 3);
    let changed: Vec<_> = after.iter().filter(|balance| !before.contains(balance)).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].balances.current.unwrap().to_string(), "12.5");
}
