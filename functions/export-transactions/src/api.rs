//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    openapi::{Access, Operation},
    search::{described, sort_schema},
};
use serde_json::json;

use super::PATH;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let access = Access::Allowed(Permission::Read);
    let operation = Operation::new(("GET", PATH), "export-transactions", "Export transactions", access).about(
        "As CSV (RFC 4180), in parts of 5 MB at most; without `household_id`, of all households that you are in. The first part \
         has a header row, and all parts together, one after the other, are one file. What a sheet would take for a formula has an \
         apostrophe in front.",
    );
    described(operation, "any")
        .query_as("sort", "The newest, oldest, largest or smallest first.", sort_schema())
        .query_as(
            "cursor",
            "As the `Link` of the part before has it, with the same parameters.",
            json!({"type": "string"}),
        )
        .query_as(
            "bom",
            "Whether the first part begins with a byte order mark, by which Excel knows UTF-8.",
            json!({"type": "boolean", "default": false}),
        )
        .answer_as(200, "text/csv", "A part.")
        .maybe_header("Link", "The next part, if there is one: `rel=\"next\"`.")
        .header("Content-Disposition", "An attachment.")
        .header("X-History", "`coming` while a bank's history is still being fetched, else `complete`.")
        .problems(&["invalid_field", "range_too_large", "too_many_requests"])
}
