//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    account::AccountView,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let access = Access::Allowed(Permission::Edit);
    Operation::new(("POST", "/api/v1/plaid/accounts"), "create-account", "Make an account by hand", access)
        .about("Cash, or what no bank connects: its transactions are entered.")
        .idempotent()
        .body::<Body>()
        .answer::<AccountView>(201, "The account.")
        .tagged()
        .problems(&["household_not_found", "too_many_accounts", "too_many_requests"])
}
