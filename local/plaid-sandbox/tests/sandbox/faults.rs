//! Each fault once, as the caller sees it.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::caller::{Caller, ids};

const SYNC: &str = "/transactions/sync";

fn mangled(caller: &Caller, mangle: &str, times: u32) {
    caller.fault(json!({"path": SYNC, "times": times, "mangle": mangle}));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn an_error_code_hits_the_call_that_it_is_for() {
    let caller = Caller::new(3);
    caller.fault(json!({"path": SYNC, "after": 1, "times": 2, "error_code": "INSTITUTION_DOWN"}));
    let statuses: Vec<_> = (0..4).map(|_| caller.sync("").status).collect();
    assert_eq!(statuses, [200, 400, 400, 200]);
}

#[test]
fn a_code_that_nobody_knows_can_have_any_type() {
    let caller = Caller::new(0);
    caller.fault(json!({"path": "*", "times": 1, "error_code": "BRAND_NEW", "error_type": "API_ERROR"}));
    let reply = caller.sync("");
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, text(&error["error_type"])), (500, "API_ERROR"));
    assert_eq!(text(&error["error_code"]), "BRAND_NEW");
    caller.fault(json!({"path": "*", "times": 1, "error_code": "ODD", "error_type": "ODDER", "status": 418}));
    assert_eq!(caller.sync("").status, 418);
}

#[test]
fn a_rate_limit_says_when_to_come_back_or_does_not() {
    let caller = Caller::new(0);
    caller.fault(json!({"path": SYNC, "times": 1, "error_code": "RATE_LIMIT", "retry_after_s": 7}));
    caller.fault(json!({"path": SYNC, "times": 1, "error_code": "RATE_LIMIT"}));
    let replies = [caller.sync(""), caller.sync(""), caller.sync("")];
    assert_eq!(replies.map(|r| (r.status, r.retry_after_s)), [(429, Some(7)), (429, None), (200, None)]);
}

#[test]
fn a_fault_that_is_unknown_is_none() {
    let fault: Result<plaid_sandbox::Fault, _> =
        serde_json::from_value(json!({"path": "*", "times": 1, "mangle": "upside_down"}));
    assert!(fault.unwrap_err().to_string().contains("unknown variant `upside_down`"));
}

