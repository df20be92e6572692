//! `POST /api/v1/households` — a household, with whoever asks as its owner.
//!
//! Effects: one transaction. A crash before it leaves nothing; with an `Idempotency-Key` the same request makes the same
//! household however often it comes.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{HouseholdName, Households, MOST_HOUSEHOLDS, Memberships, NewHousehold, Role},
    ids::{Entropy, HouseholdId},
    time::Clock,
};
use edge::{
    Problem,
    household::HouseholdView,
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
    /// Makes households.
    pub households: Arc<dyn Households>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    name: HouseholdName,
}

/// Makes a household.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, entropy| create(deps, &request, entropy).await).await
}

async fn create(deps: &Deps, request: &Request, entropy: Entropy) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let Body { name } = request.json()?;
    let id = HouseholdId::from_entropy(entropy);
    let own = deps.memberships.memberships(&request.user).await?;
    // An earlier attempt may have made it: then it counts already.
    if own.iter().filter(|place| place.household != id).count() >= MOST_HOUSEHOLDS {
        return Err(Problem::too_many_households());
    }
    let at = deps.clock.now();
    let members = vec![(request.user.clone(), Role::Owner)];
    let new = NewHousehold { id: id.clone(), name: name.clone(), members, at };
    deps.households.create(&new).await?;
    let view = HouseholdView { id: id.clone(), name, role: Role::Owner, created_at: at, revision: 1 };
    Ok(view.reply(201)?.of(id))
}
