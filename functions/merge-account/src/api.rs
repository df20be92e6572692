//! The endpoint's description.

use domain::{household::Permission, ids::AccountId};
use edge::{
    account::AccountView,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/plaid/accounts/{account_id}/merge-into");
    Operation::new(route, "merge-account", "Merge two accounts that are one", Access::Allowed(Permission::Connect))
        .about(
            "For an account that the bank shows under another id, name or card, or that another connection has. Both are shown as \
             the account of the body: its id, its name, the transactions of both. Transactions that both have, by amount and day, \
             are shown once, with what was written on either. The account that its bank still keeps up to date goes on; if that is \
             both, the one of the path is stopped, and its connection ends with its last account. `null` undoes the merge within 30 \
             days; what was written since stays where it is shown.",
        )
        .path::<AccountId>("account_id", "The account that is not to be shown by itself any more.")
        .idempotent()
        .body::<Body>()
        .answer::<AccountView>(200, "The account that is shown for both; the one of the path if the merge was undone.")
        .tagged()
        .problems(&["account_not_found", "account_merged", "accounts_differ", "account_not_merged", "history_coming", "merge_too_old"])
        .problems(&["queue_unavailable"])
}
