//! What Plaid does not have: looking into the world, and faults on demand.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Sandbox, changes::Change, faults::Fault};

pub(crate) fn routes(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/control/faults", post(add_fault).delete(clear_faults))
        .route("/control/webhooks", get(webhooks))
        .route("/control/calls", get(calls))
        .route("/control/items", get(items))
        .route("/control/items/{item_id}/ledger", get(ledger))
        .route("/control/items/{item_id}/changes", post(change))
        .route("/control/page-size", post(page_size))
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

/// Makes a change, and answers the id that it came to; 409 where there is nothing to change in that way.
async fn change(
    State(sandbox): State<Sandbox>,
    Path(item_id): Path<String>,
    Json(change): Json<Change>,
) -> (StatusCode, Json<Value>) {
    let mut world = sandbox.world();
    if !world.item_ids().contains(&item_id) {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "there is no such item"})));
    }
    let Some(id) = world.change(&item_id, &change) else {
        return (StatusCode::CONFLICT, Json(json!({"error": "the item has nothing to change in that way"})));
    };
    world.announce(&item_id, &change);
    (StatusCode::OK, Json(json!({"id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageSize {
    size: Option<usize>,
}

async fn page_size(State(sandbox): State<Sandbox>, Json(page): Json<PageSize>) -> StatusCode {
    sandbox.world().set_page_size(page.size);
    StatusCode::NO_CONTENT
}
