//! What only a network shows, and the control door.

use domain::time::{Clock, until};
use serde_json::{Value, json};

use crate::{
    caller::{Caller, ids},
    server::Server,
};

#[tokio::test]
async fn a_reset_breaks_the_body_off_and_a_truncated_one_is_half_of_it() {
    let caller = Caller::new(20);
    let server = Server::start(&caller).await;
    let request = json!({"access_token": caller.token});
    let whole = server.post("/transactions/sync", request.clone()).await;
    assert_eq!((whole.status(), whole.promised()), ("200", whole.body.len()));
    caller.fault(json!({"path": "*", "times": 1, "mangle": "reset"}));
    let reset = server.post("/transactions/sync", request.clone()).await;
    assert_eq!((reset.status(), reset.promised()), ("200", whole.body.len()), "all of it is promised");
    assert_eq!(reset.body.len(), whole.body.len() / 2);
    caller.fault(json!({"path": "*", "times": 1, "mangle": "truncated"}));
    let truncated = server.post("/transactions/sync", request).await;
    assert_eq!((truncated.promised(), truncated.body.len()), (whole.body.len() / 2, whole.body.len() / 2));
    assert!(serde_json::from_str::<Value>(&truncated.body).is_err());
}

#[tokio::test]
async fn faults_come_through_the_door_and_headers_and_waits_through_the_network() {
    let caller = Caller::new(1);
    let server = Server::start(&caller).await;
    let fault = json!({
        "path": "/transactions/sync", "times": 1, "error_code": "RATE_LIMIT", "retry_after_s": 9, "delay_ms": 60_000,
    });
    assert_eq!(server.post("/control/faults", fault).await.status(), "204");
    let before = caller.clock.now();
    let limited = server.post("/transactions/sync", json!({"access_token": caller.token})).await;
    assert_eq!((limited.status(), limited.header("retry-after")), ("429", Some("9")));
    let waited = until(before, caller.clock.now());
    assert_eq!(waited.as_secs(), 60, "on the sandbox's own clock");
    let unknown =
        server.post("/control/faults", json!({"path": "*", "times": 1, "mangle": "upside_down"})).await;
    assert_eq!(unknown.status(), "422");
    assert!(unknown.body.contains("expected one of `html`"), "{}", unknown.body);
}

#[tokio::test]
async fn changes_come_through_the_door_and_are_announced() {
    let caller = Caller::new(3);
    caller.cursor();
    let server = Server::start(&caller).await;
    let webhook = json!({"access_token": caller.token, "webhook": "http://127.0.0.1/hook"});
    server.post("/item/webhook/update", webhook).await;
    let path = format!("/control/items/{}/changes", caller.item);
    let changed = server.post(&path, json!({"change": "amend"})).await;
    assert_eq!(changed.status(), "200");
    assert!(changed.json()["id"].is_string());
    server.post(&path, json!({"change": "login_loss"})).await;
    server.post(&path, json!({"change": "repair"})).await;
    assert_eq!(server.post(&path, json!({"change": "settle"})).await.status(), "409");
    assert_eq!(server.post(&path, json!({"change": "explode"})).await.status(), "422");
    let nobodys = server.post("/control/items/nobody/changes", json!({"change": "add"})).await;
    assert_eq!(nobodys.status(), "404");
    let codes: Vec<_> =
        server.webhooks().await.into_iter().map(|w| w["body"]["webhook_code"].clone()).collect();
    let expected = [
        "WEBHOOK_UPDATE_ACKNOWLEDGED",
        "SYNC_UPDATES_AVAILABLE",
        "DEFAULT_UPDATE",
        "ERROR",
        "LOGIN_REPAIRED",
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn pages_are_as_small_as_the_door_says() {
    let caller = Caller::new(5);
    let server = Server::start(&caller).await;
    assert_eq!(server.post("/control/page-size", json!({"size": 2})).await.status(), "204");
    assert_eq!(ids(&caller.page(""), "added").len(), 2);
    server.post("/control/page-size", json!({"size": null})).await;
    assert_eq!(ids(&caller.page(""), "added").len(), 5);
}

#[tokio::test]
async fn a_path_that_plaid_does_not_have_is_its_404() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let answer = server.post("/transactions/enrich", json!({})).await;
    assert_eq!((answer.status(), &answer.json()["error_code"]), ("404", &json!("NOT_FOUND")));
    assert_eq!(server.call("GET", "/transactions/sync", &json!({})).await.status(), "405");
}
