//! The endpoints, and the door that every call goes through.

mod item;
mod link;
mod transactions;

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::{
    item::{
        accounts_get, fire_webhook, institution_get, institutions_get, invalidate, item_get, item_remove,
        reset_login, webhook_update,
    },
    link::{exchange, link_submit, link_token_create, link_token_get, public_token_create},
    transactions::{transactions_create, transactions_get, transactions_refresh, transactions_sync},
};
use crate::{
    Sandbox,
    errors::PlaidError,
    world::{Item, World},
};

type Answer = Result<Box<dyn ErasedBody>, PlaidError>;

/// An answer's body, whatever its type.
trait ErasedBody: Send {
    fn json(&self, request_id: &str) -> serde_json::Result<String>;
}

struct Body<T>(T);

impl<T: Serialize + Send> ErasedBody for Body<T> {
    fn json(&self, request_id: &str) -> serde_json::Result<String> {
        // Raw numbers cannot pass through serde's `flatten`: the id is put in front of the closing brace.
        let text = serde_json::to_string(&self.0)?;
        let open = text.strip_suffix('}').unwrap_or(&text);
        let comma = if open.ends_with('{') { "" } else { "," };
        Ok(format!("{open}{comma}\"request_id\":\"{request_id}\"}}"))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what every endpoint ends in")]
fn ok<T: Serialize + Send + 'static>(content: T) -> Answer {
    Ok(Box::new(Body(content)))
}

/// A call: what it may use.
struct Call<'a> {
    world: &'a mut World,
    now: Timestamp,
    delays: (Duration, Duration),
}

impl Call<'_> {
    fn item(&mut self, access_token: &str) -> Result<&mut Item, PlaidError> {
        self.world.item(access_token, self.now, self.delays)
    }
}

type Endpoint = fn(&mut Call<'_>, Value) -> Answer;

const ENDPOINTS: [(&str, Endpoint); 19] = [
    ("/link/token/create", |call, body| link_token_create(call, parse(body)?)),
    ("/link/token/get", |call, body| link_token_get(call, &parse(body)?)),
    ("/link/submit", |call, body| link_submit(call, &parse(body)?)),
    ("/item/public_token/exchange", |call, body| exchange(call, &parse(body)?)),
    ("/item/get", |call, body| item_get(call, &parse(body)?)),
    ("/item/remove", |call, body| item_remove(call, &parse(body)?)),
    ("/item/webhook/update", |call, body| webhook_update(call, &parse(body)?)),
    ("/accounts/get", |call, body| accounts_get(call, &parse(body)?)),
    ("/accounts/balance/get", |call, body| accounts_get(call, &parse(body)?)),
    ("/transactions/sync", |call, body| transactions_sync(call, &parse(body)?)),
    ("/transactions/get", |call, body| transactions_get(call, &parse(body)?)),
    ("/transactions/refresh", |call, body| transactions_refresh(call, &parse(body)?)),
    ("/institutions/get_by_id", |call, body| institution_get(call, &parse(body)?)),
    ("/sandbox/public_token/create", |call, body| public_token_create(call, &parse(body)?)),
    ("/sandbox/item/reset_login", |call, body| reset_login(call, &parse(body)?)),
    ("/sandbox/item/fire_webhook", |call, body| fire_webhook(call, &parse(body)?)),
    ("/sandbox/transactions/create", |call, body| transactions_create(call, parse(body)?)),
    ("/institutions/get", |call, body| institutions_get(call, &parse(body)?)),
    ("/item/access_token/invalidate", |call, body| invalidate(call, &parse(body)?)),
];

pub(crate) fn routes(sandbox: Sandbox) -> Router {
    let router = Router::new().fallback(not_found);
    ENDPOINTS
        .into_iter()
        .fold(router, |router, (path, endpoint)| {
            let handler = move |state: State<Sandbox>, headers: HeaderMap, body: Bytes| async move {
                answer(&state, path, endpoint, &headers, &body).await
            };
            router.route(path, post(handler))
        })
        .with_state(sandbox)
}

async fn not_found() -> Response {
    PlaidError { status: 404, ..PlaidError::request("NOT_FOUND", "the requested resource was not found") }
        .into_response_for("")
}

/// What every call goes through: faults, keys, JSON, the endpoint, the envelope.
async fn answer(
    sandbox: &Sandbox,
    path: &str,
    endpoint: Endpoint,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let (result, request_id, delay) = {
        let mut world = sandbox.world();
        *world.calls.entry(path.to_owned()).or_default() += 1;
        let request_id: String = world.generator.id().chars().take(15).collect();
        let met = world.faults.meet(path);
        let delay = met.as_ref().map(|met| met.delay);
        let result = match met.and_then(|met| met.error_code) {
            Some(code) => Err(PlaidError::of_code(&code)),
            None => run(sandbox, &mut world, endpoint, headers, body),
        };
        (result, request_id, delay)
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    match result.map(|body| body.json(&request_id)) {
        Ok(Ok(json)) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(Err(_)) => PlaidError::of_code("INTERNAL_SERVER_ERROR").into_response_for(&request_id),
        Err(error) => error.into_response_for(&request_id),
    }
}

fn run(sandbox: &Sandbox, world: &mut World, endpoint: Endpoint, headers: &HeaderMap, body: &[u8]) -> Answer {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|_not_json| PlaidError::request("INVALID_BODY", "body could not be parsed as JSON"))?;
    let fields =
        body.as_object_mut().ok_or_else(|| PlaidError::request("INVALID_BODY", "body must be an object"))?;
    let key = |header: &str, field: Option<Value>| {
        let header = headers.get(header).and_then(|value| value.to_str().ok()).map(str::to_owned);
        header.or_else(|| field.as_ref().and_then(Value::as_str).map(str::to_owned))
    };
    let client_id = key("plaid-client-id", fields.remove("client_id"));
    let secret = key("plaid-secret", fields.remove("secret"));
    let config = &sandbox.config;
    if client_id.as_ref() != Some(&config.client_id) || secret.as_ref() != Some(&config.secret) {
        return Err(PlaidError::input("INVALID_API_KEYS", "invalid client_id or secret provided"));
    }
    let delays = (config.initial_after, config.historical_after);
    endpoint(&mut Call { world, now: Timestamp::now(), delays }, body)
}

/// A request, strictly: Plaid refuses what it does not know.
fn parse<T: DeserializeOwned>(body: Value) -> Result<T, PlaidError> {
    serde_json::from_value(body).map_err(|error| {
        let message = error.to_string();
        let code = if message.starts_with("unknown field") {
            "UNKNOWN_FIELDS"
        } else if message.starts_with("missing field") {
            "MISSING_FIELDS"
        } else {
            "INVALID_FIELD"
        };
        PlaidError::request(code, &message)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    access_token: String,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, as Plaid does; the sandbox takes no notes")]
    reason_code: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, as Plaid does; the sandbox takes no notes")]
    reason_note: Option<String>,
}
