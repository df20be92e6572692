//! Another server that speaks Plaid's API, and sends what was never seen before.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};
use stack::{Client, Options, Plaid, Stack};

#[derive(Clone, Default)]
struct Other {
    syncs: Arc<AtomicUsize>,
}

fn transaction(id: &str, more: &Value) -> Value {
    let mut transaction = json!({
        "transaction_id": id, "account_id": "A-1", "amount": 0.1, "date": "2026-03-01", "name": "x",
        "iso_currency_code": "USD", "unofficial_currency_code": null, "pending": false,
        "quantum_state": {"spin": [1, 2, {"up": null}]}, "payment_channel": "telepathy",
    });
    transaction.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    transaction
}

fn account(id: &str) -> Value {
    json!({
        "account_id": id, "name": "Vault", "official_name": null, "mask": null, "type": "moonbase", "subtype": "crater",
        "balances": {"available": null, "current": 12_345_678_901_234.123, "limit": null, "iso_currency_code": null,
            "unofficial_currency_code": "DOGE", "brand_new": true},
        "holder_category": "alien",
    })
}

async fn sync(State(other): State<Other>) -> impl IntoResponse {
    let call = other.syncs.fetch_add(1, Ordering::SeqCst);
    let page = |added: Vec<Value>, cursor: Value, more: bool, status: Value| {
        json!({"added": added, "modified": [], "removed": [{"transaction_id": "never seen"}], "accounts": [account("A-1")],
            "next_cursor": cursor, "has_more": more, "transactions_update_status": status, "request_id": "r", "new": 1})
    };
    match call {
        0 => page(vec![], json!(null), false, json!("NOT_READY")),
        1 => page(
            vec![
                transaction("plain", &json!({})),
                transaction("nulls", &json!({"merchant_name": null, "location": null, "payment_meta": null,
                    "personal_finance_category": null, "counterparties": null, "authorized_date": null, "name": null})),
                transaction("types", &json!({"name": 7, "pending": "yes", "logo_url": {}})),
                transaction("tiny", &json!({"iso_currency_code": null, "unofficial_currency_code": "BTC"})),
                transaction("unknown account", &json!({"account_id": "A-2"})),
            ],
            json!("c1"),
            true,
            json!("BRAND_NEW_STATUS"),
        ),
        2 => page(vec![transaction("last", &json!({"amount": -1e3}))], json!("c2"), false, json!("BRAND_NEW_STATUS")),
        _ => json!({"added": [], "modified": [], "removed": [], "next_cursor": "c2", "has_more": false}),
    }
    .to_string()
}

async fn start() -> String {
    let json = |value: Value| move || async move { value.to_string() };
    let router = Router::new()
        .route("/link/token/create", post(json(json!({
            "link_token": "link-other", "expiration": "2026-11-22T22:00:00Z", "request_id": "r", "new": []}))))
        .route("/item/public_token/exchange", post(json(json!({
            "access_token": "access-other", "item_id": "ITEM", "request_id": "r"}))))
        .route("/accounts/get", post(json(json!({"accounts": [account("A-1")], "item": {
            "item_id": "ITEM", "institution_id": null, "products": ["teleport"], "error": null}, "request_id": "r"}))))
        .route("/transactions/sync", post(sync))
        .fallback(|| async { (StatusCode::NOT_FOUND, "<html>nothing here</html>") })
        .with_state(Other::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_values_and_nulls_never_seen_before_lose_nothing() {
    let plaid = Plaid::At { url: start().await, client_id: "id".to_owned(), secret: "secret".to_owned() };
    let stack = Stack::start(Options { plaid, time_scale: 20, ..Options::default() }).await.unwrap();
    let api = Client::new(&stack.ready.api_url).unwrap().with_token(&stack.ready.tokens["alice"]);
    assert_eq!(api.post("/api/v1/plaid/link/token", &json!({})).await.unwrap().1["link_token"], "link-other");
    let (status, linked) =
        api.post("/api/v1/plaid/link/exchange", &json!({"public_token": "public-other"})).await.unwrap();
    assert_eq!((status, &linked["accounts"][0]["type"]), (201, &json!("moonbase")), "{linked}");
    assert_eq!(linked["accounts"][0]["current_balance"], "12345678901234.123");
    let path = format!("/api/v1/plaid/accounts/{}/sync", linked["accounts"][0]["id"].as_str().unwrap());
    while api.post(&path, &json!({})).await.unwrap().0 == 202 {}
    let (_, page) = api.get("/api/v1/transactions").await.unwrap();
    let listed = page["transactions"].as_array().unwrap();
    let find = |id: &str| listed.iter().find(|t| t["id"] == id).unwrap_or_else(|| panic!("{id} in {page}"));
    assert_eq!(listed.len(), 6);
    assert_eq!(find("plain")["amount"], "0.10");
    assert_eq!(find("last")["amount"], "-1000.00");
    assert_eq!(find("plain")["payment_channel"], "telepathy");
    assert_eq!(find("tiny")["currency"], "BTC");
    assert_eq!(find("types")["amount"], "0.10");
    assert_eq!(find("nulls")["name"], "");
    let (_, accounts) = api.get("/api/v1/plaid/accounts").await.unwrap();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 2, "the unknown account has a placeholder");
    stack.stop().await.unwrap();
}
