//! `PATCH /api/v1/households/{household_id}` — gives a household another name, if it is as `If-Match` has it.
//!
//! Effects: one update. The same again counts its revision once more.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{HouseholdName, Households, Memberships, Permission, Renamed, one_household},
    ids::HouseholdId,
};
use edge::{
    Problem,
    household::HouseholdView,
    http::{Reply, Request},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Names households.
    pub households: Arc<dyn Households>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    name: HouseholdName,
}

/// Renames a household.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let place =
        one_household(&*deps.memberships, &request.user, Some(&household), Permission::Rename).await?;
    let Body { name } = request.json()?;
    match deps.households.rename(&household, &name, request.if_match()?).await? {
        Renamed::Done(renamed) => HouseholdView::new(renamed, place.role).reply(200),
        Renamed::Stale => Err(Problem::stale()),
        Renamed::NotThere => Err(missing()),
    }
}
