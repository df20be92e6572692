//! `GET /api/v1/households/{household_id}/members` — who is in a household, and as what.
//!
//! Reads only: the membership, then one query.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Member, Members, Memberships, Permission, Role, one_household},
    ids::{HouseholdId, UserId},
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Everybody in a household.
    pub members: Arc<dyn Members>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    members: Vec<MemberView>,
}

#[derive(Serialize, JsonSchema)]
struct MemberView {
    user_id: UserId,
    role: Role,
    /// When they came in.
    member_since: Timestamp,
}

/// Lists members.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    one_household(&*deps.memberships, &request.user, Some(&household), Permission::Read).await?;
    let members = deps.members.members(&household).await?;
    Reply::json(200, &Answer { members: members.into_iter().map(view).collect() })
}

fn view(member: Member) -> MemberView {
    MemberView { user_id: member.user, role: member.role, member_since: member.since }
}
