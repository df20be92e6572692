//! What the endpoint says of itself.

use domain::{household::Permission, ids::TransactionId};
use edge::openapi::{Access, Operation};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("DELETE", "/api/v1/transactions/{transaction_id}");
    Operation::new(route, "delete-transaction", "Delete or hide a transaction", Access::Allowed(Permission::Edit))
        .about("One that a person has entered goes. One that a bank knows of is hidden, and stays so after any sync.")
        .path::<TransactionId>("transaction_id", "The transaction, by any id that it has had.")
        .conditional()
        .answer_empty(204, "It is gone, or hidden.")
        .problems(&["transaction_not_found"])
}
