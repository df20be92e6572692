//! What the endpoint says of itself.

use domain::{
    household::{Permission, Role},
    ids::HouseholdId,
};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/households/{household_id}/invitations");
    let access = Access::Allowed(Permission::Manage(Role::Viewer));
    Operation::new(route, "list-invitations", "List invitations", access)
        .about("Those that may still be used. Their codes are shown nowhere again.")
        .path::<HouseholdId>("household_id", "The household.")
        .answer::<Answer>(200, "The open invitations.")
        .problems(&["household_not_found"])
}
