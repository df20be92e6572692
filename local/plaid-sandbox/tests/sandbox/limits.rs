//! Calls a minute.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{caller::Caller, server::Server};

async fn limit(caller: &Caller, limits: Value) -> Server {
    let server = Server::start(caller).await;
    assert_eq!(server.post("/control/rate-limits", limits).await.status(), "204");
    server
}

/// How many calls go through before the first that does not, and its code.
fn calls_until_refused(caller: &Caller, path: &str, request: &Value) -> (usize, String) {
    for number in 0..=3_000 {
        let reply = caller.reply(path, request);
        if reply.status != 200 {
            let error: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!((reply.status, &error["error_type"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
            return (number, error["error_code"].as_str().unwrap().to_owned());
        }
    }
    unreachable!("nothing is refused")
}

#[tokio::test]
async fn there_are_no_limits_until_somebody_asks() {
    let caller = Caller::new(0);
    for _ in 0..60 {
        assert_eq!(caller.sync("").status, 200);
    }
}

#[tokio::test]
async fn an_item_has_so_many_calls_in_any_minute() {
    let caller = Caller::new(0);
    let cursor = caller.cursor();
    let server = limit(&caller, json!({"per_item": true})).await;
    let token = json!({"access_token": caller.token});
    let sync = json!({"access_token": caller.token, "cursor": cursor});
    let until_refused = |path, request| calls_until_refused(&caller, path, request);
    assert_eq!(until_refused("/transactions/sync", &sync), (50, "TRANSACTIONS_SYNC_LIMIT".to_owned()));
    assert_eq!(until_refused("/accounts/get", &token), (15, "ACCOUNTS_LIMIT".to_owned()));
    assert_eq!(until_refused("/item/get", &token), (15, "ITEM_GET_LIMIT".to_owned()));
    caller.clock.pass(Duration::from_secs(59));
    assert_eq!(until_refused("/transactions/sync", &sync).0, 0);
    let other = caller.sandbox.world().connect("user_many", "0", "2026-11-20T12:00:00Z".parse().unwrap());
    let other = json!({"access_token": other.unwrap().0});
    assert_eq!(until_refused("/transactions/sync", &other).0, 50, "another item has its own");
    caller.clock.pass(Duration::from_secs(1));
    assert_eq!(until_refused("/transactions/sync", &sync).0, 50);
    let refused = server.get("/control/rate-limits").await["refused"].clone();
    assert_eq!(refused, json!({"/transactions/sync": 4, "/accounts/get": 1, "/item/get": 1}));
    let world = caller.sandbox.world();
    assert_eq!(world.refused().get("/transactions/sync"), Some(&4));
}

#[tokio::test]
async fn a_client_has_fewer_calls_without_a_cursor() {
    let caller = Caller::new(0);
    let cursor = caller.cursor();
    limit(&caller, json!({"per_client": true})).await;
    let until_refused = |cursor: &str| {
        let request = json!({"access_token": caller.token, "cursor": cursor});
        calls_until_refused(&caller, "/transactions/sync", &request).0
    };
    assert_eq!((until_refused(""), until_refused(&cursor)), (500, 2_000));
}

#[tokio::test]
async fn other_limits_than_plaids_hold_and_a_refused_call_does_nothing() {
    let caller = Caller::new(0);
    limit(&caller, json!({"per_client": true, "instead": {"/item/remove": {"per_client": 0}}})).await;
    let token = json!({"access_token": caller.token});
    assert_eq!(calls_until_refused(&caller, "/item/remove", &token), (0, "RATE_LIMIT".to_owned()));
    assert_eq!(caller.sync("").status, 200);
    limit(&caller, json!({})).await;
    caller.ask("/item/remove", &token);
}
