//! `GET /api/v1/categories` — a household's categories, each after the one that it is a part of.
//!
//! Effects: none. Two reads: the caller's place, then the whole tree. What is not active is listed as well, since
//! transactions may have it.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::Categories,
    household::{Memberships, Permission, one_household},
    ids::HouseholdId,
};
use edge::{
    Problem,
    category::ShownCategory,
    http::{Reply, Request},
};
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The trees.
    pub categories: Arc<dyn Categories>,
}

#[derive(Serialize, JsonSchema)]
struct Answer<'a> {
    categories: Vec<ShownCategory<'a>>,
}

/// Lists categories.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let named: Option<HouseholdId> = query.value("household_id");
    query.finish()?;
    let place = one_household(&*deps.memberships, &request.user, named.as_ref(), Permission::Read).await?;
    let tree = deps.categories.tree(&place.household).await?;
    let categories = tree.all().map(|category| ShownCategory::new(&place.household, category)).collect();
    Reply::json(200, &Answer { categories })
}
