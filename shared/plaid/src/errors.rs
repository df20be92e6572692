//! What Plaid's refusals mean: by code, then by type, then by status.

use domain::bank::{BankError, Patience};
use serde::Deserialize;

use crate::client::passing;

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "Plaid's names")]
struct Envelope {
    error_type: Option<String>,
    error_code: String,
    error_message: Option<String>,
}

/// The meaning of an answer that is not a 200.
pub(crate) fn meaning(status: u16, retry_after_s: Option<u32>, body: &str) -> BankError {
    let later = |code: String, patience| BankError::Later { code, patience, retry_after_s };
    let Ok(envelope) = serde_json::from_str::<Envelope>(body) else {
        // A proxy's page instead of Plaid's answer, or one that broke off.
        return later(format!("http_{status}"), Patience::Seconds);
    };
    by_code(&envelope)
        .or_else(|| by_type(&envelope))
        .unwrap_or_else(|| match status {
            429 | 500.. => passing(&envelope.error_code),
            _ => BankError::OurFault { code: envelope.error_code.clone() },
        })
        .with_retry_after(retry_after_s)
}

trait WithRetryAfter {
    fn with_retry_after(self, seconds: Option<u32>) -> Self;
}

impl WithRetryAfter for BankError {
    fn with_retry_after(self, seconds: Option<u32>) -> Self {
        match self {
            Self::Later { code, patience, .. } => Self::Later { code, patience, retry_after_s: seconds },
            other => other,
        }
    }
}

/// Codes whose meaning Plaid documents (<https://plaid.com/docs/errors/>).
fn by_code(envelope: &Envelope) -> Option<BankError> {
    let code = envelope.error_code.clone();
    Some(match envelope.error_code.as_str() {
        "ITEM_LOGIN_REQUIRED"
        | "ACCESS_NOT_GRANTED"
        | "NO_ACCOUNTS"
        | "ADDITIONAL_CONSENT_REQUIRED"
        | "INSUFFICIENT_CREDENTIALS"
        | "INVALID_CREDENTIALS"
        | "INVALID_MFA"
        | "INVALID_SEND_METHOD"
        | "USER_INPUT_TIMEOUT"
        | "ITEM_LOCKED"
        | "PASSWORD_RESET_REQUIRED"
        | "USER_SETUP_REQUIRED"
        | "INVALID_UPDATED_USERNAME" => BankError::NeedsUser { code },
        "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION" => BankError::RestartPagination,
        "INSTITUTION_DOWN" | "INSTITUTION_NOT_RESPONDING" | "INSTITUTION_NOT_AVAILABLE" => {
            BankError::Later { code, patience: Patience::Hours, retry_after_s: None }
        }
        "RATE_LIMIT"
        | "RATE_LIMIT_EXCEEDED"
        | "ACCOUNTS_LIMIT"
        | "ITEM_GET_LIMIT"
        | "INSTITUTIONS_GET_LIMIT"
        | "INSTITUTIONS_GET_BY_ID_LIMIT"
        | "INSTITUTION_RATE_LIMIT"
        | "TRANSACTIONS_LIMIT"
        | "TRANSACTIONS_SYNC_LIMIT"
        | "INTERNAL_SERVER_ERROR"
        | "PLANNED_MAINTENANCE"
        | "PRODUCT_NOT_READY" => passing(&code),
        "ITEM_NOT_FOUND"
        | "INVALID_ACCESS_TOKEN"
        | "USER_PERMISSION_REVOKED"
        | "ITEM_CONCURRENTLY_DELETED" => BankError::Gone { code },
        "INVALID_PUBLIC_TOKEN" => BankError::PublicTokenRefused { code },
        "INVALID_ACCOUNT_ID" => BankError::AccountGone { code },
        "INVALID_FIELD" if is_about_the_cursor(envelope.error_message.as_deref().unwrap_or_default()) => {
            BankError::CursorRefused
        }
        _ => return None,
    })
}

