//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::{
    household::HouseholdView,
    openapi::{Access, Operation},
};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/households/{household_id}");
    Operation::new(route, "get-household", "Get a household", Access::Allowed(Permission::Read))
        .path::<HouseholdId>("household_id", "The household.")
        .answer::<HouseholdView>(200, "The household.")
        .tagged()
        .problems(&["household_not_found"])
}
