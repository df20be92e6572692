//! `DELETE /api/v1/households/{household_id}` — ends a household with all its data, if it is as `If-Match` has it.
//!
//! Order of effects: the household and all places in it are marked → each item is marked to be removed, then its message →
//! what else is in the household → the household and all places in it, at once. From the first mark on nobody can do anything
//! in it. A crash anywhere leaves its owners one thing that they can do: the same request again, which goes on from there. The
//! removal of an item goes on by itself.

pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    household::{AccessError, Ending, HouseholdEnds, Permission},
    ids::HouseholdId,
    removal::{RemovalMessage, RemovalQueue},
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use serde::Serialize;

/// What this function reaches the world through.
pub struct Deps {
    /// Ends households.
    pub ends: Arc<dyn HouseholdEnds>,
    /// The queue of removals.
    pub queue: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
struct Answer {
    household_id: HouseholdId,
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
    match deps.ends.begin(&household, request.if_match()?, now).await? {
        Ending::Begun => {}
        Ending::Stale => return Err(Problem::stale()),
        Ending::NotThere => return Err(missing()),
    }
    for at in deps.ends.remove_items(&household, now).await? {
        deps.queue.send(&RemovalMessage::of_item(at), Duration::ZERO).await?;
    }
    deps.ends.end(&household).await?;
    Reply::json(202, &Answer { household_id: household, status: "deleting" })
}
