//! What calls for a webhook, and what it says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{caller::Caller, server::Server};

const HOOK: &str = "http://127.0.0.1:9/plaid/webhook";

/// What was written down since the first webhook, which is that of the address.
async fn written(caller: &Caller) -> Vec<Value> {
    let server = Server::start(caller).await;
    let all = server.webhooks().await;
    all.into_iter().skip(1).map(|webhook| webhook["body"].clone()).collect()
}

fn codes(bodies: &[Value]) -> Vec<&str> {
    bodies.iter().map(|body| body["webhook_code"].as_str().unwrap()).collect()
}

/// A caller whose item has an address, and was synced if that is said.
fn hooked(transactions: u32, is_synced: bool) -> Caller {
    let caller = Caller::new(transactions);
    caller.hook(HOOK);
    if is_synced {
        caller.cursor();
    }
    caller
}

/// Makes a change through the door.
async fn change(caller: &Caller, change: Value) -> Value {
    let server = Server::start(caller).await;
    let answer = server.post(&format!("/control/items/{}/changes", caller.item), change).await;
    assert_eq!(answer.status(), "200", "{}", answer.body);
    answer.json()["id"].clone()
}

#[tokio::test]
async fn an_item_that_nobody_synced_has_only_the_old_webhooks() {
    let caller = hooked(3, false);
    change(&caller, json!({"change": "add"})).await;
    assert_eq!(codes(&written(&caller).await), ["DEFAULT_UPDATE"]);
    caller.cursor();
    change(&caller, json!({"change": "add"})).await;
    let written = written(&caller).await;
    assert_eq!(codes(&written), ["DEFAULT_UPDATE", "SYNC_UPDATES_AVAILABLE", "DEFAULT_UPDATE"]);
    let expected = json!({
        "webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "environment": "sandbox",
        "item_id": caller.item, "initial_update_complete": true, "historical_update_complete": true,
    });
    assert_eq!(written[1], expected);
    assert_eq!(written[2]["new_transactions"], 1, "since the last one");
}

