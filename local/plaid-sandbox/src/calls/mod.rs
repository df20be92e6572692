//! The endpoints, and the door that every call goes through.

mod item;
mod link;
mod transactions;
mod webhook;
mod window;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::{
    item::{accounts_get, institution_get, institutions_get, invalidate, item_get, item_remove, reset_login},
    link::{exchange, link_token_create, public_token_create},
    transactions::{transactions_create, transactions_get, transactions_refresh, transactions_sync},
    webhook::{fire_webhook, key_get, webhook_update},
    window::{link_exit, link_submit, link_token_get},
};
use crate::{
    Config, Sandbox,
    errors::PlaidError,
    item::Item,
    limits::Metered,
    mangle::Met,
    reply::{Keys, Reply},
    world::World,
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
}

impl Call<'_> {
    fn item(&mut self, access_token: &str) -> Result<&mut Item, PlaidError> {
        self.world.item(access_token)
    }
}

type Endpoint = fn(&mut Call<'_>, Value) -> Answer;

const ENDPOINTS: [(&str, Endpoint); 21] = [
    ("/link/token/create", |call, body| link_token_create(call, parse(body)?)),
    ("/link/token/get", |call, body| link_token_get(call, &parse(body)?)),
    ("/link/submit", |call, body| link_submit(call, parse(body)?)),
    ("/link/exit", |call, body| link_exit(call, &parse(body)?)),
    ("/item/public_token/exchange", |call, body| exchange(call, &parse(body)?)),
    ("/item/get", |call, body| item_get(call, &parse(body)?)),
    ("/item/remove", |call, body| item_remove(call, &parse(body)?)),
    ("/item/webhook/update", |call, body| webhook_update(call, &parse(body)?)),
    ("/webhook_verification_key/get", |call, body| key_get(call, &parse(body)?)),
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

/// What every call goes through: faults, keys, JSON, the endpoint, the envelope.
pub(crate) fn answer(sandbox: &Sandbox, path: &str, keys: &Keys, body: &[u8]) -> Reply {
    let Some((_, endpoint)) = ENDPOINTS.iter().find(|(known, _)| *known == path) else {
        return not_found();
    };
    let mut world = sandbox.world();
    *world.calls.entry(path.to_owned()).or_default() += 1;
    let request_id: String = world.generator.id().chars().take(15).collect();
    let run = |world: &mut World| {
        let called = Called { path, endpoint: *endpoint, keys, body };
        reply(run(&sandbox.config, world, &called), &request_id)
    };
    let reply = match world.faults.meet(path) {
        Some(fault) => fault.answer(&Met { request: body, request_id: &request_id }, &mut world, run),
        None => run(&mut world),
    };
    if reply.status == 429 {
        *world.meter.refused.entry(path.to_owned()).or_default() += 1;
    }
    reply
}

/// What came in.
struct Called<'a> {
    path: &'a str,
    endpoint: Endpoint,
    keys: &'a Keys,
    body: &'a [u8],
}

fn not_found() -> Reply {
    let why = "the requested resource was not found";
    PlaidError { status: 404, ..PlaidError::request("NOT_FOUND", why) }.reply("")
}

fn reply(answer: Answer, request_id: &str) -> Reply {
    match answer.map(|body| body.json(request_id)) {
        Ok(Ok(json)) => Reply::json(200, json),
        Ok(Err(_)) => PlaidError::of_code("INTERNAL_SERVER_ERROR").reply(request_id),
        Err(error) => error.reply(request_id),
    }
}

fn run(config: &Config, world: &mut World, called: &Called<'_>) -> Answer {
    let keys = called.keys;
    let mut body: Value = serde_json::from_slice(called.body)
        .map_err(|_not_json| PlaidError::request("INVALID_BODY", "body could not be parsed as JSON"))?;
    let fields =
        body.as_object_mut().ok_or_else(|| PlaidError::request("INVALID_BODY", "body must be an object"))?;
    let key = |header: &Option<String>, field: Option<Value>| {
        header.clone().or_else(|| field.as_ref().and_then(Value::as_str).map(str::to_owned))
    };
    let client_id = key(&keys.client_id, fields.remove("client_id"));
    let secret = key(&keys.secret, fields.remove("secret"));
    if client_id.as_ref() != Some(&config.client_id) || secret.as_ref() != Some(&config.secret) {
        return Err(PlaidError::input("INVALID_API_KEYS", "invalid client_id or secret provided"));
    }
    if world.meter.is_on() {
        meter(world, called.path, &body)?;
    }
    let now = world.now;
    (called.endpoint)(&mut Call { world, now }, body)
}

/// Counts a call towards the limits, or refuses it.
fn meter(world: &mut World, path: &str, body: &Value) -> Result<(), PlaidError> {
    let text = |field| body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let item = text("access_token").and_then(|token| world.item_id(token));
    let metered = Metered { path, item: item.as_deref(), has_cursor: text("cursor").is_some() };
    world.meter.admit(&metered, world.now, world.time_scale)
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
