//! What the endpoint says of itself.

use domain::{household::Permission, ids::HouseholdId};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/households/{household_id}");
    Operation::new(route, "delete-household", "End a household", Access::Allowed(Permission::Delete))
        .about("All its data goes, and its banks are disconnected, at Plaid too.")
        .path::<HouseholdId>("household_id", "The household.")
        .conditional()
        .answer::<Answer>(202, "Nobody can do anything in it any more; the rest goes by itself.")
        .problems(&["household_not_found", "queue_unavailable"])
}
