//! What the endpoint says of itself.

use domain::{
    household::{Permission, Role},
    ids::HouseholdId,
};
use edge::openapi::{Access, Operation};

use super::{Answer, Body};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/households/{household_id}/invitations");
    Operation::new(
        route,
        "invite-member",
        "Invite somebody",
        Access::Allowed(Permission::Manage(Role::Viewer)),
    )
    .about("The code lets one person in, once. Admins are invited by owners; owners are made, not invited.")
    .path::<HouseholdId>("household_id", "The household.")
    .idempotent()
    .body::<Body>()
    .answer::<Answer<'_>>(201, "The invitation, with its code, which is shown this once.")
    .problems(&["household_not_found", "answer_not_kept", "too_many_invitations", "too_many_requests"])
}
