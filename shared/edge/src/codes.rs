//! The codes that problems have: what programs go by. The one table of them; a code never changes its meaning.

/// A code of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As it stands in `code`, and at the end of `type`.
    pub name: &'static str,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// What has happened, and what to do about it.
    pub meaning: &'static str,
}

const fn code(status: u16, name: &'static str, meaning: &'static str) -> Code {
    Code { name, status, meaning }
}

/// All of them, by status and name.
pub const CODES: &[Code] = &[
    code(400, "invalid_body", "The body is not in the encoding that it claims to be in."),
    code(400, "invalid_field", "A field of the body or a header is wrong; `errors` names it."),
    code(400, "invalid_json", "The body is not well-formed JSON."),
    code(400, "invalid_parameter", "Parameters of the query are wrong; `errors` names all of them."),
    code(
        400,
        "range_too_large",
        "The range holds too much to be added up or put in order by amount. Give a shorter one.",
    ),
    code(400, "unknown_field", "The body has a field that the endpoint does not take; `errors` names it."),
    code(401, "unauthorized", "The token does not say who its owner is."),
    code(403, "role_not_sufficient", "Your role in the household does not allow this."),
    code(404, "account_not_found", "There is no such account in your households."),
    code(404, "category_not_found", "There is no such category in your households."),
    code(404, "household_not_found", "There is no such household among yours."),
    code(
        404,
        "invitation_not_found",
        "The invitation is used up, has expired, or never was. Ask for a new one.",
    ),
    code(404, "item_not_found", "There is no such item in your households."),
    code(404, "member_not_found", "There is no such member in the household."),
    code(404, "transaction_not_found", "There is no such transaction in your households."),
    code(
        409,
        "account_closed",
        "The account takes no new transactions: it was closed, or is being removed. Open it again.",
    ),
    code(409, "account_gone", "The bank does not share the account any more."),
    code(409, "account_inactive", "The account is not synced any more; `detail` says why."),
    code(409, "account_merged", "The account is merged already. Undo that merge first."),
    code(409, "account_not_merged", "The account is not merged into another account."),
    code(409, "accounts_differ", "The accounts differ in type or currency."),
    code(409, "already_member", "You are in this household already."),
    code(
        409,
        "answer_not_kept",
        "The request was carried out, and its answer had a secret, which is shown once. Ask anew, with a new key.",
    ),
    code(
        409,
        "bank_unsupported",
        "The bank does not share transactions through Plaid. Disconnect it, or connect it again.",
    ),
    code(409, "category_exists", "A category in the same place has this name."),
    code(
        409,
        "category_has_children",
        "There are categories below this one, `count` of them. Move or delete them first.",
    ),
    code(
        409,
        "category_in_use",
        "`count` transactions have the category. Send `move_to` with what they are to have.",
    ),
    code(
        409,
        "duplicate_connection",
        "The accounts are connected already. Repair that connection; `allow_duplicate`, sent with the first request of a session, insists.",
    ),
    code(409, "edits_not_orphaned", "The transaction is still there, or nothing is written on it."),
    code(
        409,
        "history_coming",
        "The history of an account is still being fetched. Try again once it is there.",
    ),
    code(409, "household_full", "The household has as many members as it may have."),
    code(409, "item_gone", "The connection has ended. Connect the bank again."),
    code(409, "item_needs_attention", "The bank refused; `detail` says what a person can do about it."),
    code(409, "item_needs_login", "The bank asks the user to log in again. Repair the connection."),
    code(
        409,
        "last_owner",
        "A household needs an owner. Make somebody else one first, or delete the household.",
    ),
    code(409, "merge_too_old", "A merge can be undone for 30 days."),
    code(
        409,
        "request_in_progress",
        "The same request is being carried out. Send it again after `Retry-After` seconds.",
    ),
    code(
        409,
        "system_category",
        "The category is in every household: it can be changed and deactivated, but neither deleted nor moved.",
    ),
    code(409, "target_edited", "Something is written on the other transaction already."),
    code(409, "too_many_categories", "The household has as many categories of its own as it may have."),
    code(
        409,
        "too_many_deleted_categories",
        "So many categories were deleted that meant others. Deactivate this one instead.",
    ),
    code(409, "too_many_households", "You are in as many households as one may be in."),
    code(
        412,
        "precondition_failed",
        "It has changed since you read it. Read it again, and send its `ETag` as `If-Match`.",
    ),
    code(413, "body_too_large", "The body is larger than 256 KB."),
    code(
        422,
        "bank_field",
        "The fields that `errors` names are the bank's to say, of what is linked with one.",
    ),
    code(
        422,
        "idempotency_key_reused",
        "The `Idempotency-Key` was sent with another request. Use a new one.",
    ),
    code(
        422,
        "link_session_mismatch",
        "The public token is not of a Link session of yours in this household. Open Link again.",
    ),
    code(
        422,
        "public_token_refused",
        "The public token was used before, has expired, or is of another environment. Open Link again.",
    ),
    code(
        422,
        "too_many_accounts",
        "The household has reached its limit of manual accounts. Remove one first.",
    ),
    code(
        422,
        "too_many_invitations",
        "The household has reached its limit of open invitations. Withdraw one first.",
    ),
    code(422, "too_many_items", "The household has reached its limit of connections. Disconnect one first."),
    code(429, "too_many_requests", "Too many requests of this kind. Try again after `Retry-After` seconds."),
    code(500, "internal_error", "Something is wrong on our side."),
    code(500, "plaid_refused", "Plaid refused our request, which is ours to mend."),
    code(503, "bank_unavailable", "The bank cannot be reached right now. It may take hours."),
    code(
        503,
        "link_unfinished",
        "The bank is connected, its accounts are still being read. Send the same request again.",
    ),
    code(503, "plaid_unavailable", "Plaid cannot answer right now. Try again after `Retry-After` seconds."),
    code(503, "queue_unavailable", "Work cannot be queued right now. Try again after `Retry-After` seconds."),
    code(
        503,
        "store_unavailable",
        "Your data cannot be reached right now. Try again after `Retry-After` seconds.",
    ),
    code(503, "too_slow", "Everything is slow right now. Nothing was done; try again."),
    code(
        503,
        "vault_unavailable",
        "Bank connections cannot be opened or made right now. Try again after `Retry-After` seconds.",
    ),
];

/// Those that come of a call of Plaid's.
pub const OF_BANK: &[&str] = &[
    "account_gone",
    "bank_unavailable",
    "bank_unsupported",
    "item_gone",
    "item_needs_login",
    "plaid_refused",
    "plaid_unavailable",
];

/// What a code means.
pub fn find(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_in_order_and_ends_in_a_sentence() {
        let place = |code: &Code| (code.status, code.name);
        assert!(CODES.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])));
        let mut names: Vec<_> = CODES.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
        assert!(CODES.iter().all(|code| code.meaning.ends_with('.')));
    }
}
