//! Each change of an item once, as the caller sees it.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::caller::{Caller, ids};

/// What an update says: ids that were added, modified and removed.
fn update(caller: &Caller, cursor: &str) -> [Vec<String>; 3] {
    caller.update(cursor).0
}

/// The row of a transaction of an update.
fn row(caller: &Caller, cursor: &str, id: &str) -> Value {
    let page = caller.page(cursor);
    let mut rows = ["added", "modified"].into_iter().flat_map(|list| page[list].as_array().unwrap());
    rows.find(|row| row["transaction_id"] == id).unwrap().clone()
}

const NOTHING: [Vec<String>; 3] = [Vec::new(), Vec::new(), Vec::new()];

#[test]
fn an_added_one_has_what_was_given() {
    let caller = Caller::new(0);
    let cursor = caller.cursor();
    let account = caller.sandbox.world().account_ids(&caller.item).pop().unwrap();
    let id = caller.change(json!({
        "change": "add", "pending": true, "amount": "4.20", "name": "Tea", "date": "2026-11-01", "account": account,
    }));
    let row = row(&caller, &cursor, &id.unwrap());
    assert_eq!((&row["pending"], &row["amount"], &row["name"]), (&json!(true), &json!(4.2), &json!("Tea")));
    assert_eq!((&row["date"], &row["account_id"]), (&json!("2026-11-01"), &json!(account)));
    let id = caller.change(json!({"change": "add"})).unwrap();
    assert_eq!(self::row(&caller, &cursor, &id)["date"], "2026-11-20", "today");
}

#[test]
fn an_amended_one_is_modified_a_removed_one_goes_and_a_restored_one_comes_back() {
    let caller = Caller::new(3);
    let start = caller.cursor();
    let amended = caller.change(json!({"change": "amend"})).unwrap();
    assert_eq!(update(&caller, &start), [vec![], vec![amended.clone()], vec![]]);
    let cursor = caller.cursor();
    caller.change(json!({"change": "amend", "id": amended, "amount": "-1.05"}));
    assert_eq!(row(&caller, &cursor, &amended)["amount"], json!(-1.05));
    let removed = caller.change(json!({"change": "remove", "id": amended})).unwrap();
    assert_eq!(update(&caller, &cursor), [vec![], vec![], vec![removed.clone()]]);
    let cursor = caller.cursor();
    assert_eq!(caller.change(json!({"change": "restore"})), Some(removed.clone()));
    assert_eq!(update(&caller, &cursor), [vec![removed.clone()], vec![], vec![]]);
    assert_eq!(row(&caller, &cursor, &removed)["amount"], json!(-1.05), "in its last version");
    assert_eq!(caller.change(json!({"change": "restore"})), None);
    assert_eq!(caller.change(json!({"change": "remove", "id": "nobody"})), None);
}

#[test]
fn what_nets_out_does_not_show_and_moves_the_cursor_all_the_same() {
    let caller = Caller::new(3);
    let cursor = caller.cursor();
    let before: BTreeSet<_> = caller.sandbox.world().ledger(&caller.item).into_iter().map(|t| t.id).collect();
    for change in ["revert", "flicker", "removed_then_restored"] {
        caller.change(json!({"change": change})).unwrap();
        assert_eq!(update(&caller, &cursor), NOTHING, "{change}");
        assert_ne!(caller.cursor(), cursor);
    }
    let after = caller.sandbox.world().ledger(&caller.item).into_iter().map(|t| t.id).collect();
    assert_eq!(before, after);
}

#[test]
fn a_revert_between_two_pages_is_a_mutation_and_then_nothing() {
    let caller = Caller::new(5);
    caller.sandbox.world().set_page_size(Some(2));
    let first = caller.page("");
    caller.change(json!({"change": "revert"})).unwrap();
    assert_eq!(caller.sync(first["next_cursor"].as_str().unwrap()).status, 400);
    let [seen, _, _] = update(&caller, "");
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (5, 5));
}

/// An item with one pending transaction that was read, its id, and the cursor behind it.
fn pending() -> (Caller, String, String) {
    let caller = Caller::new(0);
    let id = caller.change(json!({"change": "add", "pending": true})).unwrap();
    let cursor = caller.cursor();
    (caller, id, cursor)
}

