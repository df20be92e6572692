//! What the endpoint says of itself.

use edge::{
    household::HouseholdView,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    Operation::new(("POST", "/api/v1/households"), "create-household", "Make a household", Access::Caller)
        .idempotent()
        .body::<Body>()
        .answer::<HouseholdView>(201, "The household, with you as its owner.")
        .tagged()
        .problems(&["too_many_households"])
}
