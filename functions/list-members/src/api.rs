//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/households/{household_id}/members");
    Operation::new(route, "list-members", "List members", Access::Allowed(Permission::Read))
        .path::<HouseholdId>("household_id", "The household.")
        .answer::<Answer>(200, "Who is in the household, and as what.")
        .problems(&["household_not_found"])
}