#[test]
fn a_pending_one_goes_with_its_posted_one() {
    let (caller, pending, cursor) = pending();
    let posted = caller.change(json!({"change": "post", "amount": "9.99", "name": "Tip"})).unwrap();
    assert_eq!(update(&caller, &cursor), [vec![posted.clone()], vec![], vec![pending.clone()]]);
    let row = row(&caller, &cursor, &posted);
    assert_eq!((&row["pending"], &row["pending_transaction_id"]), (&json!(false), &json!(pending)));
    assert_eq!((&row["amount"], &row["name"]), (&json!(9.99), &json!("Tip")));
    assert_eq!(caller.change(json!({"change": "post"})), None, "nothing is pending any more");
    assert_eq!(
        caller.change(json!({"change": "restore"})),
        None,
        "what has posted does not come back by itself"
    );
}

#[test]
fn a_pending_one_goes_before_its_posted_one() {
    let (caller, pending, cursor) = pending();
    let posted = caller.change(json!({"change": "post", "removal": "before"})).unwrap();
    assert_eq!(update(&caller, &cursor), [vec![], vec![], vec![pending.clone()]]);
    let cursor = caller.cursor();
    assert_eq!(caller.change(json!({"change": "settle"})), Some(posted.clone()));
    assert_eq!(update(&caller, &cursor), [vec![posted.clone()], vec![], vec![]]);
    assert_eq!(row(&caller, &cursor, &posted)["pending_transaction_id"], json!(pending));
    assert_eq!(caller.change(json!({"change": "settle"})), None, "nothing is left open");
}

#[test]
fn a_pending_one_goes_after_its_posted_one() {
    let (caller, pending, cursor) = pending();
    let posted = caller.change(json!({"change": "post", "removal": "after", "linked": false})).unwrap();
    assert_eq!(update(&caller, &cursor), [vec![posted.clone()], vec![], vec![]]);
    assert_eq!(row(&caller, &cursor, &posted)["pending_transaction_id"], Value::Null, "without a link");
    assert_eq!(caller.change(json!({"change": "post"})), None, "it does not post twice");
    let cursor = caller.cursor();
    assert_eq!(caller.change(json!({"change": "settle"})), Some(pending.clone()));
    assert_eq!(update(&caller, &cursor), [vec![], vec![], vec![pending]]);
}

#[test]
fn a_churned_one_is_another_without_a_link() {
    let caller = Caller::new(2);
    let cursor = caller.cursor();
    let old = caller.sandbox.world().ledger(&caller.item).remove(0);
    let new = caller.change(json!({"change": "churn", "id": old.id})).unwrap();
    assert_eq!(update(&caller, &cursor), [vec![new.clone()], vec![], vec![old.id]]);
    let row = row(&caller, &cursor, &new);
    assert_ne!(row["name"], json!(old.name));
    assert_eq!(row["pending_transaction_id"], Value::Null);
}

#[test]
fn a_lost_log_in_is_repaired_even_a_month_later() {
    let caller = Caller::new(1);
    let lost = |caller: &Caller| caller.sandbox.world().login_required(&caller.item);
    caller.change(json!({"change": "login_loss"})).unwrap();
    assert_eq!((caller.sync("").status, lost(&caller)), (400, true));
    caller.change(json!({"change": "repair"})).unwrap();
    assert_eq!((caller.sync("").status, lost(&caller)), (200, false));
    caller.clock.pass(Duration::from_hours(24 * 31));
    assert_eq!((caller.sync("").status, lost(&caller)), (400, true), "log-ins last 30 days");
    caller.change(json!({"change": "repair"})).unwrap();
    assert_eq!(caller.sync("").status, 200);
}

