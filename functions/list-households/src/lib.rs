//! `GET /api/v1/households` — the caller's households, and what the caller is in each.
//!
//! Reads only: the memberships, then one batch of the households.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use domain::household::{Households, Memberships};
use edge::{
    Problem,
    household::HouseholdView,
    http::{Reply, Request},
};
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The households.
    pub households: Arc<dyn Households>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    households: Vec<HouseholdView>,
}

/// Lists households.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let own = deps.memberships.memberships(&request.user).await?;
    let roles: BTreeMap<_, _> = own.into_iter().map(|place| (place.household, place.role)).collect();
    let ids: Vec<_> = roles.keys().cloned().collect();
    let found = deps.households.households(&ids).await?;
    // One that ends in this very moment may have no place any more.
    let views = found.into_iter().filter_map(|household| {
        let role = roles.get(&household.id).copied()?;
        Some(HouseholdView::new(household, role))
    });
    Reply::json(200, &Answer { households: views.collect() })
}
