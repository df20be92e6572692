//! `POST /api/v1/categories` — a category of a household's own, at the top or below another one.
//!
//! Effects: one write of the household's tree, under its revision. A crash before it leaves nothing; with an
//! `Idempotency-Key` the same request makes the same category however often it comes.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::{Categories, CategoryName, Colour, Icon, Kind, NewCategory},
    household::{Memberships, Permission, one_household},
    ids::{CategoryId, Entropy, HouseholdId},
};
use edge::{
    Problem,
    category::ShownCategory,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
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
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    household_id: Option<HouseholdId>,
    name: CategoryName,
    parent_id: Option<CategoryId>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    #[serde(rename = "color")]
    colour: Option<Colour>,
    icon: Option<Icon>,
}

/// Makes a category.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, entropy| create(deps, &request, entropy).await).await
}

async fn create(deps: &Deps, request: &Request, entropy: Entropy) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let Body { household_id, name, parent_id, kind, colour, icon } = request.json()?;
    let place =
        one_household(&*deps.memberships, &request.user, household_id.as_ref(), Permission::Edit).await?;
    let id = CategoryId::from_entropy(entropy);
    let new = NewCategory { id, name, parent: parent_id, kind, colour, icon };
    let made = domain::category::create(&*deps.categories, &place.household, &new).await?;
    let reply = Reply::json(201, &ShownCategory::new(&place.household, &made))?;
    Ok(reply.tagged(made.revision).of(place.household))
}
