//! What the endpoint says of itself.

use domain::{household::Permission, ids::AccountId};
use edge::openapi::{Access, Operation};

use super::{Answer, Empty, Running};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/plaid/accounts/{account_id}/sync");
    Operation::new(route, "sync-account", "Sync an account's bank now", Access::Allowed(Permission::Connect))
        .path::<AccountId>("account_id", "One of the accounts that the bank's log-in shares.")
        .idempotent()
        .optional_body::<Empty>()
        .answer::<Answer>(200, "What the sync has brought.")
        .answer::<Running>(
            202,
            "It takes longer than 20 seconds, or history is still coming; it goes on by itself.",
        )
        .problems(&["account_not_found", "account_inactive", "item_needs_attention"])
        .problems(&["bank_unavailable", "plaid_refused", "queue_unavailable", "too_many_requests"])
}
