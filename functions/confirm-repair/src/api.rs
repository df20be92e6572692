//! What the endpoint says of itself.

use domain::{household::Permission, ids::ItemId};
use edge::openapi::{Access, Operation};

use super::{Answer, Empty, Running};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/plaid/items/{item_id}/repaired");
    Operation::new(
        route,
        "confirm-repair",
        "Say that a connection was repaired",
        Access::Allowed(Permission::Connect),
    )
    .about("After Link in update mode: the accounts are looked at again, and what was missed is synced.")
    .path::<ItemId>("item_id", "The connection.")
    .idempotent()
    .optional_body::<Empty>()
    .answer::<Answer>(200, "The connection as it is now.")
    .answer::<Running>(202, "It takes longer than 20 seconds, and goes on by itself.")
    .problems(&["item_not_found", "item_needs_attention", "bank_unavailable", "plaid_refused"])
    .problems(&["queue_unavailable", "too_many_requests"])
}
