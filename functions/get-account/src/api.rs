//! What the endpoint says of itself.

use domain::{household::Permission, ids::AccountId};
use edge::{
    account::AccountView,
    openapi::{Access, Operation},
};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/plaid/accounts/{account_id}");
    Operation::new(route, "get-account", "Get an account", Access::Allowed(Permission::Read))
        .path::<AccountId>("account_id", "The account.")
        .answer::<AccountView>(200, "The account.")
        .tagged()
        .problems(&["account_not_found"])
}
