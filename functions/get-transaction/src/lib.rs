//! `GET /api/v1/transactions/{transaction_id}` — one transaction with all that is known of it, by any id that it has had.
//!
//! Reads only: the memberships, the items of each household, one batch of the places where it may be, the categories.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::Categories,
    edit::{OneTransaction, one_transaction},
    household::{Memberships, Permission},
    ids::TransactionId,
};
use edge::{
    Problem,
    http::{Reply, Request},
    transaction::WholeView,
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub transactions: Arc<dyn OneTransaction>,
    /// The categories.
    pub categories: Arc<dyn Categories>,
}

/// Shows a transaction.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let id: TransactionId = request.path("transaction_id", Problem::no_transaction)?;
    let (memberships, transactions) = (&*deps.memberships, &*deps.transactions);
    let found = one_transaction(memberships, transactions, &request.user, &id, Permission::Read).await;
    let found = found.map_err(Problem::no_transaction_access)?;
    // What is no more is in the list of what was orphaned, if anything is written on it.
    let whole = found.whole.ok_or_else(Problem::no_transaction)?;
    let tree = deps.categories.tree(&found.at.household).await?;
    Ok(Reply::json(200, &WholeView::new(*whole, &tree)?)?.tagged(found.half.rev))
}
