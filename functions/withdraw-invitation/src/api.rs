//! What the endpoint says of itself.

use domain::{
    household::{Permission, Role},
    ids::{HouseholdId, InvitationId},
};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/households/{household_id}/invitations/{invitation_id}");
    let access = Access::Allowed(Permission::Manage(Role::Viewer));
    Operation::new(route, "withdraw-invitation", "Withdraw an invitation", access)
        .path::<HouseholdId>("household_id", "The household.")
        .path::<InvitationId>("invitation_id", "The invitation.")
        .answer::<Answer>(200, "Its code lets nobody in any more.")
        .problems(&["household_not_found", "invitation_not_found"])
}
