//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    codes::OF_BANK,
    openapi::{Access, Operation},
};

use super::{Answer, Body};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/plaid/link/token");
    Operation::new(
        route,
        "create-link-token",
        "Get a token to open Link with",
        Access::Allowed(Permission::Connect),
    )
    .about("For a new connection or, with `item_id`, for update mode, which repairs one.")
    .idempotent()
    .body::<Body>()
    .answer::<Answer>(200, "The token, and until when it is good.")
    .problems(&[
        "household_not_found",
        "item_not_found",
        "vault_unavailable",
        "answer_not_kept",
        "too_many_requests",
    ])
    .problems(OF_BANK)
}
