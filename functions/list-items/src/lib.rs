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
    category::Categories,
    household::{Memberships, readable_households},
    ids::HouseholdId,
    store::Connections,
};
use edge::{
    Problem,
    http::{Reply, Request},
    item::ItemView,
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
    items: Vec<ItemView>,
}

/// Lists items.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let household = query.value::<HouseholdId>("household_id");
    query.finish()?;
    let households = readable_households(&*deps.memberships, &request.user, household.as_ref()).await?;
    let mut items = Vec::new();
    for household in &households {
        let (tree, connections) = (deps.categories.tree(household), deps.connections.connections(household));
        let (tree, connections) = tokio::try_join!(tree, connections)?;
        let listed = connections.iter().filter(|connection| ItemView::is_listed(&connection.item));
        items.extend(listed.map(|connection| ItemView::new(connection, tree.merges())));
    }
    Reply::json(200, &Answer { items })
}
