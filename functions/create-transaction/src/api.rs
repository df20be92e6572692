//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    openapi::{Access, Operation},
    transaction::WholeView,
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let access = Access::Allowed(Permission::Edit);
    Operation::new(("POST", "/api/v1/transactions"), "create-transaction", "Enter a transaction", access)
        .about("On an account that is kept by hand, or on one that a bank keeps: no sync touches it there.")
        .idempotent()
        .body::<Body>()
        .answer::<WholeView>(201, "The transaction.")
        .tagged()
        .header("Location", "Where it is.")
        .problems(&["account_not_found", "account_closed"])
}
