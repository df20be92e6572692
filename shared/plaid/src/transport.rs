//! What carries a call to Plaid, and its answer back.

use std::time::Duration;

use async_trait::async_trait;
use domain::secret::PlaidCredentials;
use thiserror::Error;

/// One call.
pub struct Call<'a> {
    /// The endpoint, such as `/transactions/sync`.
    pub path: &'a str,
    /// The request's JSON.
    pub body: Vec<u8>,
    /// Our keys.
    pub keys: &'a PlaidCredentials,
    /// How long it may take.
    pub timeout: Duration,
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

/// There is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TransportError {
    /// It took too long. Whether the call took effect is not known.
    #[error("timeout")]
    Timeout,
    /// The call never left.
    #[error("unreachable")]
    Unreachable,
    /// The connection broke. Whether the call took effect is not known.
    #[error("interrupted")]
    Interrupted,
    /// The answer is larger than any of Plaid's.
    #[error("answer_too_large")]
    TooLarge,
}

/// A way to Plaid. Each call is sent once.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Posts a call.
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError>;
}
