//! `GET /api/v1/transactions/summary` — what all transactions of a household that a filter lets pass come to, by category, month,
//! merchant or account.
//!
//! Reads only: the membership, where there is anything, and the months in range.

mod api;
pub mod config;
#[cfg(test)]
mod tests;
mod view;

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    household::{Memberships, Permission, one_household},
    search::{Budget, GroupBy, TransactionSearch, summarize},
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

/// Groups of groups at most.
const MAX_GROUPINGS: usize = 2;
const GROUP_BY: &str = "must be category, month, merchant or account, or two of them with a comma between";

/// Adds transactions up.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let (asked, by) = read(&request)?;
    // Of one household: another's categories may mean something else by the same name.
    let named = asked.household.as_ref();
    let here = one_household(&*deps.memberships, &request.user, named, Permission::Read).await?;
    let scope = asked.scope(&*deps.search, std::slice::from_ref(&here.household)).await?;
    let summary = summarize(&*deps.search, &asked.filter, &scope, &by).await?;
    let history = scope.history(&asked.filter.accounts);
    Reply::json(200, &view::answer(summary, scope.tree(&here.household)?, history))
}

fn read(request: &Request) -> Result<(Asked, Vec<GroupBy>), Problem> {
    let mut query = request.query();
    let asked = Asked::read(&mut query, Budget::In);
    if !query.has("group_by") {
        query.fault("group_by", GROUP_BY);
    }
    let by = query.read("group_by", GROUP_BY, group_by);
    query.finish()?;
    let missing = || Problem::field("group_by", GROUP_BY);
    by.map(|by| (asked, by)).ok_or_else(missing)
}

/// One or two different ones.
fn group_by(text: &str) -> Option<Vec<GroupBy>> {
    let find = |text: &str| GROUPS.into_iter().find(|(name, _)| *name == text).map(|(_, by)| by);
    let by: Vec<_> = text.split(',').take(MAX_GROUPINGS + 1).map(find).collect::<Option<_>>()?;
    let are_different = by.iter().collect::<BTreeSet<_>>().len() == by.len();
    (by.len() <= MAX_GROUPINGS && are_different).then_some(by)
}
