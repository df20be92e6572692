//! `DELETE /api/v1/households/{household_id}/members/{user_id}` — puts a member out; oneself: leaves. The last owner stays.
//!
//! Effects: one transaction, which requires the roles of both as they were read. What the member connected or wrote stays.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{MemberError, Members, Memberships, change_member},
    ids::{HouseholdId, UserId},
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
    /// Changes places.
    pub members: Arc<dyn Members>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    household_id: HouseholdId,
    user_id: UserId,
    #[schemars(extend("const" = "removed"))]
    status: &'static str,
}

/// Removes a member.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let member: UserId = request.path("user_id", || MemberError::NoSuchMember.into())?;
    let by = (&request.user, &household);
    change_member(&*deps.memberships, &*deps.members, by, &member, None).await?;
    Reply::json(200, &Answer { household_id: household, user_id: member, status: "removed" })
}
