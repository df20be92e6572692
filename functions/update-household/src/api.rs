//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::{
    household::HouseholdView,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("PATCH", "/api/v1/households/{household_id}");
    Operation::new(route, "update-household", "Rename a household", Access::Allowed(Permission::Rename))
        .path::<HouseholdId>("household_id", "The household.")
        .conditional()
        .body::<Body>()
        .answer::<HouseholdView>(200, "The household as it is now.")
        .tagged()
        .problems(&["household_not_found"])
}
