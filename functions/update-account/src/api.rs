//! What the endpoint says of itself.

use domain::{household::Permission, ids::AccountId};
use edge::{
    account::AccountView,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("PATCH", "/api/v1/plaid/accounts/{account_id}");
    Operation::new(route, "update-account", "Change an account", Access::Allowed(Permission::Edit))
        .about("What is left out stays. One that is closed keeps its history, and can be opened again.")
        .path::<AccountId>("account_id", "The account.")
        .conditional()
        .optional_body::<Body>()
        .answer::<AccountView>(200, "The account as it is now.")
        .tagged()
        .problems(&["account_not_found", "bank_field"])
}
