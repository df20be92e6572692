//! Requests that have their effect once, however often they come (`Idempotency-Key`,
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    ids::{Entropy, HouseholdId},
    limit::{Counted, Limit},
    store::StoreError,
};

/// A request with a key, about to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The SHA-256 of who asks, what for, and the key.
    pub key: String,
    /// The SHA-256 of what is asked.
    pub request: String,
    /// What new ids are made of. Another attempt at the same gets the same, so that it makes nothing twice.
    pub entropy: Entropy,
    /// When it began.
    pub began: Timestamp,
    /// When whoever carries it out has certainly ended.
    pub until: Timestamp,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Whose it is: only a member of the household is given it again.
    pub household: HouseholdId,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
}

/// How an attempt begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptStart {
    /// It is to be carried out, with this to make ids of.
    Go(Entropy),
    /// It has been answered.
    Answered(KeptAnswer),
    /// It has been answered; the answer was not for keeping.
    AnsweredUnkept,
    /// Somebody carries it out right now.
    UnderWay,
    /// The key was used for another request.
    OtherRequest,
}

/// Remembers requests with a key, for 24 hours.
#[async_trait]
pub trait RequestRecords: Send + Sync {
    /// Begins an attempt. One that never ended, and whose time is over, may be made again.
    async fn begin(&self, attempt: &Attempt) -> Result<AttemptStart, StoreError>;

    /// It was carried out; with the answer, if that may be kept.
    async fn answered(&self, attempt: &Attempt, answer: Option<&KeptAnswer>) -> Result<(), StoreError>;

    /// What became of it is not known: the same may be tried again at once.
    async fn reopen(&self, attempt: &Attempt) -> Result<(), StoreError>;

    /// It had no effect: the key is free again.
    async fn forget(&self, attempt: &Attempt) -> Result<(), StoreError>;

    /// Counts a request of `subject`, by one write. One whose answer is lost may count twice.
    async fn count(&self, limit: &Limit, subject: &str, now: Timestamp) -> Result<Counted, StoreError>;
}
