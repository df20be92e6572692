//! `GET /api/v1/plaid/accounts/{account_id}` — one account with its balances, health and freshness.
//!
//! Reads only: the membership, then the item with its accounts.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::visible_account,
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::AccountId,
    store::{Connections, OneConnection},
};
use edge::{
    Problem,
    account::AccountView,
    http::{Reply, Request},
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item with its accounts.
    pub connections: Arc<dyn OneConnection>,
    /// The household's accounts, for a merged account.
    pub household: Arc<dyn Connections>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
}

/// Gets an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("account_not_found", "account");
    let id: AccountId = request.path("account_id", missing)?;
    let (memberships, connections) = (&*deps.memberships, &*deps.connections);
    let found = one_item(memberships, connections, &request.user, &id.item(), Permission::Read).await;
    let found = found.map_err(|error| Problem::no_access(error, "account_not_found", "account"))?;
    let visible = visible_account(&*deps.household, &*deps.categories, found, &id).await?;
    let (item, account) = visible.ok_or_else(missing)?;
    let revision = account.half.rev;
    Ok(Reply::json(200, &AccountView::new(&item, account))?.tagged(revision))
}
