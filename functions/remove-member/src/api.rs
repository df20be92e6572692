//! What the endpoint says of itself.

use domain::{
    household::Permission,
    ids::{HouseholdId, UserId},
};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/households/{household_id}/members/{user_id}");
    Operation::new(route, "remove-member", "Put a member out, or leave", Access::Allowed(Permission::Read))
        .about(
            "Everybody may leave, but for the last owner. Admins put members and viewers out, owners everybody. What the \
             member connected or wrote stays.",
        )
        .path::<HouseholdId>("household_id", "The household.")
        .path::<UserId>("user_id", "The member; yourself, to leave.")
        .answer::<Answer>(200, "The member is out.")
        .problems(&["household_not_found", "member_not_found", "role_not_sufficient", "last_owner"])
}
