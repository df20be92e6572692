//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/plaid/accounts");
    Operation::new(route, "list-accounts", "List accounts", Access::Allowed(Permission::Read))
        .query::<HouseholdId>("household_id", "Of this household; without it, of all that you are in.")
        .answer::<Answer>(200, "The accounts, with balances, health and freshness.")
        .problems(&["household_not_found"])
}
