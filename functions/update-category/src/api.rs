//! What the endpoint says of itself.

use domain::{
    household::Permission,
    ids::{CategoryId, HouseholdId},
};
use edge::{
    category::ShownCategory,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("PATCH", "/api/v1/categories/{category_id}");
    Operation::new(route, "update-category", "Change a category", Access::Allowed(Permission::Edit))
        .about(
            "One that is not active stays on the transactions that have it, and is not offered for others.",
        )
        .path::<CategoryId>("category_id", "The category.")
        .query::<HouseholdId>(
            "household_id",
            "The household; may be left out for a category of its own, and by whoever is in one only.",
        )
        .conditional()
        .optional_body::<Body>()
        .answer::<ShownCategory<'_>>(200, "The category as it is now.")
        .tagged()
        .problems(&["household_not_found", "category_not_found", "category_exists", "system_category"])
}
