//! What the parameters of a search say of themselves.

use domain::{
    ids::{HouseholdId, Tag},
    search::Sort,
};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{MOST_DECIMALS, MOST_IDS};
use crate::openapi::Operation;

/// An endpoint that takes all that [`super::Asked`] reads, with what counts where `in_budget` is not given.
pub fn described(operation: Operation, in_budget: &str) -> Operation {
    let amount =
        json!({"type": "string", "pattern": format!(r"^[0-9]{{1,28}}(\.[0-9]{{1,{MOST_DECIMALS}}})?$")});
    let flag = json!({"type": "boolean"});
    let ids = format!("Up to {MOST_IDS} with commas between them.");
    operation
        .query::<HouseholdId>("household_id", "Of this household.")
        .query_as(
            "q",
            "With all of these words in name, merchant or note; case and accents do not count.",
            json!({"type": "string", "minLength": 1, "maxLength": 100}),
        )
        .query::<Date>("from", "Of this day and later.")
        .query::<Date>("to", "Of this day and earlier.")
        .query_as("min_amount", "Of this amount and more, whichever way it went.", amount.clone())
        .query_as("max_amount", "Of this amount and less, whichever way it went.", amount)
        .query_as("direction", "Into the account, or out of it.", json!({"type": "string", "enum": ["in", "out"]}))
        .query_as(
            "category_id",
            format!("Of one of these categories, or below them; `none` for what has none. {ids}"),
            json!({"type": "string"}),
        )
        .query_as(
            "type",
            "Of this type, which the category has. Without a category, money that came in is income and money that went out \
             is expense.",
            json!({"type": "string", "enum": ["income", "expense", "transfer"]}),
        )
        .query_as("account_id", format!("Of one of these accounts. {ids}"), json!({"type": "string"}))
        .query_as(
            "in_budget",
            "On accounts that count in budgets (`include_in_budget`), on those that do not, or on any.",
            json!({"type": "string", "enum": ["true", "false", "any"], "default": in_budget}),
        )
        .query::<Tag>("tag", "With this tag; case does not count.")
        .query_as("pending", "Whether they may still change or vanish.", flag.clone())
        .query_as("manual", "Whether a person has entered them.", flag)
        .query_as(
            "hidden",
            "Without the hidden, with nothing but them, or with them.",
            json!({"type": "string", "enum": ["false", "true", "any"], "default": "false"}),
        )
        .query_as(
            "field",
            "With this field of the household's own, by its name, or with this value in it: `name:value`. Case and accents \
             of a text do not count.",
            json!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$"}),
        )
        .problems(&["household_not_found", "account_not_found", "category_not_found"])
}

/// The orders that there are.
pub fn sort_schema() -> Value {
    let names = Sort::ALL.map(|(name, _)| name);
    json!({"type": "string", "enum": names, "default": "-date"})
}
