//! Schemas of what is not a type of its own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::codes::CODES;

/// Where schemas stand that have a name.
pub(super) const PATH: &str = "#/components/schemas";

/// An amount of money in text: `#[schemars(with = "Option<Amount>")]` on a field that has one.
pub struct Amount;

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An exact decimal; positive when money leaves the account.",
            "pattern": r"^-?[0-9]{1,29}(\.[0-9]{1,28})?$",
        })
    }
}

/// A currency's code: `#[schemars(with = "Option<Currency>")]` on a field that has one.
pub struct Currency;

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A code of ISO 4217, or one of Plaid's for what has none, as BTC.",
        })
    }
}

pub(super) fn idempotency_key() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"})
}

pub(super) fn if_match() -> Value {
    json!({"type": "string", "examples": ["\"7\""]})
}

/// RFC 9457, with what we add.
pub(super) fn problem() -> Value {
    let codes: Vec<_> = CODES.iter().map(|code| code.name).collect();
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457). `code` is stable, `detail` is for people.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:wumbo:problem:[a-z_]+$"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": codes},
            "request_id": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "The fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {
                        "field": {"type": "string", "description": "A path in the body, or the name of a parameter or header."},
                        "message": {"type": "string"},
                    },
                },
            },
            "count": {"type": "integer", "minimum": 1, "description": "How many things are in the way."},
            "plaid_code": {"type": "string", "description": "Plaid's code, where Plaid refused."},
        },
    })
}

/// What the gateway says by itself.
pub(super) fn gateway_message() -> Value {
    json!({
        "type": "object",
        "description": "What the gateway itself refuses.",
        "required": ["message"],
        "properties": {"message": {"type": "string"}},
    })
}