/// `INVALID_FIELD` has no code of its own for a cursor of another access token; the message is all there is.
fn is_about_the_cursor(message: &str) -> bool {
    message.to_ascii_lowercase().contains("cursor")
}

fn by_type(envelope: &Envelope) -> Option<BankError> {
    let code = envelope.error_code.clone();
    match envelope.error_type.as_deref().unwrap_or_default() {
        "RATE_LIMIT_EXCEEDED" | "API_ERROR" => Some(passing(&code)),
        "INSTITUTION_ERROR" => {
            Some(BankError::Later { code, patience: Patience::Hours, retry_after_s: None })
        }
        "ITEM_ERROR" => Some(BankError::NeedsUser { code }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, code: &str, message: &str) -> String {
        format!(
            r#"{{"error_type":"{kind}","error_code":"{code}","error_message":"{message}","new_field":{{}}}}"#
        )
    }

    fn code(code: &str) -> String {
        code.to_owned()
    }

    #[test]
    fn refusals_have_meanings() {
        let seconds = |code: &str| passing(code);
        let hours = |code: &str| BankError::Later {
            code: code.into(),
            patience: Patience::Hours,
            retry_after_s: None,
        };
        let cases = [
            (
                400,
                "ITEM_ERROR",
                "ITEM_LOGIN_REQUIRED",
                BankError::NeedsUser { code: code("ITEM_LOGIN_REQUIRED") },
            ),
            (400, "ITEM_ERROR", "BRAND_NEW", BankError::NeedsUser { code: code("BRAND_NEW") }),
            (400, "INSTITUTION_ERROR", "INSTITUTION_DOWN", hours("INSTITUTION_DOWN")),
            (400, "INSTITUTION_ERROR", "BRAND_NEW", hours("BRAND_NEW")),
            (429, "RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", seconds("TRANSACTIONS_SYNC_LIMIT")),
            (400, "RATE_LIMIT_EXCEEDED", "BRAND_NEW", seconds("BRAND_NEW")),
            (500, "API_ERROR", "INTERNAL_SERVER_ERROR", seconds("INTERNAL_SERVER_ERROR")),
            (503, "BRAND_NEW", "BRAND_NEW", seconds("BRAND_NEW")),
            (400, "ITEM_ERROR", "ITEM_NOT_FOUND", BankError::Gone { code: code("ITEM_NOT_FOUND") }),
            (
                400,
                "INVALID_INPUT",
                "INVALID_ACCESS_TOKEN",
                BankError::Gone { code: code("INVALID_ACCESS_TOKEN") },
            ),
            (
                400,
                "INVALID_INPUT",
                "INVALID_ACCOUNT_ID",
                BankError::AccountGone { code: code("INVALID_ACCOUNT_ID") },
            ),
            (
                400,
                "INVALID_INPUT",
                "INVALID_API_KEYS",
                BankError::OurFault { code: code("INVALID_API_KEYS") },
            ),
            (
                400,
                "INVALID_INPUT",
                "INVALID_PUBLIC_TOKEN",
                BankError::PublicTokenRefused { code: code("INVALID_PUBLIC_TOKEN") },
            ),
            (
                400,
                "TRANSACTIONS_ERROR",
                "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
                BankError::RestartPagination,
            ),
        ];
        for (status, kind, code, expected) in cases {
            assert_eq!(meaning(status, None, &body(kind, code, "")), expected, "{status} {kind} {code}");
        }
        let refused = body("INVALID_REQUEST", "INVALID_FIELD", "cursor not associated with access_token");
        assert_eq!(meaning(400, None, &refused), BankError::CursorRefused);
        let other = body("INVALID_REQUEST", "INVALID_FIELD", "count must be at most 500");
        assert_eq!(meaning(400, None, &other), BankError::OurFault { code: code("INVALID_FIELD") });
    }

    #[test]
    fn a_page_that_is_no_json_passes_and_retry_after_is_kept() {
        let html = meaning(503, Some(7), "<html>");
        assert_eq!(
            html,
            BankError::Later { code: code("http_503"), patience: Patience::Seconds, retry_after_s: Some(7) }
        );
    }
}
