//! `DELETE /api/v1/households/{household_id}` — ends a household with all its data, if it is as `If-Match` has it.
//!
//! Order of effects: a message for a minute later → the household and all places in it are marked → each item is marked to be
//! removed, then its message → what else is in the household → the household and all places in it, at once. From the first
//! mark on nobody can do anything in it. A crash anywhere after it is made up for by whoever reads the first message; its owners
//! can send the same request again as well.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    household::{AccessError, Ending, HouseholdEnds, Permission, finish},
    ids::HouseholdId,
    removal::{RemovalMessage, RemovalQueue},
    time::Clock,
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
    /// Ends households.
    pub ends: Arc<dyn HouseholdEnds>,
    /// The queue of removals.
    pub queue: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// When somebody comes to look whether the end has come.
const LATER: Duration = Duration::from_mins(1);

#[derive(Serialize, JsonSchema)]
struct Answer {
    household_id: HouseholdId,
    #[schemars(extend("const" = "deleting"))]
    status: &'static str,
}

/// Ends a household.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let place = deps.ends.place(&request.user, &household).await?.ok_or_else(missing)?;
    if !place.role.allows(Permission::Delete) {
        return Err(AccessError::NotAllowed.into());
    }
    let now = deps.clock.now();
    let tag = request.if_match()?;
    // Whoever comes finds a household that is ending, and goes on; or one that is not, and goes.
    deps.queue.send(&RemovalMessage::of_household(household.clone()), LATER).await?;
    match deps.ends.begin(&request.user, &household, tag, now).await? {
        Ending::Begun => {}
        Ending::Stale => return Err(Problem::stale()),
        Ending::NotThere => return Err(missing()),
    }
    if let Err(error) = finish(&*deps.ends, &*deps.queue, &household, now).await {
        tracing::warn!(target: "function", household_id = %household, %error, "a household's end goes on later");
    }
    Reply::json(202, &Answer { household_id: household, status: "deleting" })
}
