//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    openapi::{Access, Operation},
    search::described,
};
use serde_json::json;

use super::{GROUPS, view::Answer};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/transactions/summary");
    let access = Access::Allowed(Permission::Read);
    let operation = Operation::new(route, "summarize-transactions", "Add transactions up", access).about(
        "By category, month, merchant or account, or by two of them, and by currency. Of one household: `household_id` is \
         required of who is in several.",
    );
    let names = GROUPS.map(|(name, _)| name);
    let pairs = names.iter().flat_map(|first| {
        names.iter().filter(move |second| *second != first).map(move |second| format!("{first},{second}"))
    });
    let choices: Vec<_> = names.iter().map(|name| (*name).to_owned()).chain(pairs).collect();
    described(operation, "true")
        .query_as(
            "group_by",
            "What the groups have in common: one of `category`, `month`, `merchant` and `account`, or two different ones with \
             a comma between them. Required.",
            json!({"type": "string", "enum": choices}),
        )
        .answer::<Answer>(200, "The groups, and what all of it comes to.")
        .problems(&["invalid_field", "range_too_large"])
}
