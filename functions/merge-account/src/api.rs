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
            "For an account that the bank lists under another id, name or card, or that another connection has as well. The account \
             in the body remains visible, with its id, its name and the transactions of both. Transactions that both have, by \
             amount and day, are listed once, with the edits of both. The account that its bank still keeps up to date continues. If \
             that is both, the account in the path is stopped, and its connection ends with its last account. `null` undoes the merge \
             within 30 days; later edits stay, and a stopped account is synced again from the next night on.",
        )
        .path::<AccountId>("account_id", "The account to be merged, which is not listed afterwards.")
        .idempotent()
        .body::<Body>()
        .answer::<AccountView>(200, "The visible account; the account in the path after an undo.")
        .tagged()
        .problems(&["account_not_found", "account_merged", "accounts_differ", "account_not_merged", "history_coming", "merge_too_old"])
        .problems(&["queue_unavailable"])
}
