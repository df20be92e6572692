//! Link on Plaid's own page.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{caller::Caller, server::Server};

const HOOK: &str = "http://127.0.0.1:9/plaid/webhook";

fn create(caller: &Caller, rest: &Value) -> Value {
    let mut request = json!({
        "client_name": "W", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"},
        "products": ["transactions"], "webhook": HOOK,
    });
    request.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    caller.ask("/link/token/create", &request)
}

fn submit(caller: &Caller, link_token: &Value) -> Value {
    let request = json!({
        "link_token": link_token, "institution_id": "ins_109508", "username": "user_good", "password": "pass_good",
    });
    caller.ask("/link/submit", &request)
}

async fn webhooks(caller: &Caller) -> Vec<Value> {
    let all = Server::start(caller).await.webhooks().await;
    all.into_iter().map(|webhook| webhook["body"].clone()).collect()
}

#[tokio::test]
async fn a_session_on_plaids_page_tells_by_webhook_and_is_remembered() {
    let caller = Caller::new(0);
    let created = create(&caller, &json!({"hosted_link": {"is_mobile_app": true}}));
    assert!(created["hosted_link_url"].as_str().unwrap().starts_with("https://secure.plaid.com/"));
    let link = &created["link_token"];
    let told = || caller.ask("/link/token/get", &json!({"link_token": link}))["link_sessions"].clone();
    assert_eq!(told(), json!([]));
    let done = submit(&caller, link);
    let token = &done["public_token"];
    let sessions = told();
    let result = &sessions[0]["results"]["item_add_results"][0];
    assert_eq!(result["public_token"], *token);
    assert_eq!(
        (&result["accounts"], &result["institution"]),
        (&done["metadata"]["accounts"], &done["metadata"]["institution"])
    );
    let session = &sessions[0]["link_session_id"];
    let common = json!({"webhook_type": "LINK", "environment": "sandbox", "link_session_id": session, "link_token": link});
    let with = |rest: Value| {
        let mut body = common.clone();
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    let expected = [
        with(json!({"webhook_code": "ITEM_ADD_RESULT", "public_token": token})),
        with(json!({"webhook_code": "SESSION_FINISHED", "status": "SUCCESS", "public_tokens": [token]})),
    ];
    assert_eq!(webhooks(&caller).await, expected);
    caller.ask("/item/public_token/exchange", &json!({"public_token": token}));
    caller.clock.pass(Duration::from_hours(5));
    assert_eq!(told()[0]["link_session_id"], *session, "though the token has expired");
    caller.clock.pass(Duration::from_hours(1));
    assert_eq!(caller.refused("/link/token/get", &json!({"link_token": link})), "INVALID_LINK_TOKEN");
}

#[tokio::test]
async fn whoever_leaves_plaids_page_brings_nothing() {
    let caller = Caller::new(0);
    let link = create(&caller, &json!({"hosted_link": {}}))["link_token"].clone();
    caller.ask("/link/exit", &json!({"link_token": link}));
    let body = webhooks(&caller).await.remove(0);
    assert_eq!((&body["webhook_code"], &body["status"]), (&json!("SESSION_FINISHED"), &json!("EXITED")));
    assert_eq!(body["public_tokens"], json!([]));
    let session = caller.ask("/link/token/get", &json!({"link_token": link}))["link_sessions"][0].clone();
    assert!(session["exit"].is_object());
    assert_eq!(session["results"]["item_add_results"], json!([]));
}

#[tokio::test]
async fn a_repair_on_plaids_page_adds_no_item() {
    let caller = Caller::new(0);
    let request = json!({"hosted_link": {}, "products": [], "access_token": caller.token});
    let link = create(&caller, &request)["link_token"].clone();
    let done = caller.ask("/link/submit", &json!({"link_token": link}));
    let bodies = webhooks(&caller).await;
    assert_eq!(bodies.len(), 1);
    assert_eq!(
        (&bodies[0]["status"], &bodies[0]["public_tokens"]),
        (&json!("SUCCESS"), &json!([done["public_token"]]))
    );
    let session = caller.ask("/link/token/get", &json!({"link_token": link}))["link_sessions"][0].clone();
    assert_eq!(session["results"]["item_add_results"], json!([]));
}

#[tokio::test]
async fn link_in_the_app_tells_the_app_and_nobody_else() {
    let caller = Caller::new(0);
    let created = create(&caller, &json!({}));
    assert_eq!(created.get("hosted_link_url"), None);
    submit(&caller, &created["link_token"]);
    let told = caller.ask("/link/token/get", &json!({"link_token": created["link_token"]}));
    assert_eq!((&told["link_sessions"], webhooks(&caller).await), (&json!([]), vec![]));
}

#[tokio::test]
async fn a_page_lives_as_long_as_asked() {
    let caller = Caller::new(0);
    let lives = |rest: Value| {
        let link = json!({"link_token": create(&caller, &json!({"hosted_link": rest}))["link_token"]});
        let mut minutes = 0;
        while caller.reply("/link/token/get", &link).status == 200 {
            caller.clock.pass(Duration::from_mins(1));
            minutes += 1;
        }
        minutes
    };
    assert_eq!((lives(json!({})), lives(json!({"url_lifetime_seconds": 7200}))), (30, 120));
    let request = json!({
        "client_name": "W", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"},
        "products": ["transactions"], "hosted_link": {"url_lifetime_seconds": 60 * 60 * 24 * 22},
    });
    assert_eq!(caller.refused("/link/token/create", &request), "INVALID_FIELD");
}

#[tokio::test]
async fn a_new_link_needs_a_bank_and_a_log_in_and_filters_need_a_selection() {
    let caller = Caller::new(0);
    let link = create(&caller, &json!({}))["link_token"].clone();
    assert_eq!(caller.refused("/link/submit", &json!({"link_token": link})), "MISSING_FIELDS");
    let request = json!({
        "client_name": "W", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"},
        "access_token": caller.token, "account_filters": {},
    });
    assert_eq!(caller.refused("/link/token/create", &request), "INVALID_FIELD");
}
