//! `GET /api/v1/plaid/accounts` — the accounts of a household, or of all households of the caller, with balances, health
//! and freshness.
//!
//! Reads only: the memberships, then one query a household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::{Account, AccountState},
    household::{Memberships, readable_households},
    ids::{AccountId, HouseholdId, ItemId, UserId},
    item::{Connection, HealthState, Item},
    store::Connections,
};
use edge::{
    Problem,
    http::{Reply, Request},
    openapi::{Amount, Currency},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The items with their accounts.
    pub connections: Arc<dyn Connections>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    accounts: Vec<AccountView>,
}

#[derive(Serialize, JsonSchema)]
struct AccountView {
    id: AccountId,
    item_id: ItemId,
    household_id: HouseholdId,
    user_id: UserId,
    institution_name: Option<String>,
    name: String,
    official_name: Option<String>,
    mask: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    #[schemars(with = "Option<Amount>")]
    current_balance: Option<String>,
    #[schemars(with = "Option<Amount>")]
    available_balance: Option<String>,
    #[schemars(with = "Option<Amount>")]
    credit_limit: Option<String>,
    #[schemars(with = "Option<Currency>")]
    currency: Option<String>,
    include_in_budget: bool,
    is_active: bool,
    is_manual: bool,
    sync_error: Option<String>,
    health: HealthState,
    last_synced_at: Option<Timestamp>,
}

/// Lists accounts.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let household = query.value::<HouseholdId>("household_id");
    query.finish()?;
    let households = readable_households(&*deps.memberships, &request.user, household.as_ref()).await?;
    let mut accounts = Vec::new();
    for household in &households {
        for connection in deps.connections.connections(household).await? {
            let Connection { item, accounts: owned } = connection;
            let listed = owned.into_iter().filter(|account| account.state.is_listed());
            accounts.extend(listed.map(|account| view(&item, account)));
        }
    }
    Reply::json(200, &Answer { accounts })
}

fn view(item: &Item, account: Account) -> AccountView {
    let text = |amount: Option<rust_decimal::Decimal>| amount.map(|amount| amount.to_string());
    AccountView {
        item_id: item.at.item.clone(),
        household_id: item.at.household.clone(),
        user_id: item.user.clone(),
        institution_name: item.institution_name.clone(),
        name: account.name().to_owned(),
        is_active: item.health.is_active() && account.state == AccountState::Live,
        is_manual: account.state == AccountState::Manual,
        sync_error: trouble(item, account.state),
        health: item.health.state,
        last_synced_at: item.last_run.map(|run| run.at),
        include_in_budget: account.include_in_budget,
        id: account.id,
        official_name: account.bank.official_name,
        mask: account.bank.mask,
        kind: account.bank.kind.as_str().to_owned(),
        subtype: account.bank.subtype,
        current_balance: text(account.bank.balances.current),
        available_balance: text(account.bank.balances.available),
        credit_limit: text(account.bank.balances.limit),
        currency: account.bank.currency.map(|currency| currency.code().to_owned()),
    }
}

/// What is wrong with an account and what to do, in words.
fn trouble(item: &Item, state: AccountState) -> Option<String> {
    let unshared = "The bank does not share this account any more: it was closed, or its sharing was ended. Repair the \
                    connection to share it again.";
    match state {
        AccountState::Live => item.trouble(),
        AccountState::Unshared => Some(item.trouble().unwrap_or_else(|| unshared.to_owned())),
        AccountState::Manual | AccountState::Removed { .. } => None,
    }
}