#[tokio::test]
async fn what_went_is_named() {
    let caller = hooked(3, true);
    let id = change(&caller, json!({"change": "remove"})).await;
    let pending = change(&caller, json!({"change": "add", "pending": true})).await;
    change(&caller, json!({"change": "post"})).await;
    let written = written(&caller).await;
    let updates = "SYNC_UPDATES_AVAILABLE";
    assert_eq!(
        codes(&written),
        [
            updates,
            "TRANSACTIONS_REMOVED",
            updates,
            "DEFAULT_UPDATE",
            updates,
            "TRANSACTIONS_REMOVED",
            "DEFAULT_UPDATE"
        ]
    );
    assert_eq!(written[1]["removed_transactions"], json!([id]));
    assert_eq!(written[5]["removed_transactions"], json!([pending]));
    assert_eq!((&written[6]["new_transactions"], &written[6]["error"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn a_history_is_announced_to_whom_synced_before_and_is_not_told_of_before_it_is_there() {
    for is_synced in [false, true] {
        let caller = Caller::with_delays(60, Duration::from_secs(10), Duration::from_mins(1));
        caller.hook(HOOK);
        if is_synced {
            caller.sync("");
        }
        change(&caller, json!({"change": "add"})).await;
        assert_eq!(codes(&written(&caller).await), Vec::<&str>::new());
        caller.clock.pass(Duration::from_secs(10));
        caller.ask("/item/get", &json!({"access_token": caller.token}));
        caller.clock.pass(Duration::from_secs(50));
        caller.ask("/item/get", &json!({"access_token": caller.token}));
        let written = written(&caller).await;
        let updates = "SYNC_UPDATES_AVAILABLE";
        let expected: &[&str] = if is_synced {
            &["INITIAL_UPDATE", updates, "HISTORICAL_UPDATE", updates]
        } else {
            &["INITIAL_UPDATE", "HISTORICAL_UPDATE"]
        };
        assert_eq!(codes(&written), expected);
        let new: i64 = written.iter().filter_map(|body| body["new_transactions"].as_i64()).sum();
        assert_eq!(new, 61);
    }
}

#[tokio::test]
async fn a_refresh_says_something_only_if_something_changed() {
    let caller = hooked(3, true);
    caller.ask("/transactions/refresh", &json!({"access_token": caller.token}));
    assert_eq!(codes(&written(&caller).await), Vec::<&str>::new(), "nothing ever changes there");
    let created = caller.ask(
        "/sandbox/public_token/create",
        &json!({"institution_id": "ins_109508", "initial_products": ["transactions"], "options": {
            "override_username": "user_transactions_dynamic", "override_password": "x", "webhook": HOOK}}),
    );
    let exchanged =
        caller.ask("/item/public_token/exchange", &json!({"public_token": created["public_token"]}));
    let token = &exchanged["access_token"];
    caller.ask("/transactions/sync", &json!({"access_token": token}));
    caller.ask("/transactions/refresh", &json!({"access_token": token}));
    let new = json!([{"date_transacted": "2026-11-20", "date_posted": "2026-11-20", "amount": 1.5, "description": "Tea"}]);
    caller.ask("/sandbox/transactions/create", &json!({"access_token": token, "transactions": new}));
    let written = written(&caller).await;
    let updates = "SYNC_UPDATES_AVAILABLE";
    assert_eq!(
        codes(&written),
        [
            "INITIAL_UPDATE",
            "HISTORICAL_UPDATE",
            updates,
            "TRANSACTIONS_REMOVED",
            "DEFAULT_UPDATE",
            updates,
            "DEFAULT_UPDATE"
        ]
    );
    assert!(written.iter().all(|body| body["item_id"] == exchanged["item_id"]));
}

#[tokio::test]
async fn an_item_in_error_says_which_and_plaid_knows_what_it_said_last() {
    let caller = hooked(0, false);
    caller.ask("/sandbox/item/reset_login", &json!({"access_token": caller.token}));
    let body = written(&caller).await.remove(0);
    assert_eq!((&body["webhook_type"], &body["webhook_code"]), (&json!("ITEM"), &json!("ERROR")));
    let error = &body["error"];
    assert_eq!(
        (&error["error_code"], &error["error_type"]),
        (&json!("ITEM_LOGIN_REQUIRED"), &json!("ITEM_ERROR"))
    );
    assert_eq!((&error["status"], error.get("request_id")), (&json!(400), None));
    let status = caller.ask("/item/get", &json!({"access_token": caller.token}))["status"].clone();
    assert_eq!(status["last_webhook"]["code_sent"], "ERROR");
}

#[tokio::test]
async fn a_log_in_that_is_too_old_says_so_once() {
    let caller = hooked(0, false);
    caller.clock.pass(Duration::from_hours(24 * 31));
    assert_eq!(caller.sync("").status, 400);
    assert_eq!(caller.sync("").status, 400);
    assert_eq!(codes(&written(&caller).await), ["ERROR"]);
}

#[tokio::test]
async fn every_code_that_can_be_fired_has_its_payload() {
    let caller = hooked(0, false);
    let fire = |code: &str, kind: Option<&str>| json!({"access_token": caller.token, "webhook_code": code, "webhook_type": kind});
    let path = "/sandbox/item/fire_webhook";
    let fields = [
        ("DEFAULT_UPDATE", "TRANSACTIONS", "new_transactions"),
        ("NEW_ACCOUNTS_AVAILABLE", "ITEM", "item_id"),
        ("SMS_MICRODEPOSITS_VERIFICATION", "AUTH", "account_id"),
        ("AUTHORIZATION_GRANTED", "ITEM", "item_id"),
        ("USER_PERMISSION_REVOKED", "ITEM", "error"),
        ("USER_ACCOUNT_REVOKED", "ITEM", "account_id"),
        ("PENDING_DISCONNECT", "ITEM", "disconnect_time"),
        ("RECURRING_TRANSACTIONS_UPDATE", "TRANSACTIONS", "account_ids"),
        ("LOGIN_REPAIRED", "ITEM", "item_id"),
        ("SYNC_UPDATES_AVAILABLE", "TRANSACTIONS", "initial_update_complete"),
        ("PRODUCT_READY", "ASSETS", "asset_report_id"),
        ("ERROR", "ASSETS", "asset_report_id"),
    ];
    for (code, kind, field) in fields {
        caller.ask(path, &fire(code, None));
        caller.ask(path, &fire(code, Some(kind)));
        let written = written(&caller).await;
        let [plain, typed] = written.last_chunk().unwrap();
        assert_eq!(plain, typed, "{code}");
        assert_eq!((&plain["webhook_code"], &plain["webhook_type"]), (&json!(code), &json!(kind)));
        assert!(!plain[field].is_null(), "{code}: {plain}");
    }
    for kind in ["HOLDINGS", "INVESTMENTS_TRANSACTIONS", "LIABILITIES", "AUTH"] {
        caller.ask(path, &fire("DEFAULT_UPDATE", Some(kind)));
    }
    assert_eq!(caller.refused(path, &fire("PENDING_EXPIRATION", None)), "INVALID_FIELD");
    assert_eq!(caller.refused(path, &fire("ERROR", Some("ITEM"))), "INVALID_FIELD");
    assert_eq!(caller.sync("").status, 200, "it says so, and it is not so");
}

#[tokio::test]
async fn the_door_sends_anything() {
    let caller = hooked(0, false);
    let server = Server::start(&caller).await;
    let path = format!("/control/items/{}/webhooks", caller.item);
    let send = json!({"webhook_type": "ITEM", "webhook_code": "ERROR", "error_code": "ITEM_LOCKED"});
    assert!(server.post(&path, send).await.json()["id"].is_u64());
    let send = json!({"webhook_type": "LINK", "webhook_code": "EVENTS", "link_token": "l", "events": []});
    server.post(&path, send).await;
    let written = written(&caller).await;
    assert_eq!(
        (&written[0]["error"]["error_code"], &written[0]["item_id"]),
        (&json!("ITEM_LOCKED"), &json!(caller.item))
    );
    let expected = json!({
        "webhook_type": "LINK", "webhook_code": "EVENTS", "environment": "sandbox", "link_token": "l", "events": [],
    });
    assert_eq!(written[1], expected);
    let send = json!({"webhook_type": "X", "webhook_code": "Y"});
    assert_eq!(server.post("/control/items/nobody/webhooks", send.clone()).await.status(), "404");
    caller.ask("/item/webhook/update", &json!({"access_token": caller.token, "webhook": null}));
    assert_eq!(server.post(&path, send).await.status(), "409");
}

#[tokio::test]
async fn consent_ends_with_a_warning_and_until_then_all_works() {
    for (reason, code, time) in [
        (Value::Null, "PENDING_EXPIRATION", "consent_expiration_time"),
        (json!("INSTITUTION_TOKEN_EXPIRATION"), "PENDING_DISCONNECT", "disconnect_time"),
    ] {
        let caller = hooked(0, false);
        let at = "2026-11-27T12:00:00Z";
        change(&caller, json!({"change": "expire", "at": at, "reason": reason})).await;
        let body = written(&caller).await.remove(0);
        assert_eq!((&body["webhook_code"], &body[time]), (&json!(code), &json!(at)));
        assert_eq!(body["reason"], reason);
        let item = caller.ask("/item/get", &json!({"access_token": caller.token}))["item"].clone();
        assert_eq!((&item["consent_expiration_time"], &item["error"]), (&json!(at), &Value::Null));
        caller.clock.pass(Duration::from_hours(24 * 7));
        assert_eq!(caller.sync("").status, 400);
        assert_eq!(codes(&written(&caller).await), [code, "ERROR"]);
    }
}

#[tokio::test]
async fn an_item_that_was_revoked_is_found_by_nobody() {
    let caller = hooked(2, true);
    let others = caller.sandbox.world().items();
    change(&caller, json!({"change": "revoke"})).await;
    let body = written(&caller).await.remove(0);
    assert_eq!(body["error"]["error_code"], "USER_PERMISSION_REVOKED");
    for path in ["/transactions/sync", "/accounts/get", "/item/get", "/item/remove"] {
        assert_eq!(caller.refused(path, &json!({"access_token": caller.token})), "ITEM_NOT_FOUND", "{path}");
    }
    assert_eq!(caller.sandbox.world().items(), others - 1, "it is not billed");
    assert_eq!(caller.change(json!({"change": "add"})), None);
}

#[tokio::test]
async fn an_item_is_removed_once() {
    let caller = hooked(2, true);
    let token = json!({"access_token": caller.token});
    caller.ask("/item/remove", &token);
    for path in
        ["/item/remove", "/transactions/sync", "/accounts/get", "/item/get", "/item/access_token/invalidate"]
    {
        assert_eq!(caller.refused(path, &token), "ITEM_NOT_FOUND", "{path}");
    }
}
