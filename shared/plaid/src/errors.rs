//! What Plaid's refusals mean: by code, then by type, then by status.

use domain::bank::{BankError, Meaning, Patience};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    error_type: Option<String>,
    error_code: String,
    error_message: Option<String>,
    request_id: Option<String>,
}

/// The meaning of an answer that is not a 200.
pub(crate) fn meaning(status: u16, retry_after_s: Option<u32>, body: &str) -> BankError {
    let later = |patience| Meaning::Later { patience, retry_after_s };
    let Ok(envelope) = serde_json::from_str::<Envelope>(body) else {
        // A proxy's page instead of Plaid's answer, or one that broke off.
        let patience = if status == 429 { Patience::Minute } else { Patience::Seconds };
        return BankError::new(later(patience), format!("http_{status}"));
    };
    let meaning = by_code(&envelope).or_else(|| by_type(&envelope)).unwrap_or_else(|| match status {
        429 => later(Patience::Minute),
        500.. => later(Patience::Seconds),
        _ => Meaning::OurFault,
    });
    let meaning = match meaning {
        Meaning::Later { patience, .. } => later(patience),
        other => other,
    };
    BankError { meaning, code: envelope.error_code, request_id: envelope.request_id }
}

/// The error that an item is in, as Plaid describes it beside other answers; `None` if it says none.
pub(crate) fn of_item(text: &str) -> Option<BankError> {
    let envelope: Envelope = serde_json::from_str(text).ok()?;
    let meaning = by_code(&envelope).or_else(|| by_type(&envelope)).unwrap_or(Meaning::OurFault);
    Some(BankError { meaning, code: envelope.error_code, request_id: envelope.request_id })
}

fn after(patience: Patience) -> Meaning {
    Meaning::Later { patience, retry_after_s: None }
}

/// Codes whose meaning Plaid documents (<https://plaid.com/docs/errors/>).
fn by_code(envelope: &Envelope) -> Option<Meaning> {
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
        | "INVALID_UPDATED_USERNAME" => Meaning::NeedsUser,
        "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION" => Meaning::RestartPagination,
        "INSTITUTION_DOWN" | "INSTITUTION_NOT_RESPONDING" | "INSTITUTION_NOT_AVAILABLE" => {
            after(Patience::Hours)
        }
        "RATE_LIMIT"
        | "RATE_LIMIT_EXCEEDED"
        | "ACCOUNTS_LIMIT"
        | "ITEM_GET_LIMIT"
        | "INSTITUTIONS_GET_LIMIT"
        | "INSTITUTIONS_GET_BY_ID_LIMIT"
        | "INSTITUTION_RATE_LIMIT"
        | "TRANSACTIONS_LIMIT"
        | "TRANSACTIONS_SYNC_LIMIT" => after(Patience::Minute),
        "INTERNAL_SERVER_ERROR" | "PLANNED_MAINTENANCE" | "PRODUCT_NOT_READY" => after(Patience::Seconds),
        "ITEM_NOT_FOUND"
        | "INVALID_ACCESS_TOKEN"
        | "USER_PERMISSION_REVOKED"
        | "ITEM_CONCURRENTLY_DELETED" => Meaning::Gone,
        // For good, at this bank or for this product: no log-in and no time helps.
        "PRODUCTS_NOT_SUPPORTED"
        | "PRODUCT_NOT_ENABLED"
        | "ITEM_NOT_SUPPORTED"
        | "MFA_NOT_SUPPORTED"
        | "INSTITUTION_NO_LONGER_SUPPORTED"
        | "UNSUPPORTED_RESPONSE" => Meaning::Unsupported,
        // Our set-up or our request, whatever type it comes with.
        "INVALID_API_KEYS"
        | "UNAUTHORIZED_ENVIRONMENT"
        | "UNAUTHORIZED_ROUTE_ACCESS"
        | "INVALID_PRODUCT"
        | "INVALID_INSTITUTION"
        | "UNAUTHORIZED_INSTITUTION"
        | "INSTITUTION_REGISTRATION_REQUIRED"
        | "DIRECT_INTEGRATION_NOT_ENABLED"
        | "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT"
        | "CREDITS_EXHAUSTED"
        | "SANDBOX_ONLY" => Meaning::OurFault,
        "INVALID_PUBLIC_TOKEN" => Meaning::PublicTokenRefused,
        "INVALID_ACCOUNT_ID" => Meaning::AccountGone,
        "INVALID_FIELD" if is_about_the_cursor(envelope.error_message.as_deref().unwrap_or_default()) => {
            Meaning::CursorRefused
        }
        _ => return None,
    })
}

