//! What the endpoint says of itself.

use domain::{
    household::Permission,
    ids::{CategoryId, HouseholdId},
};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/categories/{category_id}");
    Operation::new(route, "delete-category", "Delete a category", Access::Allowed(Permission::Edit))
        .about("One that transactions have goes only with `move_to`: they have that one then.")
        .path::<CategoryId>("category_id", "The category.")
        .query::<HouseholdId>(
            "household_id",
            "The household; may be left out for a category of its own, and by whoever is in one only.",
        )
        .query::<CategoryId>(
            "move_to",
            "The category that transactions have instead: another active one of the household.",
        )
        .conditional()
        .answer::<Answer>(200, "It is deleted.")
        .problems(&[
            "household_not_found",
            "invalid_field",
            "category_not_found",
            "category_in_use",
            "category_has_children",
            "system_category",
            "too_many_deleted_categories",
        ])
}