#[test]
fn a_proxy_answers_in_html() {
    let caller = Caller::new(1);
    mangled(&caller, "html", 1);
    let reply = caller.sync("");
    assert_eq!((reply.status, reply.content_type), (503, "text/html"));
    assert!(reply.body.starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn half_a_body_comes_whole_or_broken_and_slow_answers_say_how_slow() {
    let caller = Caller::new(3);
    let whole = caller.sync("").body.len();
    mangled(&caller, "truncated", 1);
    mangled(&caller, "reset", 1);
    caller.fault(json!({"path": SYNC, "times": 1, "delay_ms": 1500}));
    let (truncated, reset, slow) = (caller.sync(""), caller.sync(""), caller.sync(""));
    assert_eq!((truncated.status, truncated.body.len(), truncated.cut), (200, whole / 2, None));
    assert_eq!((reset.status, reset.body.len(), reset.cut), (200, whole, Some(whole / 2)));
    assert_eq!((slow.delay, slow.body.len()), (Duration::from_millis(1500), whole));
}

#[test]
fn the_same_cursor_comes_for_ever() {
    let caller = Caller::new(5);
    caller.sandbox.world().set_page_size(Some(2));
    let first = caller.page("");
    let cursor = text(&first["next_cursor"]);
    mangled(&caller, "same_cursor", 3);
    for _ in 0..3 {
        let page = caller.page(cursor);
        assert_eq!((text(&page["next_cursor"]), &page["has_more"]), (cursor, &json!(true)));
        assert_eq!(ids(&page, "added").len(), 2);
    }
    assert_ne!(text(&caller.page(cursor)["next_cursor"]), cursor);
}

#[test]
fn an_endless_update_has_new_cursors_and_no_rows_and_loses_nothing() {
    let caller = Caller::new(5);
    caller.sandbox.world().set_page_size(Some(2));
    mangled(&caller, "endless", 3);
    let (mut cursor, mut seen) = (String::new(), BTreeSet::new());
    for _ in 0..3 {
        let page = caller.page(&cursor);
        assert_eq!((ids(&page, "added"), &page["has_more"]), (vec![], &json!(true)));
        text(&page["next_cursor"]).clone_into(&mut cursor);
        assert!(seen.insert(cursor.clone()));
    }
    let [added, _, _] = caller.update(&cursor).0;
    assert_eq!(added.len(), 5, "the cursors are good once it stops");
}

#[test]
fn rows_come_twice() {
    let caller = Caller::new(4);
    mangled(&caller, "duplicated", 1);
    let ids = ids(&caller.page(""), "added");
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (8, 4));
}

#[test]
fn rows_come_in_any_order() {
    let caller = Caller::new(40);
    let mut before = ids(&caller.page(""), "added");
    mangled(&caller, "reordered", 1);
    let mut after = ids(&caller.page(""), "added");
    assert_ne!(before, after);
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[test]
fn a_change_in_the_middle_of_an_update_starts_it_over_and_is_really_there() {
    let caller = Caller::new(5);
    caller.sandbox.world().set_page_size(Some(2));
    let before = caller.sandbox.world().ledger(&caller.item);
    caller.fault(json!({"path": SYNC, "after": 1, "times": 1, "mangle": "mutate"}));
    let first = caller.page("");
    let reply = caller.sync(text(&first["next_cursor"]));
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(text(&error["error_code"]), "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION");
    assert_ne!(caller.sandbox.world().ledger(&caller.item), before);
    caller.cursor();

    let empty = Caller::new(0);
    mangled(&empty, "mutate", 1);
    assert_eq!(ids(&empty.page(""), "added").len(), 1, "where nothing can be amended, something comes");
}

#[test]
fn a_cursor_is_refused_and_a_call_without_one_is_not() {
    let caller = Caller::new(1);
    let cursor = caller.cursor();
    mangled(&caller, "cursor_refused", 2);
    let reply = caller.sync(&cursor);
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, text(&error["error_code"])), (400, "INVALID_FIELD"));
    assert_eq!(text(&error["error_message"]), "cursor not associated with access_token");
    assert_eq!(ids(&caller.page(""), "added").len(), 1);
}

#[test]
fn an_item_that_was_ready_is_not() {
    let caller = Caller::new(2);
    mangled(&caller, "no_cursor", 1);
    let page = caller.page("");
    assert_eq!((text(&page["transactions_update_status"]), text(&page["next_cursor"])), ("NOT_READY", ""));
    assert_eq!(
        (ids(&page, "added"), &page["has_more"], &page["accounts"]),
        (vec![], &json!(false), &json!([]))
    );
}

#[test]
fn an_unread_row_keeps_what_it_is_known_by() {
    let caller = Caller::new(20);
    let good = caller.page("");
    mangled(&caller, "unread", 1);
    let strange = caller.page("");
    for (good, strange) in good["added"].as_array().unwrap().iter().zip(strange["added"].as_array().unwrap())
    {
        for kept in ["transaction_id", "account_id", "amount", "date"] {
            assert_eq!(good[kept], strange[kept]);
        }
        assert!(!strange["name"].is_string() && !strange["pending"].is_boolean(), "{strange}");
        assert_eq!((text(&strange["payment_channel"]), good.get("brand_new_field")), ("SOMETHING_NEW", None));
        assert!(strange["brand_new_field"].is_object());
    }
}

#[test]
fn amounts_keep_their_digits_through_it_all() {
    let caller = Caller::new(0);
    caller.change(json!({"change": "add", "amount": "12345678901234.5600"}));
    for mangle in ["duplicated", "reordered", "unread", "same_cursor"] {
        mangled(&caller, mangle, 1);
        let body = caller.sync("").body;
        assert!(String::from_utf8(body).unwrap().contains("\"amount\":12345678901234.5600"), "{mangle}");
    }
}
