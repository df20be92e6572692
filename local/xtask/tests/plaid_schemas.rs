//! The Plaid client's requests and the sandbox's answers, against Plaid's published schemas.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails where it stands"
)]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Bytes, extract::State, http::Uri};
use domain::{
    bank::{
        AccountFeed, Exchange, Institutions, LinkPurpose, LinkRequest, LinkSettings, Linking, TransactionFeed,
    },
    secret::{AccessToken, CredentialError, CredentialSource, PlaidCredentials, PlaidSecret, PublicToken},
    webhook::WebhookKeys,
};
use serde_json::{Value, json};
use testkit::World;

/// Beside the repository, where it is given; the project does not need it.
fn schemas() -> Option<Value> {
    let file: PathBuf = xtask::root().join("../shared/plaid/openapi-subset.yml");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: Plaid's schemas are not here");
        return None;
    };
    let yaml: serde_norway::Value = serde_norway::from_str(&text).unwrap();
    let mut root = serde_json::to_value(yaml).unwrap();
    json_schema(&mut root);
    Some(root)
}

/// From `OpenAPI` 3.0's dialect to JSON Schema's: `nullable` is a type there.
fn json_schema(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(json_schema);
            fields.remove("example");
            fields.remove("format");
            // A flag there, a number in JSON Schema.
            fields.retain(|name, value| !(name.starts_with("exclusive") && value.is_boolean()));
            if fields.remove("nullable") == Some(Value::Bool(true)) {
                let inner = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([inner, {"type": "null"}]));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(json_schema),
        _ => {}
    }
}

