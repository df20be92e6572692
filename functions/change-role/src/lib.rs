//! `PATCH /api/v1/households/{household_id}/members/{user_id}` — gives a member another role. The last owner stays one.
//!
//! Effects: one transaction, which requires the roles of both as they were read. The same again finds it done.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{MemberError, Members, Memberships, Role, change_member},
    ids::{HouseholdId, UserId},
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Changes places.
    pub members: Arc<dyn Members>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    role: Role,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    household_id: HouseholdId,
    user_id: UserId,
    role: Role,
}

/// Changes a role.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let member: UserId = request.path("user_id", || MemberError::NoSuchMember.into())?;
    let by = (&request.user, &household);
    // Whoever is not in the household is told nothing else.
    deps.memberships.membership(by.0, by.1).await?.ok_or_else(missing)?;
    let Body { role } = request.json()?;
    change_member(&*deps.memberships, &*deps.members, by, &member, Some(role)).await?;
    Reply::json(200, &Answer { household_id: household, user_id: member, role })
}
