//! `GET /api/v1/plaid/items/{item_id}` — one connection: how it is, since when, and what a person does next.
//!
//! Reads only: the membership, then the item with its accounts.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::ItemId,
    store::OneConnection,
};
use edge::{
    Problem,
    http::{Reply, Request},
    item::ItemView,
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item with its accounts.
    pub connections: Arc<dyn OneConnection>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
}

/// Gets a connection.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("item_not_found", "item");
    let id: ItemId = request.path("item_id", missing)?;
    let (memberships, connections) = (&*deps.memberships, &*deps.connections);
    let found = one_item(memberships, connections, &request.user, &id, Permission::Read).await;
    let connection = found.map_err(|error| Problem::no_access(error, "item_not_found", "item"))?;
    if !ItemView::is_listed(&connection.item) {
        return Err(missing());
    }
    let tree = deps.categories.tree(&connection.item.at.household).await?;
    Reply::json(200, &ItemView::new(&connection, tree.merges()))
}
