//! What people enter and write, through all of a connection's life.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use domain::{
    edit::{
        Change, Facts, FieldValue, Found, ManualTransactions, NewTransaction, OneTransaction, Orphans, Part,
        Splits, TransactionEdits, UserHalf,
    },
    ids::{AccountId, ItemRef, TransactionId},
    removal::{RemovalStarts, RemovalSteps},
    sync::{Cause, Edit, SyncReads},
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use testkit::World;

async fn empty(world: &World) -> (ItemRef, String) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    world.run(&at, Cause::Link).await;
    (at, plaid_item)
}

async fn change(world: &World, at: &ItemRef, plaid_item: &str, change: Value) -> TransactionId {
    let change = serde_json::from_value(change).unwrap();
    let id = world.sandbox.world().change(plaid_item, &change).unwrap();
    world.run(at, Cause::Webhook).await;
    id.parse().unwrap()
}

async fn find(world: &World, at: &ItemRef, id: &TransactionId) -> Option<Found> {
    world.store.find_one(std::slice::from_ref(&at.household), id).await.unwrap()
}

async fn is_there(world: &World, at: &ItemRef, id: &TransactionId) -> bool {
    find(world, at, id).await.is_some_and(|found| found.whole.is_some())
}

async fn accounts(world: &World, at: &ItemRef) -> Vec<AccountId> {
    let state = world.store.state(at).await.unwrap().unwrap();
    state.accounts.into_iter().map(|account| account.id).collect()
}

/// One that is told by nothing from what the bank may say, but by who has entered it.
async fn entered(world: &World, at: &ItemRef, account: &AccountId, byte: u8) -> TransactionId {
    let facts = Facts {
        account: account.clone(),
        date: jiff::civil::date(2026, 1, 31),
        amount: Decimal::from(7),
        currency: Some(domain::money::Currency::Iso("USD".to_owned())),
        name: "Tea".to_owned(),
        merchant_name: None,
        pending: false,
    };
    let half = UserHalf { rev: 1, ..UserHalf::default() };
    let new = NewTransaction { at: at.clone(), id: TransactionId::from_entropy([byte; 10]), facts, half };
    world.store.enter(&new).await.unwrap();
    new.id
}

/// Everything that a person can write.
fn everything() -> Change {
    let part = |amount: i64| Part {
        amount: amount.into(),
        category: "s_travel".parse().ok(),
        note: "half".parse().ok(),
    };
    let fields = [
        ("text", FieldValue::Text("a".parse().unwrap())),
        ("number", FieldValue::Number(Decimal::ONE)),
        ("date", FieldValue::Date(jiff::civil::date(2026, 2, 28))),
        ("flag", FieldValue::Flag(true)),
    ];
    Change {
        category: Edit::Set("s_travel".parse().unwrap()),
        note: Edit::Set("mine".parse().unwrap()),
        tags: Edit::Set(["trip".parse().unwrap()].into()),
        fields: fields.into_iter().map(|(name, value)| (name.parse().unwrap(), Edit::Set(value))).collect(),
        hidden: Some(true),
        splits: Edit::Set(Splits::new(Decimal::from(7), vec![part(3), part(4)]).unwrap()),
    }
}

#[tokio::test]
async fn all_that_was_written_survives_whatever_the_bank_does() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let pending = json!({"change": "add", "pending": true, "amount": "7", "name": "Tea"});
    let id = change(&world, &at, &plaid_item, pending).await;
    world.store.edit(&at, &id, &everything(), None).await.unwrap();
    let written = UserHalf::default().with(&everything());
    let holds = async |by: &TransactionId, what: &str| {
        let found = find(&world, &at, by).await.unwrap();
        assert_eq!((&found.key, &found.half), (&id, &written), "{what}");
        found.whole.unwrap().listed
    };
    change(&world, &at, &plaid_item, json!({"change": "amend", "id": id, "amount": "8"})).await;
    let listed = holds(&id, "modified").await;
    let splits = listed.half.splits.unwrap();
    let amount = listed.amount.unwrap();
    assert_eq!((amount, splits.rest(amount)), (Decimal::from(8), Decimal::ONE));
    assert!(splits.is_stale(listed.amount));
    let posted = change(&world, &at, &plaid_item, json!({"change": "post", "id": id})).await;
    holds(&posted, "posted").await;
    change(&world, &at, &plaid_item, json!({"change": "renumber_accounts"})).await;
    holds(&id, "repaired, with new ids for accounts and transactions").await;
    let now: TransactionId = {
        let rows = world.store.live_rows(&at, None).await.unwrap().rows;
        rows[0].carries.clone().unwrap()
    };
    assert_ne!(now, posted);
    holds(&now, "by its newest id").await;
    change(&world, &at, &plaid_item, json!({"change": "remove", "id": now})).await;
    assert_eq!(world.store.orphans(&at).await.unwrap()[0].half, written);
    assert!(find(&world, &at, &id).await.unwrap().whole.is_none());
    change(&world, &at, &plaid_item, json!({"change": "restore", "id": now})).await;
    for by in [&id, &posted, &now] {
        holds(by, "removed and back").await;
    }
}

#[tokio::test]
async fn no_sync_touches_what_a_person_has_entered() {
    let world = World::new().await;
    let (at, plaid_item) = empty(&world).await;
    let account = accounts(&world, &at).await.remove(0);
    let entered = entered(&world, &at, &account, 9).await;
    let before = find(&world, &at, &entered).await;
    // Its like of the bank's: comes, goes without a successor, comes again.
    let account_id = world.sandbox.world().account_ids(&plaid_item).remove(0);
    let like = json!({
        "change": "add", "amount": "7", "name": "Tea", "date": "2026-01-31", "account": account_id, "pending": true,
    });
    let twin = change(&world, &at, &plaid_item, like.clone()).await;
    change(&world, &at, &plaid_item, json!({"change": "remove", "id": twin})).await;
    change(&world, &at, &plaid_item, like).await;
    assert_eq!(find(&world, &at, &entered).await, before);
    // From nothing, paired and swept.
    change(&world, &at, &plaid_item, json!({"change": "renumber_accounts"})).await;
    assert_eq!(find(&world, &at, &entered).await, before);
    assert!(world.store.orphans(&at).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_goes_with_its_accounts_data_or_stays_with_it() {
    let world = World::new().await;
    let (at, _) = empty(&world).await;
    let [first, second, third] = accounts(&world, &at).await.try_into().unwrap();
    let gone = entered(&world, &at, &first, 1).await;
    let kept = entered(&world, &at, &second, 2).await;
    let with_item = entered(&world, &at, &third, 3).await;
    for (account, keep) in [(&first, false), (&second, true)] {
        let rev = world.store.state(&at).await.unwrap().unwrap().rev;
        assert!(world.store.stop_account(&at, rev, account, keep).await.unwrap());
    }
    while world.store.erase_some(&at, Some(&first)).await.unwrap() {}
    world.store.account_erased(&at, &first).await.unwrap();
    world.run(&at, Cause::Webhook).await;
    assert!(!is_there(&world, &at, &gone).await);
    assert!(is_there(&world, &at, &kept).await && is_there(&world, &at, &with_item).await);
    world.store.remove_item(&at, true, Timestamp::now()).await.unwrap();
    world.bury(&at).await;
    assert!(is_there(&world, &at, &kept).await && is_there(&world, &at, &with_item).await, "kept by hand");
    while world.store.erase_some(&at, None).await.unwrap() {}
    assert_eq!(find(&world, &at, &kept).await, None);
}
