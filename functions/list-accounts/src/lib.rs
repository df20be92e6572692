//! `GET /api/v1/plaid/accounts` — the accounts of a household, or of all households of the caller, with balances, health
//! and freshness.
//!
//! Reads only: the memberships, then one query a household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Memberships, readable_households},
    ids::HouseholdId,
    item::Connection,
    store::Connections,
};
use edge::{
    Problem,
    account::AccountView,
    http::{Reply, Request},
};
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
    accounts: Vec<AccountView>,
}

/// Lists accounts.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let household = query.value::<HouseholdId>("household_id");
    query.finish()?;
    let households = readable_households(&*deps.memberships, &request.user, household.as_ref()).await?;
    let mut accounts = Vec::new();
    for household in &households {
        let connections = deps.connections.connections(household).await?;
        for connection in connections.into_iter().filter(|connection| !connection.item.awaits_admission) {
            let Connection { item, accounts: owned } = connection;
            let listed = owned.into_iter().filter(|account| account.state.is_listed());
            accounts.extend(listed.map(|account| AccountView::new(&item, account)));
        }
    }
    Reply::json(200, &Answer { accounts })
}
