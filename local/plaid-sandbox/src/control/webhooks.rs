//! The part of the door that is about webhooks.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::no_such_item;
use crate::{
    Sandbox,
    errors::PlaidError,
    webhooks::{Notice, WebhookFault},
};

pub(super) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/control/webhooks", get(webhooks).delete(forget))
        .route("/control/webhooks/faults", post(add_fault).delete(clear_faults))
        .route("/control/webhooks/release", post(release))
        .route("/control/webhooks/retries", post(retries))
        .route("/control/webhook-keys", get(keys).post(rotate))
        .route("/control/items/{item_id}/webhooks", post(send))
}

/// Each webhook, and how far it is.
async fn webhooks(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!({"webhooks": sandbox.world().outbox.views()}))
}

async fn forget(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.world().outbox.forget();
    StatusCode::NO_CONTENT
}

async fn add_fault(State(sandbox): State<Sandbox>, Json(fault): Json<WebhookFault>) -> StatusCode {
    sandbox.world().add_webhook_fault(fault);
    StatusCode::NO_CONTENT
}

/// No more faults, and what one of them holds goes out.
async fn clear_faults(State(sandbox): State<Sandbox>) -> StatusCode {
    let mut world = sandbox.world();
    world.outbox.faults.clear();
    world.release_webhooks();
    StatusCode::NO_CONTENT
}

async fn release(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.world().release_webhooks();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retries {
    same_token: bool,
}

async fn retries(State(sandbox): State<Sandbox>, Json(retries): Json<Retries>) -> StatusCode {
    sandbox.world().outbox.keeps_token = retries.same_token;
    StatusCode::NO_CONTENT
}

async fn keys(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!({"keys": sandbox.world().outbox.keys.views()}))
}

/// A new key. The one before has expired.
async fn rotate(State(sandbox): State<Sandbox>) -> (StatusCode, Json<Value>) {
    let mut world = sandbox.world();
    let now = world.now;
    match world.outbox.keys.rotate(now) {
        Ok(kid) => (StatusCode::OK, Json(json!({"kid": kid}))),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": format!("no key was made: {error}")})))
        }
    }
}

/// Any webhook, with any fields beside its type and code.
#[derive(Deserialize)]
struct Sent {
    webhook_type: String,
    webhook_code: String,
    /// Put into the payload as the error that it is.
    error_code: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Sent {
    fn notice(mut self) -> Notice {
        if let Some(code) = &self.error_code {
            self.rest.insert("error".to_owned(), PlaidError::of_code(code).in_webhook());
        }
        Notice::new(&self.webhook_type, &self.webhook_code, Value::Object(self.rest))
    }
}

/// Sends a webhook of an item, whatever it says, and answers its id; 409 where the item has no address for it.
async fn send(
    State(sandbox): State<Sandbox>,
    Path(item_id): Path<String>,
    Json(sent): Json<Sent>,
) -> (StatusCode, Json<Value>) {
    let mut world = sandbox.world();
    if world.by_id(&item_id).is_none() {
        return no_such_item();
    }
    match world.tell(&item_id, |_| vec![sent.notice()]) {
        Some(id) => (StatusCode::OK, Json(json!({"id": id}))),
        None => (StatusCode::CONFLICT, Json(json!({"error": "the item has no webhook"}))),
    }
}
