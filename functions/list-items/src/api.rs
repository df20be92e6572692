//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/plaid/items");
    Operation::new(route, "list-items", "List connections", Access::Allowed(Permission::Read))
        .about("An item is a connection to one bank by one log-in.")
        .query::<HouseholdId>("household_id", "Of this household; without it, of all that you are in.")
        .answer::<Answer>(200, "How each connection is, and what to do next.")
        .problems(&["household_not_found"])
}
