//! `GET /api/v1/plaid/items` — the connections of a household, or of all households of the caller: how each is, since when,
//! and what a person does next.
//!
//! Reads only: the memberships, then one query a household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Memberships, readable_households},
    ids::{AccountId, HouseholdId, InstitutionId, ItemId, UserId},
    item::{Connection, HealthState, NextAction},
    store::Connections,
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The items with their accounts.
    pub connections: Arc<dyn Connections>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    items: Vec<ItemView>,
}

#[derive(Serialize, JsonSchema)]
struct ItemView {
    id: ItemId,
    household_id: HouseholdId,
    user_id: UserId,
    institution_id: Option<InstitutionId>,
    institution_name: Option<String>,
    health: HealthState,
    health_since: Timestamp,
    reason: Option<String>,
    /// When the bank ends the connection, if it will.
    expires_at: Option<Timestamp>,
    next_action: NextAction,
    /// What is wrong and what to do, in words.
    message: Option<String>,
    new_accounts_available: bool,
    history: String,
    last_synced_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    account_ids: Vec<AccountId>,
}

/// Lists items.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let household = query.value::<HouseholdId>("household_id");
    query.finish()?;
    let households = readable_households(&*deps.memberships, &request.user, household.as_ref()).await?;
    let mut items = Vec::new();
    for household in &households {
        let connections = deps.connections.connections(household).await?.into_iter();
        items.extend(
            connections
                .filter(|c| c.item.health.state != HealthState::Removed)
                .filter(|c| c.item.health.may_sync() || !c.item.awaits_admission)
                .map(|connection| view(&connection)),
        );
    }
    Reply::json(200, &Answer { items })
}

fn view(connection: &Connection) -> ItemView {
    let Connection { item, accounts } = connection;
    let health = &item.health;
    let listed = accounts.iter().filter(|account| account.state.is_listed() && !item.awaits_admission);
    ItemView {
        id: item.at.item.clone(),
        household_id: item.at.household.clone(),
        user_id: item.user.clone(),
        institution_id: item.institution.clone(),
        institution_name: item.institution_name.clone(),
        health: health.state,
        health_since: health.since,
        reason: health.reason.clone(),
        expires_at: health.until.filter(|_| health.state == HealthState::Expiring),
        next_action: health.next_action(),
        message: item.trouble(),
        new_accounts_available: item.new_accounts,
        history: item.history.as_str().to_owned(),
        last_synced_at: item.last_run.map(|run| run.at),
        retry_at: item.failure.as_ref().and_then(|failure| failure.retry_at),
        account_ids: listed.map(|account| account.id.clone()).collect(),
    }
}
