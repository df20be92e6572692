//! Plaid's error envelope.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::reply::Reply;

/// A refusal: status, type, code, message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaidError {
    pub(crate) status: u16,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl PlaidError {
    pub(crate) fn new(kind: &'static str, code: &str, message: &str) -> Self {
        Self { status: 400, kind: kind.into(), code: code.to_owned(), message: message.to_owned() }
    }

    pub(crate) fn request(code: &str, message: &str) -> Self {
        Self::new("INVALID_REQUEST", code, message)
    }

    pub(crate) fn input(code: &str, message: &str) -> Self {
        Self::new("INVALID_INPUT", code, message)
    }

    pub(crate) fn item(code: &str, message: &str) -> Self {
        Self::new("ITEM_ERROR", code, message)
    }

    /// A cursor of another item, or none of ours.
    pub(crate) fn foreign_cursor() -> Self {
        Self::request("INVALID_FIELD", "cursor not associated with access_token")
    }

    /// An error by its code alone, with the type that Plaid documents for it.
    pub(crate) fn of_code(code: &str) -> Self {
        let (kind, status) = match code {
            "INSTITUTION_DOWN"
            | "INSTITUTION_NOT_RESPONDING"
            | "INSTITUTION_NOT_AVAILABLE"
            | "INSTITUTION_NO_LONGER_SUPPORTED"
            | "UNAUTHORIZED_INSTITUTION"
            | "INSTITUTION_REGISTRATION_REQUIRED"
            | "UNSUPPORTED_RESPONSE" => ("INSTITUTION_ERROR", 400),
            "INTERNAL_SERVER_ERROR" => ("API_ERROR", 500),
            "PLANNED_MAINTENANCE" => ("API_ERROR", 503),
            "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION" => ("TRANSACTIONS_ERROR", 400),
            code if code.ends_with("_LIMIT") || code.starts_with("RATE_LIMIT") => {
                ("RATE_LIMIT_EXCEEDED", 429)
            }
            "INVALID_API_KEYS"
            | "INVALID_PUBLIC_TOKEN"
            | "INVALID_ACCESS_TOKEN"
            | "INVALID_ACCOUNT_ID"
            | "INVALID_LINK_TOKEN"
            | "INVALID_INSTITUTION"
            | "INVALID_PRODUCT"
            | "DIRECT_INTEGRATION_NOT_ENABLED"
            | "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT"
            | "SANDBOX_ONLY"
            | "UNAUTHORIZED_ENVIRONMENT"
            | "UNAUTHORIZED_ROUTE_ACCESS"
            | "INVALID_WEBHOOK_VERIFICATION_KEY_ID" => ("INVALID_INPUT", 400),
            "INVALID_FIELD"
            | "INVALID_BODY"
            | "INVALID_HEADERS"
            | "INVALID_CONFIGURATION"
            | "INCOMPATIBLE_API_VERSION"
            | "MISSING_FIELDS"
            | "UNKNOWN_FIELDS"
            | "NOT_FOUND"
            | "NO_LONGER_AVAILABLE" => ("INVALID_REQUEST", 400),
            _ => ("ITEM_ERROR", 400),
        };
        Self { status, ..Self::new(kind, code, "asked for on demand") }
    }

    /// The same error under another type, with the status that goes with that one.
    pub(crate) fn of_type(self, kind: &str) -> Self {
        let status = match (self.status, kind) {
            (400, "RATE_LIMIT_EXCEEDED") => 429,
            (400, "API_ERROR") => 500,
            (status, _) => status,
        };
        Self { status, kind: kind.to_owned().into(), ..self }
    }

    pub(crate) fn body(&self, request_id: &str) -> Value {
        json!({
            "error_type": self.kind,
            "error_code": self.code,
            "error_message": self.message,
            "display_message": null,
            "documentation_url": format!("https://plaid.com/docs/?ref=error#{}", self.code.to_lowercase()),
            "request_id": request_id,
            "suggested_action": null,
        })
    }

    /// The error as webhooks have it: with its status, without a request.
    pub(crate) fn in_webhook(&self) -> Value {
        json!({
            "error_type": self.kind,
            "error_code": self.code,
            "error_message": self.message,
            "display_message": null,
            "status": self.status,
        })
    }

    pub(crate) fn reply(&self, request_id: &str) -> Reply {
        Reply::json(self.status, self.body(request_id).to_string())
    }
}
