//! `DELETE /api/v1/transactions/{transaction_id}` — one that a person has entered goes. One that a bank knows of is hidden, and
//! stays so after any sync. If it is as `If-Match` has it.
//!
//! Effects: one deletion, or one update of the person's half. The same again finds nothing to delete, and hides what is hidden.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    edit::{
        Change, Deleted, Edited, Found, ManualTransactions, OneTransaction, TransactionEdits, one_transaction,
    },
    household::{Memberships, Permission},
    ids::TransactionId,
};
use edge::{
    Problem,
    http::{Reply, Request},
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub transactions: Arc<dyn OneTransaction>,
    /// Writes people's halves.
    pub edits: Arc<dyn TransactionEdits>,
    /// Removes what people have entered.
    pub manual: Arc<dyn ManualTransactions>,
}

/// Deletes or hides a transaction.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let id: TransactionId = request.path("transaction_id", Problem::no_transaction)?;
    let (memberships, transactions) = (&*deps.memberships, &*deps.transactions);
    let found = one_transaction(memberships, transactions, &request.user, &id, Permission::Edit).await;
    let found = found.map_err(Problem::no_transaction_access)?;
    let if_rev = request.if_match()?;
    let is_manual = found.whole.as_ref().ok_or_else(Problem::no_transaction)?.listed.is_manual;
    if is_manual {
        return match deps.manual.delete(&found.at, &found.key, if_rev).await? {
            Deleted::Done => Ok(Reply::empty()),
            Deleted::NotFound => Err(Problem::no_transaction()),
            Deleted::Stale => Err(Problem::stale()),
        };
    }
    hide(deps, &found, if_rev).await
}

async fn hide(deps: &Deps, found: &Found, if_rev: Option<u64>) -> Result<Reply, Problem> {
    if found.half.hidden && if_rev.is_none_or(|rev| rev == found.half.rev) {
        return Ok(Reply::empty());
    }
    let hide = Change { hidden: Some(true), ..Change::default() };
    match deps.edits.edit(&found.at, &found.key, &hide, if_rev).await? {
        Edited::Done { .. } => Ok(Reply::empty()),
        Edited::NotFound => Err(Problem::no_transaction()),
        Edited::TooMuch => Err(Problem::too_many_fields()),
        Edited::Stale(_) => Err(Problem::stale()),
    }
}
