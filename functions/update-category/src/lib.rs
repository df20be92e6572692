//! `PATCH /api/v1/categories/{category_id}` — changes a category, if it is as `If-Match` has it.
//!
//! Effects: one write of the household's tree, under its revision. The same again changes nothing.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::{Categories, CategoryChange, CategoryError, CategoryName, Colour, Icon, household_of, update},
    household::{Memberships, Permission},
    ids::{CategoryId, HouseholdId},
    sync::Edit,
};
use edge::{
    Problem,
    body::{edit, some, without_default},
    category::ShownCategory,
    http::{Reply, Request},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The trees.
    pub categories: Arc<dyn Categories>,
}

/// What is not there stays. `null` is nothing that a category could have, but for its parent: then it goes to the top.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "CategoryName", transform = without_default)]
    name: Option<CategoryName>,
    #[serde(rename = "color", default, deserialize_with = "some")]
    #[schemars(with = "Colour", transform = without_default)]
    colour: Option<Colour>,
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Icon", transform = without_default)]
    icon: Option<Icon>,
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<CategoryId>")]
    parent_id: Edit<CategoryId>,
}

/// Changes a category.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let named: Option<HouseholdId> = query.value("household_id");
    query.finish()?;
    let id: CategoryId = request.path("category_id", || CategoryError::NotThere.into())?;
    let whose = (&request.user, named.as_ref());
    let household = household_of(&*deps.memberships, &*deps.categories, whose, &id, Permission::Edit).await?;
    let Body { name, colour, icon, is_active, parent_id } = request.json()?;
    let change = CategoryChange { name, colour, icon, is_active, parent: parent_id };
    let changed = update(&*deps.categories, &household, &id, &change, request.if_match()?).await?;
    Ok(Reply::json(200, &ShownCategory::new(&household, &changed))?.tagged(changed.revision))
}
