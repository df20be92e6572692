//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/categories");
    Operation::new(
        route,
        "list-categories",
        "List a household's categories",
        Access::Allowed(Permission::Read),
    )
    .about("The system's and its own, each before those that are below it.")
    .query::<HouseholdId>("household_id", "The household; may be left out by whoever is in one only.")
    .answer::<Answer<'_>>(200, "The categories, in the order of their tree.")
    .problems(&["household_not_found", "invalid_field"])
}
