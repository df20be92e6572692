//! `POST /api/v1/plaid/accounts/{account_id}/merge-into` — merges an account into another one of the household, or undoes the
//! merge.
//!
//! Order of effects: `domain::account::merging`. After a crash the same request continues.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::merging::{self, MergeError, merge, undo, visible},
    household::{Memberships, Permission, one_item},
    ids::{AccountId, HouseholdId},
    item::Connection,
    store::OneConnection,
};
use edge::{
    Problem,
    account::AccountView,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// Dependencies.
pub struct Deps {
    /// Memberships.
    pub memberships: Arc<dyn Memberships>,
    /// The account.
    pub connection: Arc<dyn OneConnection>,
    /// Merges.
    pub merging: merging::Deps,
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The account that remains visible, of the same household; null undoes the merge.
    #[serde(deserialize_with = "Option::deserialize")]
    account_id: Option<AccountId>,
}

/// Merges accounts.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| merge_them(deps, &request).await).await
}

async fn merge_them(deps: &Deps, request: &Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let account: AccountId = request.path("account_id", missing)?;
    let found = find(deps, request, &account).await?;
    let Body { account_id } = request.json()?;
    let household = found.item.at.household.clone();
    let into = match &account_id {
        Some(into) => Some(of_household(deps, request, into, &household).await?),
        None => None,
    };
    let done = match &into {
        Some(into) => merge(&deps.merging, &household, &account, into).await,
        None => undo(&deps.merging, &household, &account).await,
    };
    done.map_err(problem)?;
    let (item, account) = visible(&deps.merging, &household, &account).await?.ok_or_else(missing)?;
    let revision = account.half.rev;
    Ok(Reply::json(200, &AccountView::new(&item, account))?.tagged(revision).of(household))
}

/// The other account, if it is of the same household.
async fn of_household(
    deps: &Deps,
    request: &Request,
    into: &AccountId,
    household: &HouseholdId,
) -> Result<AccountId, Problem> {
    let found = find(deps, request, into).await?;
    if found.item.at.household == *household { Ok(into.clone()) } else { Err(missing()) }
}

async fn find(deps: &Deps, request: &Request, account: &AccountId) -> Result<Connection, Problem> {
    let (memberships, connection) = (&*deps.memberships, &*deps.connection);
    let found = one_item(memberships, connection, &request.user, &account.item(), Permission::Connect).await;
    let found = found.map_err(|error| Problem::no_access(error, "account_not_found", "account"))?;
    if found.accounts.iter().any(|stored| stored.id == *account) { Ok(found) } else { Err(missing()) }
}

fn missing() -> Problem {
    Problem::not_found("account_not_found", "account")
}

fn problem(error: MergeError) -> Problem {
    match error {
        MergeError::NotFound => missing(),
        MergeError::Merged => {
            Problem::new(409, "account_merged", "The account is merged already. Undo that merge first.")
        }
        MergeError::Different => {
            Problem::new(409, "accounts_differ", "The accounts differ in type or currency.")
        }
        MergeError::HistoryComing => Problem::new(
            409,
            "history_coming",
            "The history of one of the accounts is still being fetched. Try again once it is there.",
        ),
        MergeError::NotMerged => {
            Problem::new(409, "account_not_merged", "The account is not merged into another account.")
        }
        MergeError::TooLate => Problem::new(409, "merge_too_old", "A merge can be undone for 30 days."),
        MergeError::Store(error) => error.into(),
        MergeError::Queue(error) => error.into(),
    }
}
