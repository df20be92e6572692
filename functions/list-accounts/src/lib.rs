//! `GET /api/v1/plaid/accounts` — the accounts of a household, or of all households of the caller, with balances, health
//! and freshness.
//!
//! Reads only: the memberships, then one query and the merged accounts of each household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::visible_accounts,
    category::Categories,
    household::{Memberships, readable_households},
    ids::HouseholdId,
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
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
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
        let (tree, connections) = (deps.categories.tree(household), deps.connections.connections(household));
        let (tree, connections) = tokio::try_join!(tree, connections)?;
        let visible = visible_accounts(tree.merges(), connections);
        accounts.extend(visible.into_iter().map(|(item, account)| AccountView::new(&item, account)));
    }
    Reply::json(200, &Answer { accounts })
}
