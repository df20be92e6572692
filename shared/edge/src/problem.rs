//! Problems (RFC 9457): what every refusal looks like. `code` is stable, `detail` is for people.

use domain::{
    bank::{BankError, Meaning, Patience},
    household::AccessError,
    limit::Limit,
    store::StoreError,
    sync::QueueError,
    vault::VaultError,
    webhook::Refusal,
};
use serde::Serialize;

/// A refusal, on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What programs go by.
    pub code: &'static str,
    /// What people read: what happened and what to do.
    pub detail: String,
    /// The fields that are wrong.
    pub errors: Vec<FieldError>,
    /// Seconds after which another try makes sense.
    pub retry_after_s: Option<u32>,
    /// Plaid's code, where Plaid refused.
    pub plaid_code: Option<String>,
    /// How many things are in the way, where their number tells what to do.
    pub count: Option<u64>,
    /// What the log says beside it; never shown to the caller.
    pub cause: Option<String>,
    /// Whether no line of the log tells of it: strangers choose how many there would be.
    pub is_quiet: bool,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field: a path in the body, or a parameter's name.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    plaid_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Problem {
    /// A problem with a status, a code and words for people.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
            plaid_code: None,
            count: None,
            cause: None,
            is_quiet: false,
        }
    }

    /// 400: these fields are wrong.
    pub fn fields(code: &'static str, errors: Vec<FieldError>) -> Self {
        let all: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        Self { errors, ..Self::new(400, code, all.join("; ")) }
    }

    /// 400: one field is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        let error = FieldError { field: field.to_owned(), message: message.into() };
        Self::fields("invalid_field", vec![error])
    }

    /// 404: it is not there, or not the caller's, which is the same.
    pub fn not_found(code: &'static str, what: &str) -> Self {
        Self::new(404, code, format!("There is no such {what} in your households."))
    }

    /// 412: what is to be changed is not any more as the caller has seen it.
    pub fn stale() -> Self {
        Self::new(
            412,
            "precondition_failed",
            "It has changed since you read it. Read it again, and send its ETag as If-Match.",
        )
    }

    /// 503: another try after so many seconds may work.
    pub fn later(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(503, code, detail) }
    }

    /// 429: it was asked for as often as it may be.
    pub fn too_many_requests(limit: &Limit, retry_after_s: u32) -> Self {
        let Limit { what, by, max, seconds, .. } = limit;
        let words = format!(
            "The limit of {max} {what} per {by} in {seconds} seconds is reached. Try again in {retry_after_s} seconds."
        );
        Self { retry_after_s: Some(retry_after_s), ..Self::new(429, "too_many_requests", words) }
    }

    /// Without a line of the log.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    /// Adds what the log should say.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The body as JSON.
    pub fn to_json(&self, request_id: &str) -> String {
        let body = Body {
            kind: format!("urn:wumbo:problem:{}", self.code),
            title: title(self.status),
            status: self.status,
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
            plaid_code: self.plaid_code.as_deref(),
            count: self.count,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not found",
        405 => "Method not allowed",
        409 => "Conflict",
        412 => "Precondition failed",
        413 => "Content too large",
        422 => "Unprocessable",
        429 => "Too many requests",
        503 => "Service unavailable",
        _ => "Internal error",
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Busy => Self::later(
                "store_unavailable",
                "Your data cannot be reached right now. Try again in a moment.",
                2,
            )
            .because(error),
            StoreError::Corrupt(_) | StoreError::Refused(_) => {
                Self::new(500, "internal_error", "Something is wrong on our side.").because(error)
            }
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        Self::later(
            "vault_unavailable",
            "Bank connections cannot be made right now. Try again in a moment.",
            5,
        )
        .because(error)
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        Self::later("queue_unavailable", "A sync cannot be started right now. Try again in a moment.", 5)
            .because(error)
    }
}

/// 401 for what is proven false. What could not be checked is 503: Plaid sends it again.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let unchecked =
            |after_s| Self::later(refusal.code(), "The webhook cannot be checked right now.", after_s);
        let problem = match &refusal {
            // Look-ups are counted by the minute.
            Refusal::LookUpsSpent => unchecked(60),
            Refusal::KeyUnavailable(_) => unchecked(30),
            Refusal::NotJson => Self::new(400, refusal.code(), "The body must be a JSON object."),
            Refusal::NoToken
            | Refusal::Malformed
            | Refusal::Algorithm
            | Refusal::KeyId
            | Refusal::UnknownKey
            | Refusal::ExpiredKey
            | Refusal::Unlikely
            | Refusal::Signature
            | Refusal::BodyChanged
            | Refusal::Stale { .. }
            | Refusal::FromTheFuture
            | Refusal::OtherEnvironment => Self::new(401, refusal.code(), "This is no webhook of Plaid's."),
        };
        problem.because(&refusal)
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::not_found("household_not_found", "household"),
            AccessError::NotAllowed => {
                Self::new(403, "role_not_sufficient", "Your role in this household does not allow this.")
            }
            AccessError::Ambiguous => {
                Self::field("household_id", "is required, since you are in more than one household")
            }
            AccessError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    /// What somebody is told who may not, or who asks for an item or account that is not theirs: `code` and `what` name
    /// it.
    pub fn no_access(error: AccessError, code: &'static str, what: &str) -> Self {
        match error {
            AccessError::NotFound => Self::not_found(code, what),
            AccessError::NotAllowed | AccessError::Ambiguous | AccessError::Store(_) => error.into(),
        }
    }
}

impl From<BankError> for Problem {
    fn from(error: BankError) -> Self {
        let plaid_code = Some(error.code.clone());
        let problem = match error.meaning {
            Meaning::PublicTokenRefused => Self::new(
                422,
                "public_token_refused",
                "The public token was used before, has expired (30 minutes) or is not of this environment. Open \
                 Link again to get a new one.",
            ),
            Meaning::NeedsUser => Self::new(
                409,
                "item_needs_login",
                "The bank asks you to log in again. Repair the connection.",
            ),
            Meaning::Gone => {
                Self::new(409, "item_gone", "The connection has ended at the bank. Connect the bank again.")
            }
            Meaning::Unsupported => Self::new(
                409,
                "bank_unsupported",
                "The bank does not share transactions through Plaid. Disconnect it, or connect it again.",
            ),
            Meaning::AccountGone => {
                Self::new(409, "account_gone", "The bank does not share this account any more.")
            }
            Meaning::Later { patience: Patience::Hours, retry_after_s } => Self::later(
                "bank_unavailable",
                "The bank cannot be reached right now. It may take hours.",
                retry_after_s.unwrap_or(3600),
            ),
            Meaning::Later { patience: Patience::Seconds | Patience::Minute, retry_after_s } => Self::later(
                "plaid_unavailable",
                "Plaid cannot answer right now. Try again in a moment.",
                retry_after_s.unwrap_or(5),
            ),
            Meaning::RestartPagination | Meaning::CursorRefused | Meaning::Endless => Self::later(
                "plaid_unavailable",
                "The update changed while it was read. Try again in a moment.",
                5,
            ),
            Meaning::OurFault => {
                Self::new(500, "plaid_refused", "Plaid refused our request. This is ours to mend.")
            }
        };
        Self { plaid_code, ..problem.because(error) }
    }
}
