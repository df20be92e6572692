//! What Plaid does not have: looking into the world, and faults on demand.

mod webhooks;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Sandbox, changes::Change, faults::Fault, limits::RateLimits, link, relink::Relink};

pub(crate) fn routes(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/control/faults", post(add_fault).delete(clear_faults))
        .route("/control/calls", get(calls))
        .route("/control/items", get(items))
        .route("/control/items/{item_id}/ledger", get(ledger))
        .route("/control/items/{item_id}/accounts", get(accounts))
        .route("/control/items/{item_id}/changes", post(change))
        .route("/control/items/{item_id}/relink", post(relink))
        .route("/control/page-size", post(page_size))
        .route("/control/rate-limits", get(rate_limits).post(set_rate_limits))
        .merge(webhooks::routes())
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
    if world.by_id(&item_id).is_none() {
        return no_such_item();
    }
    match world.change_and_tell(&item_id, &change) {
        Some(id) => (StatusCode::OK, Json(json!({"id": id}))),
        None => (StatusCode::CONFLICT, Json(json!({"error": "the item has nothing to change in that way"}))),
    }
}

fn no_such_item() -> (StatusCode, Json<Value>) {
    (StatusCode::NOT_FOUND, Json(json!({"error": "there is no such item"})))
}

/// The accounts that are shared, and those that update mode could add.
async fn accounts(State(sandbox): State<Sandbox>, Path(item_id): Path<String>) -> (StatusCode, Json<Value>) {
    let world = sandbox.world();
    let Some(item) = world.by_id(&item_id) else { return no_such_item() };
    let views = |accounts: &[_]| accounts.iter().map(link::account).collect::<Vec<_>>();
    (StatusCode::OK, Json(json!({"shared": views(&item.accounts), "unshared": views(&item.unshared)})))
}

/// Links the item's log-in again, and answers what Link hands over.
async fn relink(
    State(sandbox): State<Sandbox>,
    Path(item_id): Path<String>,
    Json(relink): Json<Relink>,
) -> (StatusCode, Json<Value>) {
    let mut world = sandbox.world();
    let Ok(relinked) = world.link_again(&item_id, &relink) else { return no_such_item() };
    let Ok(institution) = world.institution(&relinked.institution_id) else { return no_such_item() };
    let metadata = link::metadata(&relinked.accounts, institution);
    (StatusCode::OK, Json(json!({"public_token": relinked.public_token, "metadata": metadata})))
}

async fn rate_limits(State(sandbox): State<Sandbox>) -> Json<Value> {
    let world = sandbox.world();
    Json(json!({"limits": world.meter.limits, "refused": world.meter.refused}))
}

async fn set_rate_limits(State(sandbox): State<Sandbox>, Json(limits): Json<RateLimits>) -> StatusCode {
    sandbox.world().set_rate_limits(limits);
    StatusCode::NO_CONTENT
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
