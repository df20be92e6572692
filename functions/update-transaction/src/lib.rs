//! `PATCH /api/v1/transactions/{transaction_id}` — what a person writes on a transaction: category, note, tags, fields, hidden,
//! splits; and the facts of one that a person has entered. By any id that it has had, if it is as `If-Match` has it.
//!
//! Effects: one update of the person's half, which no sync touches; with facts, one transaction. It answers what stands there
//! then, all of it: lists may trail by a second.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::{Categories, Tree},
    edit::{Edited, ManualTransactions, OneTransaction, TransactionEdits, Whole, one_transaction},
    household::{Memberships, Permission},
    ids::TransactionId,
};
use edge::{
    Problem,
    edits::TransactionPatch,
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
    /// Writes people's halves.
    pub edits: Arc<dyn TransactionEdits>,
    /// Writes what people have entered.
    pub manual: Arc<dyn ManualTransactions>,
}

/// Changes a transaction.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let id: TransactionId = request.path("transaction_id", Problem::no_transaction)?;
    let (memberships, transactions) = (&*deps.memberships, &*deps.transactions);
    let found = one_transaction(memberships, transactions, &request.user, &id, Permission::Edit).await;
    let found = found.map_err(Problem::no_transaction_access)?;
    let whole = found.whole.ok_or_else(Problem::no_transaction)?;
    let patch: TransactionPatch = request.json()?;
    let if_rev = request.if_match()?;
    let tree = deps.categories.tree(&found.at.household).await?;
    let (change, facts) = patch.read(&whole, &tree)?;
    if change.is_empty() && facts.is_empty() {
        let is_stale = if_rev.is_some_and(|rev| rev != found.half.rev);
        return if is_stale { Err(Problem::stale()) } else { answer(*whole, &tree) };
    }
    let edited = if facts.is_empty() {
        deps.edits.edit(&found.at, &found.key, &change, if_rev).await?
    } else {
        deps.manual.amend(&found.at, &found.key, (&facts, &change), if_rev).await?
    };
    match edited {
        Edited::Done { whole: Some(whole), .. } => answer(*whole, &tree),
        Edited::Done { whole: None, .. } | Edited::NotFound => Err(Problem::no_transaction()),
        Edited::TooMuch => Err(Problem::too_many_fields()),
        Edited::Stale(_) => Err(Problem::stale()),
    }
}

fn answer(whole: Whole, tree: &Tree) -> Result<Reply, Problem> {
    let revision = whole.listed.half.rev;
    Ok(Reply::json(200, &WholeView::new(whole, tree)?)?.tagged(revision))
}
