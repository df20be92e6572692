//! `DELETE /api/v1/households/{household_id}/invitations/{invitation_id}` — ends an invitation before it is used.
//!
//! Effects: one transaction, which deletes the invitation and its twin in the household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{AccessError, Invitations, Memberships, Permission, Role, one_household},
    ids::{HouseholdId, InvitationId},
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
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Keeps invitations.
    pub invitations: Arc<dyn Invitations>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    id: InvitationId,
    #[schemars(extend("const" = "withdrawn"))]
    status: &'static str,
}

/// Withdraws an invitation.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    let least = Permission::Manage(Role::Viewer);
    let place = one_household(&*deps.memberships, &request.user, Some(&household), least).await?;
    let missing = || Problem::from(domain::household::InvitationError::NotThere);
    let id: InvitationId = request.path("invitation_id", missing)?;
    let open = deps.invitations.open_invitations(&household, deps.clock.now()).await?;
    let invitation = open.into_iter().find(|invitation| invitation.id == id).ok_or_else(missing)?;
    if !place.role.allows(Permission::Manage(invitation.role)) {
        return Err(AccessError::NotAllowed.into());
    }
    if !deps.invitations.withdraw(&invitation).await? {
        return Err(missing());
    }
    Reply::json(200, &Answer { id, status: "withdrawn" })
}
