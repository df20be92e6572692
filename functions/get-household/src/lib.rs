//! `GET /api/v1/households/{household_id}` — one of the caller's households, and their role in it.
//!
//! Reads only: the membership, then the household's row.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Households, Memberships, Permission, one_household},
    ids::HouseholdId,
};
use edge::{
    Problem,
    household::HouseholdView,
    http::{Reply, Request},
};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The households.
    pub households: Arc<dyn Households>,
}

/// Gets a household.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let id: HouseholdId = request.path("household_id", missing)?;
    let place = one_household(&*deps.memberships, &request.user, Some(&id), Permission::Read).await?;
    let found = deps.households.households(std::slice::from_ref(&id)).await?.pop();
    HouseholdView::new(found.ok_or_else(missing)?, place.role).reply(200)
}
