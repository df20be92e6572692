//! What the endpoint says of itself.

use domain::{household::Permission, ids::TransactionId};
use edge::{
    openapi::{Access, Operation},
    transaction::WholeView,
};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/transactions/{transaction_id}");
    Operation::new(route, "get-transaction", "Show a transaction", Access::Allowed(Permission::Read))
        .path::<TransactionId>("transaction_id", "The transaction, by any id that it has had.")
        .answer::<WholeView>(200, "The transaction.")
        .tagged()
        .problems(&["transaction_not_found"])
}
