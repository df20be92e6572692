//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    codes::OF_BANK,
    openapi::{Access, Operation},
};

use super::{Answer, Body};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/plaid/link/exchange");
    Operation::new(route, "exchange-public-token", "Connect a bank", Access::Allowed(Permission::Connect))
        .about("Turns the public token of a finished Link session into a connection. The same request again goes on from where the first one stopped.")
        .idempotent()
        .body::<Body>()
        .answer::<Answer>(201, "The connection and its accounts; the first sync is queued.")
        .problems(&["household_not_found", "public_token_refused", "duplicate_connection", "link_unfinished"])
        .problems(&["link_session_mismatch", "too_many_items", "too_many_requests", "too_slow", "vault_unavailable", "queue_unavailable"])
        .problems(OF_BANK)
}
