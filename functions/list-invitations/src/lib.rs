//! `GET /api/v1/households/{household_id}/invitations` — the invitations that may still be used, without their codes.
//!
//! Reads only: the membership, one query, and the household's own row.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Invitation, Invitations, Memberships, Permission, Role, one_household},
    ids::{HouseholdId, InvitationId, UserId},
    time::Clock,
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
    /// Keeps invitations.
    pub invitations: Arc<dyn Invitations>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    /// By time.
    invitations: Vec<InvitationView>,
}

#[derive(Serialize, JsonSchema)]
struct InvitationView {
    id: InvitationId,
    /// The role that it gives.
    role: Role,
    /// Who has made it.
    created_by: UserId,
    created_at: Timestamp,
    /// Until when it may be used, unless it is withdrawn, or somebody leaves or gets a lesser role, before.
    expires_at: Timestamp,
}

/// Lists invitations.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let least = Permission::Manage(Role::Viewer);
    one_household(&*deps.memberships, &request.user, Some(&household), least).await?;
    let open = deps.invitations.open_invitations(&household, deps.clock.now()).await?;
    Reply::json(200, &Answer { invitations: open.into_iter().map(view).collect() })
}

fn view(invitation: Invitation) -> InvitationView {
    let Invitation { id, role, by, made, expires, .. } = invitation;
    InvitationView { id, role, created_by: by, created_at: made, expires_at: expires }
}
