//! What the endpoint says of itself.

use domain::{household::Permission, ids::TransactionId};
use edge::{
    edits::TransactionPatch,
    openapi::{Access, Operation},
    transaction::WholeView,
};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("PATCH", "/api/v1/transactions/{transaction_id}");
    Operation::new(route, "update-transaction", "Write on a transaction", Access::Allowed(Permission::Edit))
        .about(
            "What is left out stays. When the bank changes the amount afterwards, splits stay and are stale. The facts of a \
             transaction that a bank knows of are the bank's; of one that a person has entered they can be changed.",
        )
        .path::<TransactionId>("transaction_id", "The transaction, by any id that it has had.")
        .conditional()
        .optional_body::<TransactionPatch>()
        .answer::<WholeView>(200, "The transaction as it is now.")
        .tagged()
        .problems(&["transaction_not_found", "bank_field"])
}
