//! `POST /api/v1/transactions/{transaction_id}/move-edits` — what was written on a transaction that went away, or that a guess
//! brought to one, moves to another one of the same household, on which nothing is written yet.
//!
//! Effects: one transaction, so that it never stands on both or on neither. The same again finds that it was done.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::Categories,
    edit::{EditMoves, Moved, OneTransaction, one_transaction},
    household::{Memberships, Permission},
    ids::TransactionId,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
    transaction::WholeView,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub transactions: Arc<dyn OneTransaction>,
    /// The categories.
    pub categories: Arc<dyn Categories>,
    /// Moves what was written.
    pub moves: Arc<dyn EditMoves>,
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The other transaction; null takes a guess back: what was written is then among the orphaned edits.
    #[serde(deserialize_with = "Option::deserialize")]
    to: Option<TransactionId>,
}

/// Moves edits.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| move_them(deps, &request).await).await
}

async fn move_them(deps: &Deps, request: &Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let id: TransactionId = request.path("transaction_id", Problem::no_transaction)?;
    let (memberships, transactions) = (&*deps.memberships, &*deps.transactions);
    let from = one_transaction(memberships, transactions, &request.user, &id, Permission::Edit).await;
    let from = from.map_err(Problem::no_transaction_access)?;
    let Body { to } = request.json()?;
    let household = std::slice::from_ref(&from.at.household);
    let moved = match to {
        Some(to) => {
            let to = deps.transactions.find_one(household, &to).await?.ok_or_else(Problem::no_transaction)?;
            deps.moves.move_edits(&from, &to).await?
        }
        None => deps.moves.take_back(&from, deps.once.clock.now()).await?,
    };
    match moved {
        Moved::Done(whole) => {
            let tree = deps.categories.tree(&from.at.household).await?;
            let revision = whole.listed.half.rev;
            let reply = Reply::json(200, &WholeView::new(*whole, &tree)?)?;
            Ok(reply.tagged(revision).of(from.at.household.clone()))
        }
        Moved::NotOrphaned => {
            let words = "The transaction still exists and its edits were made on it, or it has no edits.";
            Err(Problem::new(409, "edits_not_orphaned", words))
        }
        Moved::TargetEdited => {
            let words =
                "Something is written on the other transaction already. Clear it first, or choose another.";
            Err(Problem::new(409, "target_edited", words))
        }
        Moved::TargetGone => Err(Problem::no_transaction()),
    }
}
