//! `GET /api/v1/transactions/summary` — what all transactions of a household that a filter lets pass come to, by category, month,
//! merchant or account.
//!
//! Reads only: the membership, where there is anything, and the months in range.

mod api;
pub mod config;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use domain::{
    household::{Memberships, Permission, one_household},
    search::{GroupBy, TransactionSearch, summarize},
};
use edge::{
    Problem,
    http::{Reply, Request},
    search::Asked,
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub search: Arc<dyn TransactionSearch>,
}

/// What transactions can be grouped by, and its name.
const GROUPS: [(&str, GroupBy); 4] = [
    ("category", GroupBy::Category),
    ("month", GroupBy::Month),
    ("merchant", GroupBy::Merchant),
    ("account", GroupBy::Account),
];

/// Adds transactions up.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let (asked, by) = read(&request)?;
    // Of one household: another's categories may mean something else by the same name.
    let named = asked.household.as_ref();
    let here = one_household(&*deps.memberships, &request.user, named, Permission::Read).await?;
    let scope = asked.scope(&*deps.search, std::slice::from_ref(&here.household)).await?;
    let summary = summarize(&*deps.search, &asked.filter, &scope, by).await?;
    Reply::json(200, &view::answer(summary, scope.tree(&here.household)?))
}

fn read(request: &Request) -> Result<(Asked, GroupBy), Problem> {
    let mut query = request.query();
    let asked = Asked::read(&mut query);
    let find = |text: &str| GROUPS.into_iter().find(|(name, _)| *name == text);
    let must = "must be category, month, merchant or account";
    if !query.has("group_by") {
        query.fault("group_by", must);
    }
    let by = query.read("group_by", must, find);
    query.finish()?;
    let missing = || Problem::field("group_by", must);
    by.map(|(_, by)| (asked, by)).ok_or_else(missing)
}
