//! What Plaid does not have: looking into the world, and faults on demand.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{Sandbox, faults::Fault};

pub(crate) fn routes(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/control/faults", post(add_fault).delete(clear_faults))
        .route("/control/webhooks", get(webhooks))
        .route("/control/calls", get(calls))
        .route("/control/items", get(items))
        .route("/control/items/{item_id}/ledger", get(ledger))
        .with_state(sandbox)
}

async fn add_fault(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    sandbox.world().add_fault(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.world().faults.clear();
    StatusCode::NO_CONTENT
}

async fn webhooks(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!({"webhooks": sandbox.world().webhooks}))
}

async fn calls(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!(sandbox.world().calls))
}

async fn items(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!({"item_ids": sandbox.world().item_ids()}))
}

/// The ledger as it stands, with amounts as decimal strings.
async fn ledger(State(sandbox): State<Sandbox>, Path(item_id): Path<String>) -> Json<Value> {
    Json(json!({"transactions": sandbox.world().ledger(&item_id)}))
}
