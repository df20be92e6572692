//! `DELETE /api/v1/households/{household_id}/invitations/{invitation_id}` — ends an invitation before it is used.
//!
//! Effects: one transaction, which deletes the invitation and its twin in the household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Invitations, Memberships, Permission, Role, one_household},
    ids::{HouseholdId, InvitationId},
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
    one_household(&*deps.memberships, &request.user, Some(&household), least).await?;
    let missing = || domain::household::InvitationError::NotThere.into();
    let id: InvitationId = request.path("invitation_id", missing)?;
    if !deps.invitations.withdraw(&household, &id).await? {
        return Err(missing());
    }
    Reply::json(200, &Answer { id, status: "withdrawn" })
}