/// `INVALID_FIELD` has no code of its own for a cursor of another access token; the message is all there is.
fn is_about_the_cursor(message: &str) -> bool {
    message.to_ascii_lowercase().contains("cursor")
}

fn by_type(envelope: &Envelope) -> Option<Meaning> {
    match envelope.error_type.as_deref().unwrap_or_default() {
        "RATE_LIMIT_EXCEEDED" => Some(after(Patience::Minute)),
        "API_ERROR" => Some(after(Patience::Seconds)),
        "INSTITUTION_ERROR" => Some(after(Patience::Hours)),
        "ITEM_ERROR" => Some(Meaning::NeedsUser),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, code: &str, message: &str) -> String {
        format!(
            r#"{{"error_type":"{kind}","error_code":"{code}","error_message":"{message}","request_id":"r1","new_field":{{}}}}"#
        )
    }

    #[test]
    fn refusals_have_meanings() {
        let (seconds, minute, hours) =
            (after(Patience::Seconds), after(Patience::Minute), after(Patience::Hours));
        let cases = [
            (400, "ITEM_ERROR", "ITEM_LOGIN_REQUIRED", Meaning::NeedsUser),
            (400, "ITEM_ERROR", "BRAND_NEW", Meaning::NeedsUser),
            (400, "INSTITUTION_ERROR", "INSTITUTION_DOWN", hours),
            (400, "INSTITUTION_ERROR", "BRAND_NEW", hours),
            (429, "RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", minute),
            (400, "RATE_LIMIT_EXCEEDED", "BRAND_NEW", minute),
            (429, "BRAND_NEW", "BRAND_NEW", minute),
            (500, "API_ERROR", "INTERNAL_SERVER_ERROR", seconds),
            (503, "BRAND_NEW", "BRAND_NEW", seconds),
            (400, "ITEM_ERROR", "ITEM_NOT_FOUND", Meaning::Gone),
            (400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN", Meaning::Gone),
            (400, "INVALID_INPUT", "INVALID_ACCOUNT_ID", Meaning::AccountGone),
            (400, "INVALID_INPUT", "INVALID_API_KEYS", Meaning::OurFault),
            (400, "ITEM_ERROR", "PRODUCTS_NOT_SUPPORTED", Meaning::Unsupported),
            (400, "ITEM_ERROR", "MFA_NOT_SUPPORTED", Meaning::Unsupported),
            (400, "INSTITUTION_ERROR", "INSTITUTION_NO_LONGER_SUPPORTED", Meaning::Unsupported),
            (400, "INSTITUTION_ERROR", "UNAUTHORIZED_INSTITUTION", Meaning::OurFault),
            (400, "INVALID_INPUT", "INVALID_PUBLIC_TOKEN", Meaning::PublicTokenRefused),
            (
                400,
                "TRANSACTIONS_ERROR",
                "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
                Meaning::RestartPagination,
            ),
        ];
        for (status, kind, code, expected) in cases {
            let error = meaning(status, None, &body(kind, code, ""));
            let said = (error.meaning, error.code.as_str(), error.request_id.as_deref());
            assert_eq!(said, (expected, code, Some("r1")), "{status} {kind}");
        }
        let refused = body("INVALID_REQUEST", "INVALID_FIELD", "cursor not associated with access_token");
        assert_eq!(meaning(400, None, &refused).meaning, Meaning::CursorRefused);
        let other = body("INVALID_REQUEST", "INVALID_FIELD", "count must be at most 500");
        assert_eq!(meaning(400, None, &other).meaning, Meaning::OurFault);
    }

    #[test]
    fn a_page_that_is_no_json_passes_and_retry_after_is_kept() {
        let html = meaning(503, Some(7), "<html>");
        let expected = Meaning::Later { patience: Patience::Seconds, retry_after_s: Some(7) };
        assert_eq!(html, BankError::new(expected, "http_503"));
        let limit = meaning(429, Some(3), &body("RATE_LIMIT_EXCEEDED", "RATE_LIMIT", ""));
        assert_eq!(limit.meaning, Meaning::Later { patience: Patience::Minute, retry_after_s: Some(3) });
    }
}
