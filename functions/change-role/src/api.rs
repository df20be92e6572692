//! What the endpoint says of itself.

use domain::{
    household::{Permission, Role},
    ids::{HouseholdId, UserId},
};
use edge::openapi::{Access, Operation};

use super::{Answer, Body};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("PATCH", "/api/v1/households/{household_id}/members/{user_id}");
    Operation::new(route, "change-role", "Change a role", Access::Allowed(Permission::Manage(Role::Viewer)))
        .about("Admins change members and viewers, owners everybody. The last owner stays one.")
        .path::<HouseholdId>("household_id", "The household.")
        .path::<UserId>("user_id", "The member.")
        .body::<Body>()
        .answer::<Answer>(200, "The member as they are now.")
        .problems(&["household_not_found", "member_not_found", "last_owner"])
}
