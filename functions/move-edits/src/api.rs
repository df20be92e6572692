//! What the endpoint says of itself.

use domain::{household::Permission, ids::TransactionId};
use edge::{
    openapi::{Access, Operation},
    transaction::WholeView,
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/transactions/{transaction_id}/move-edits");
    Operation::new(route, "move-edits", "Move what was written", Access::Allowed(Permission::Edit))
        .about(
            "From a transaction that went away, or one whose edits are guessed (`edits_guessed`), to another one of the same \
             household, of whatever account; `null` takes guessed edits off and leaves them among the orphaned ones. Splits move \
             as they are, and are stale if the amounts differ.",
        )
        .path::<TransactionId>("transaction_id", "The transaction, by any id that it had.")
        .idempotent()
        .body::<Body>()
        .answer::<WholeView>(200, "The other transaction as it is now; the same one if a guess was taken back.")
        .tagged()
        .problems(&["transaction_not_found", "edits_not_orphaned", "target_edited"])
}
