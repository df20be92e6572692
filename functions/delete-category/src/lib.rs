//! `DELETE /api/v1/categories/{category_id}` — deletes a category of the household's own, if it is as `If-Match` has it.
//!
//! One that transactions have goes only with `move_to`: from then on its id means that one, wherever it is written. Effects:
//! one write of the household's tree, under its revision, however many transactions there are; no transaction is touched,
//! so no sync and no edit is disturbed. Without `move_to` its transactions are counted before.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::{Categories, CategoryError, CategoryUses, delete, household_of},
    household::{Memberships, Permission},
    ids::{CategoryId, HouseholdId},
};
use edge::{
    Problem,
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
    /// Counts what has a category.
    pub uses: Arc<dyn CategoryUses>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    household_id: HouseholdId,
    category_id: CategoryId,
    status: &'static str,
    moved_to: Option<CategoryId>,
}

/// Deletes a category.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let named: Option<HouseholdId> = query.value("household_id");
    let move_to: Option<CategoryId> = query.value("move_to");
    query.finish()?;
    let id: CategoryId = request.path("category_id", || CategoryError::NotThere.into())?;
    let whose = (&request.user, named.as_ref());
    let household = household_of(&*deps.memberships, &*deps.categories, whose, &id, Permission::Edit).await?;
    let how = (move_to.as_ref(), request.if_match()?);
    let moved_to = delete(&*deps.categories, &*deps.uses, &household, &id, how).await?;
    Reply::json(200, &Answer { household_id: household, category_id: id, status: "deleted", moved_to })
}
