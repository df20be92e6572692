//! What the endpoint says of itself.

use domain::{
    household::Permission,
    ids::{AccountId, HouseholdId},
};
use edge::openapi::{Access, Operation};
use jiff::civil::Date;
use serde_json::json;

use super::{Answer, DEFAULT_LIMIT, LARGEST_LIMIT};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let access = Access::Allowed(Permission::Read);
    Operation::new(("GET", "/api/v1/transactions"), "list-transactions", "List transactions", access)
        .about("Newest first. A page may be shorter than its limit and still have a next one.")
        .query::<HouseholdId>("household_id", "Of this household; without it, of all that you are in.")
        .query::<Date>("from", "Of this day and later.")
        .query::<Date>("to", "Of this day and earlier.")
        .query::<AccountId>("account_id", "Of this account.")
        .query_as(
            "cursor",
            "The `next_cursor` of the page before, with the same parameters.",
            json!({"type": "string"}),
        )
        .query_as(
            "limit",
            format!("So many at most; {DEFAULT_LIMIT} without it."),
            json!({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}),
        )
        .answer::<Answer>(200, "A page.")
        .problems(&["household_not_found", "account_not_found", "invalid_field"])
}