#[test]
fn an_item_that_is_granted_anew_has_new_accounts_and_new_transactions() {
    let caller = Caller::new(4);
    let pending = caller.change(json!({"change": "add", "pending": true})).unwrap();
    caller.change(json!({"change": "post", "id": pending, "removal": "after"})).unwrap();
    let cursor = caller.cursor();
    let (old, accounts) = {
        let world = caller.sandbox.world();
        (world.ledger(&caller.item), world.account_ids(&caller.item))
    };
    caller.change(json!({"change": "renumber_accounts"})).unwrap();
    let [added, modified, removed] = update(&caller, &cursor);
    assert_eq!((added.len(), modified.len(), removed.len()), (6, 0, 6));
    let world = caller.sandbox.world();
    let (new, renumbered) = (world.ledger(&caller.item), world.account_ids(&caller.item));
    drop(world);
    assert!(renumbered.iter().all(|account| !accounts.contains(account)));
    for (old, new) in old.iter().zip(&new) {
        assert_eq!((&old.name, old.amount, old.pending), (&new.name, new.amount, new.pending));
        assert_ne!(old.id, new.id);
        assert!(renumbered.contains(&new.account_id));
    }
    let pending = new.iter().find(|t| t.pending).unwrap();
    let posted = new.iter().find(|t| t.pending_transaction_id.is_some()).unwrap();
    assert_eq!(posted.pending_transaction_id.as_ref(), Some(&pending.id), "a link follows");
    assert_eq!(caller.change(json!({"change": "settle"})), Some(pending.id.clone()), "so does what is open");
    assert_eq!(
        caller.change(json!({"change": "restore"})),
        None,
        "nothing comes back to an account that is no more"
    );
}

#[test]
fn a_balance_changes_without_a_transaction() {
    let caller = Caller::new(0);
    let cursor = caller.cursor();
    let account = caller.change(json!({"change": "balance", "current": "12.34"})).unwrap();
    let reply = caller.reply("/accounts/get", &json!({"access_token": caller.token}));
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    let changed = answer["accounts"].as_array().unwrap().iter().find(|a| a["account_id"] == account).unwrap();
    assert_eq!(changed["balances"]["current"], json!(12.34));
    assert_eq!(update(&caller, &cursor), NOTHING);
    assert_eq!(caller.cursor(), cursor);
}

#[test]
fn an_item_without_transactions_has_accounts_and_a_cursor_once_it_is_ready() {
    let hours = Duration::from_hours;
    let caller = Caller::with_delays(0, hours(1), hours(2));
    assert!(caller.sandbox.world().account_ids(&caller.item).len() >= 2);
    let status = |page: &Value| page["transactions_update_status"].as_str().unwrap().to_owned();
    let early = caller.change(json!({"change": "add"})).unwrap();
    let page = caller.page("");
    assert_eq!((status(&page).as_str(), page["next_cursor"].as_str()), ("NOT_READY", Some("")));
    assert_eq!(ids(&page, "added"), Vec::<String>::new(), "what comes early waits");
    caller.change(json!({"change": "remove", "id": early})).unwrap();
    caller.clock.pass(hours(2));
    let page = caller.page("");
    assert_eq!((status(&page).as_str(), ids(&page, "added")), ("HISTORICAL_UPDATE_COMPLETE", vec![]));
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_ne!(cursor, "");
    let id = caller.change(json!({"change": "add"})).unwrap();
    assert_eq!(update(&caller, cursor), [vec![id], vec![], vec![]]);
    assert_eq!(caller.sandbox.world().ledger_len(&caller.item), 1);
}

#[test]
fn small_pages_are_a_partition_of_every_update() {
    let caller = Caller::new(10);
    let cursor = caller.cursor();
    for change in ["amend", "remove", "add", "churn", "flicker", "amend", "add"] {
        caller.change(json!({"change": change})).unwrap();
    }
    for from in ["", cursor.as_str()] {
        caller.sandbox.world().set_page_size(None);
        let whole = update(&caller, from);
        for size in 1..5 {
            caller.sandbox.world().set_page_size(Some(size));
            assert_eq!(update(&caller, from), whole, "in pages of {size}");
            let first = caller.page(from);
            let rows = ["added", "modified", "removed"].map(|list| ids(&first, list).len());
            assert_eq!(rows.iter().sum::<usize>(), size);
        }
    }
}

#[test]
fn the_same_seed_and_the_same_changes_make_the_same_world() {
    let run = || {
        let caller = Caller::new(30);
        for change in ["amend", "add", "remove", "churn", "renumber_accounts", "restore", "revert"] {
            caller.change(json!({"change": change}));
        }
        caller.sync("").body
    };
    assert_eq!(run(), run());
}
