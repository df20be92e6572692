//! What the endpoint says of itself.

use domain::{household::Permission, ids::AccountId, removal::Data};
use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/plaid/accounts/{account_id}");
    Operation::new(route, "remove-account", "Stop an account", Access::Allowed(Permission::Connect))
        .about("Its siblings live. The last one takes the connection with it, at Plaid too.")
        .path::<AccountId>("account_id", "The account.")
        .query::<Data>("data", "What becomes of its transactions; `delete` without it.")
        .answer::<Answer>(202, "It syncs no more; the rest goes by itself.")
        .problems(&["account_not_found", "queue_unavailable"])
}