/// What is wrong with a value, by the schema at this place of the file.
fn faults(root: &Value, pointer: &str, value: &Value) -> Vec<String> {
    let Some(schema) = root.pointer(pointer) else { return vec![format!("no schema at {pointer}")] };
    let mut schema = schema.clone();
    schema["components"] = root["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn place(path: &str, rest: &str) -> String {
    format!("/paths/{}/post/{rest}/content/application~1json/schema", path.replace('/', "~1"))
}

/// The schema of each webhook that the sandbox sends by itself or that can be fired there.
const WEBHOOKS: [(&str, &str); 16] = [
    ("SYNC_UPDATES_AVAILABLE", "SyncUpdatesAvailableWebhook"),
    ("INITIAL_UPDATE", "InitialUpdateWebhook"),
    ("HISTORICAL_UPDATE", "HistoricalUpdateWebhook"),
    ("DEFAULT_UPDATE", "DefaultUpdateWebhook"),
    ("TRANSACTIONS_REMOVED", "TransactionsRemovedWebhook"),
    ("RECURRING_TRANSACTIONS_UPDATE", "RecurringTransactionsUpdateWebhook"),
    ("WEBHOOK_UPDATE_ACKNOWLEDGED", "WebhookUpdateAcknowledgedWebhook"),
    ("ERROR", "ItemErrorWebhook"),
    ("LOGIN_REPAIRED", "ItemLoginRepairedWebhook"),
    ("PENDING_EXPIRATION", "PendingExpirationWebhook"),
    ("PENDING_DISCONNECT", "PendingDisconnectWebhook"),
    ("NEW_ACCOUNTS_AVAILABLE", "NewAccountsAvailableWebhook"),
    ("USER_ACCOUNT_REVOKED", "UserAccountRevokedWebhook"),
    ("USER_PERMISSION_REVOKED", "UserPermissionRevokedWebhook"),
    ("ITEM_ADD_RESULT", "ItemAddResultWebhook"),
    ("SESSION_FINISHED", "LinkSessionFinishedWebhook"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_sandboxs_webhooks_are_plaids() {
    let Some(root) = schemas() else { return };
    let world = World::new().await;
    let hook = "http://127.0.0.1:9/plaid/webhook";
    let link = json!({"client_name": "Wumbo", "language": "en", "country_codes": ["US"], "hosted_link": {},
        "user": {"client_user_id": "u"}, "products": ["transactions"], "webhook": hook});
    let link = world.call_plaid("/link/token/create", &link).await["link_token"].clone();
    let log_in = json!({"link_token": link, "institution_id": "ins_109508", "username": "user_good",
        "password": "pass_good"});
    let token = world.call_plaid("/link/submit", &log_in).await["public_token"].clone();
    let exchanged = world.call_plaid("/item/public_token/exchange", &json!({"public_token": token})).await;
    let (token, item) = (&exchanged["access_token"], exchanged["item_id"].as_str().unwrap());
    world.call_plaid("/transactions/sync", &json!({"access_token": token})).await;
    world.call_plaid("/item/webhook/update", &json!({"access_token": token, "webhook": hook})).await;
    for code in ["RECURRING_TRANSACTIONS_UPDATE", "PENDING_DISCONNECT"] {
        let fire = json!({"access_token": token, "webhook_code": code});
        world.call_plaid("/sandbox/item/fire_webhook", &fire).await;
    }
    for change in [
        json!({"change": "add"}),
        json!({"change": "remove"}),
        json!({"change": "login_loss"}),
        json!({"change": "repair"}),
        json!({"change": "expire", "at": "2030-01-01T00:00:00Z"}),
        json!({"change": "open_account"}),
        json!({"change": "lose_account", "revoked": true}),
        json!({"change": "revoke"}),
    ] {
        let change = serde_json::from_value(change).unwrap();
        assert!(world.sandbox.world().change_and_tell(item, &change).is_some(), "{change:?}");
    }
    let bodies = world.sandbox.world().webhooks();
    for (code, schema) in WEBHOOKS {
        let mut of_code = bodies.iter().filter(|body| body["webhook_code"] == *code).peekable();
        assert!(of_code.peek().is_some(), "{code} was not due");
        for body in of_code {
            let wrong = faults(&root, &format!("/components/schemas/{schema}"), body);
            assert!(wrong.is_empty(), "{code}: {wrong:?}\n{body}");
        }
    }
    let told = world.call_plaid("/link/token/get", &json!({"link_token": link})).await;
    let wrong = faults(&root, &place("/link/token/get", "responses/200"), &told);
    assert!(wrong.is_empty() && told["link_sessions"][0].is_object(), "{wrong:?}\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_answers_as_plaid_would() {
    let Some(root) = schemas() else { return };
    let world = World::new().await;
    let call = async |path: &str, request: Value| {
        let wrong = faults(&root, &place(path, "requestBody"), &request);
        assert!(wrong.is_empty(), "{path} request: {wrong:?}");
        let answer = world.call_plaid(path, &request).await;
        let wrong = faults(&root, &place(path, "responses/200"), &answer);
        assert!(wrong.is_empty(), "{path} answer: {wrong:?}\n{answer}");
        answer
    };
    let link = call(
        "/link/token/create",
        json!({"client_name": "Wumbo", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "u"},
            "products": ["transactions"], "transactions": {"days_requested": 730}, "webhook": "http://127.0.0.1/x"}),
    )
    .await;
    call("/link/token/get", json!({"link_token": link["link_token"]})).await;
    let created = call(
        "/sandbox/public_token/create",
        json!({"institution_id": "ins_109508", "initial_products": ["transactions"], "options": {
            "override_username": "user_transactions_dynamic", "override_password": "x", "webhook": "http://127.0.0.1/x"}}),
    )
    .await;
    let exchanged =
        call("/item/public_token/exchange", json!({"public_token": created["public_token"]})).await;
    let token = &exchanged["access_token"];
    let page = call("/transactions/sync", json!({"access_token": token, "count": 20})).await;
    let last = call(
        "/transactions/sync",
        json!({"access_token": token, "cursor": page["next_cursor"], "count": 500}),
    )
    .await;
    call("/transactions/refresh", json!({"access_token": token})).await;
    call("/transactions/sync", json!({"access_token": token, "cursor": last["next_cursor"]})).await;
    call(
        "/transactions/get",
        json!({"access_token": token, "start_date": "2020-01-01", "end_date": "2030-01-01"}),
    )
    .await;
    call("/accounts/get", json!({"access_token": token})).await;
    call("/accounts/balance/get", json!({"access_token": token})).await;
    call("/item/get", json!({"access_token": token})).await;
    call("/institutions/get_by_id", json!({"institution_id": "ins_109508", "country_codes": ["US"]})).await;
    call("/item/webhook/update", json!({"access_token": token, "webhook": "http://127.0.0.1/y"})).await;
    call(
        "/sandbox/item/fire_webhook",
        json!({"access_token": token, "webhook_code": "SYNC_UPDATES_AVAILABLE"}),
    )
    .await;
    call(
        "/sandbox/transactions/create",
        json!({"access_token": token, "transactions": [{"date_transacted": "2026-11-20", "date_posted": "2026-11-21",
            "amount": 1.5, "description": "Tea"}]}),
    )
    .await;
    let key = world.call_plaid("/control/webhook-keys", &json!({})).await;
    call("/webhook_verification_key/get", json!({"key_id": key["kid"]})).await;
    let rotated = call("/item/access_token/invalidate", json!({"access_token": token})).await;
    let token = &rotated["new_access_token"];
    call("/sandbox/item/reset_login", json!({"access_token": token})).await;
    let refused = world.call_plaid("/accounts/get", &json!({"access_token": token})).await;
    let wrong = faults(&root, "/components/schemas/PlaidError", &refused);
    assert!(wrong.is_empty(), "the error envelope: {wrong:?}\n{refused}");
    call("/item/remove", json!({"access_token": token})).await;
}

struct Keys;

#[async_trait]
impl CredentialSource for Keys {
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError> {
        Ok(PlaidCredentials { client_id: "id".to_owned(), secret: PlaidSecret::new("secret".to_owned()) })
    }
}

type Recorded = Arc<Mutex<Vec<(String, Value)>>>;

async fn record(State(recorded): State<Recorded>, uri: Uri, body: Bytes) -> &'static str {
    let request = serde_json::from_slice(&body).unwrap();
    recorded.lock().unwrap().push((uri.path().to_owned(), request));
    "{}"
}

#[tokio::test(flavor = "multi_thread")]
async fn our_requests_are_what_plaid_takes() {
    let Some(root) = schemas() else { return };
    let recorded = Recorded::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(record).with_state(recorded.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = || plaid::Client::new(&url, Arc::new(Keys)).unwrap();
    let token = AccessToken::new("access-sandbox-1".to_owned());
    let settings = LinkSettings {
        client_name: "Wumbo".to_owned(),
        webhook_url: Some("https://wumbo.example/plaid/webhook".to_owned()),
        country_codes: vec!["US".to_owned()],
        language: "en".to_owned(),
    };
    let wanted = LinkRequest {
        user: "u".parse().unwrap(),
        purpose: LinkPurpose::Connect(vec!["transactions".to_owned()]),
        hosted: true,
        redirect_uri: Some("https://wumbo.example/oauth".to_owned()),
    };
    // The answers are empty, so every call fails; what counts here is what was sent.
    assert!(plaid::Linker { client: client(), settings }.link_token(&wanted).await.is_err());
    let plaid = client();
    assert!(plaid.page(&token, None).await.is_err());
    assert!(plaid.page(&token, Some(&"c".parse().unwrap())).await.is_err());
    assert!(plaid.accounts(&token).await.is_err());
    assert!(plaid.exchange(&PublicToken::new("public-sandbox-1".to_owned())).await.is_err());
    assert!(plaid.remove(&token).await.is_ok());
    assert!(plaid.item(&token).await.is_err());
    let directory = plaid::Directory { client: Arc::new(client()), country_codes: vec!["US".to_owned()] };
    assert!(directory.institution(&"ins_1".parse().unwrap()).await.is_err());
    let day = domain::transaction::parse_date("2026-01-01").unwrap();
    assert!(plaid.between(&token, day, day, 0).await.is_err());
    assert!(plaid.key(&"bfbd5111-8e33-4643-8ced-b2e642a72f3c".parse().unwrap()).await.is_err());

    let recorded = std::mem::take(&mut *recorded.lock().unwrap());
    assert_eq!(recorded.len(), 10);
    for (path, request) in recorded {
        let wrong = faults(&root, &place(&path, "requestBody"), &request);
        assert!(wrong.is_empty(), "{path}: {wrong:?}\n{request}");
        let known = known_fields(&root, &root.pointer(&place(&path, "requestBody")).unwrap().clone());
        let sent = request.as_object().unwrap().keys();
        let unknown: Vec<_> = sent.filter(|field| !known.contains(*field)).collect();
        assert!(unknown.is_empty(), "{path} sends {unknown:?}");
    }
}

/// The properties of a schema, behind its references.
fn known_fields(root: &Value, schema: &Value) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return known_fields(root, &root.pointer(reference.trim_start_matches('#')).unwrap().clone());
    }
    let own = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys().cloned());
    let parts = ["allOf", "anyOf"].iter().flat_map(|name| schema[*name].as_array().into_iter().flatten());
    own.chain(parts.flat_map(|part| known_fields(root, part))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plaids_custom_users_log_in() {
    let folder = xtask::root().join("../shared/plaid/sandbox-custom-users");
    if !folder.exists() {
        println!("skipped: Plaid's custom users are not here");
        return;
    }
    let world = World::new().await;
    for file in xtask::files(&folder, ".json").unwrap() {
        let text = std::fs::read_to_string(&file).unwrap();
        let user: Value = serde_json::from_str(&text).unwrap();
        // The template to fill in has nulls everywhere and is no user yet.
        if user["override_accounts"][0]["type"].is_null() {
            continue;
        }
        let (_, token) = world.item("user_custom", &text).await;
        let answer = world.call_plaid("/accounts/get", &json!({"access_token": token.expose()})).await;
        let expected = user["override_accounts"].as_array().unwrap().len();
        assert_eq!(answer["accounts"].as_array().map(Vec::len), Some(expected), "{}", file.display());
        let page = world
            .call_plaid("/transactions/sync", &json!({"access_token": token.expose(), "count": 500}))
            .await;
        let given: usize = user["override_accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|account| account["transactions"].as_array().map_or(0, Vec::len))
            .sum();
        let arrived = page["added"].as_array().unwrap().len();
        assert!(arrived <= given && (given == 0 || arrived > 0), "{}: {arrived} of {given}", file.display());
    }
}
