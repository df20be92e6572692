//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    openapi::{Access, Operation},
    search::{described, sort_schema},
};
use serde_json::json;

use super::{Answer, DEFAULT_LIMIT, LARGEST_LIMIT};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let access = Access::Allowed(Permission::Read);
    let operation = Operation::new(("GET", "/api/v1/transactions"), "list-transactions", "List transactions", access)
        .about(
            "All that every parameter lets pass; without `household_id`, of all households that you are in. A page may be \
             shorter than its limit, even empty, and still have a next one.",
        );
    described(operation, "any")
        .query_as("sort", "The newest, oldest, largest or smallest first.", sort_schema())
        .query_as(
            "totals",
            "Whether to say what all that is found comes to.",
            json!({"type": "boolean", "default": false}),
        )
        .query_as(
            "orphaned",
            "Lists what was written on transactions that are no more instead; takes `household_id`, `limit` and `cursor` only.",
            json!({"type": "boolean", "default": false}),
        )
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
        .problems(&["invalid_field", "range_too_large"])
}
