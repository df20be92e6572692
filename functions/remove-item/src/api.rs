//! What the endpoint says of itself.

use domain::{household::Permission, ids::ItemId, removal::Data};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/plaid/items/{item_id}");
    Operation::new(route, "remove-item", "Disconnect a bank", Access::Allowed(Permission::Connect))
        .path::<ItemId>("item_id", "The connection.")
        .query::<Data>("data", "What becomes of its accounts and transactions; `delete` without it.")
        .answer::<Answer>(
            202,
            "Nothing syncs any more; the item goes, at Plaid too, for as long as it takes.",
        )
        .problems(&["item_not_found", "queue_unavailable"])
}
