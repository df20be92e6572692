//! From what came to what is Plaid's.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    confirmed::ConfirmedKeys,
    environment::Environment,
    keys::{KeyError, WebhookKeys},
    message::ReceivedWebhook,
    ring::KeyRing,
    token::{Claims, Token},
};
use crate::{ids::fingerprint, time::Clock};

/// Bodies that are looked at. Plaid's have some hundred bytes; the most fit the queue, as JSON inside JSON.
pub const LARGEST_BODY: usize = 256 << 10;
/// How old a token may be: Plaid's own rule.
const OLDEST_S: i64 = 300;
/// How far our clock may be behind Plaid's.
const SKEW_S: i64 = 60;

/// Why a webhook is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No token came with it.
    #[error("there is no token")]
    NoToken,
    /// The token is no compact JWS of Plaid's shape.
    #[error("the token is malformed")]
    Malformed,
    /// The token names another algorithm than ES256.
    #[error("the token's algorithm is not ES256")]
    Algorithm,
    /// The token's key has no name that a key could have.
    #[error("the token names no key")]
    KeyId,
    /// Plaid has no such key.
    #[error("Plaid has no such key")]
    UnknownKey,
    /// Plaid does not sign with this key any more.
    #[error("the key has expired")]
    ExpiredKey,
    /// By its own unverified claims the token is of another body or time, and its key is not in memory. No signature could make it
    /// valid, so no key is looked up.
    #[error("unverified claims do not match the body or the time")]
    Unlikely,
    /// Too many keys were looked up: whether it is Plaid's is not known.
    #[error("too many keys were looked up")]
    LookUpsSpent,
    /// The key could not be looked up: whether it is Plaid's is not known.
    #[error("the key cannot be looked up: {0}")]
    KeyUnavailable(String),
    /// The key has not signed this token.
    #[error("the signature is not the key's")]
    Signature,
    /// The token is Plaid's, and of another body.
    #[error("the token is of another body")]
    BodyChanged,
    /// Token and body are Plaid's, and too old.
    #[error("the token is {age_s} s old")]
    Stale {
        /// Seconds since it was made.
        age_s: i64,
    },
    /// Token and body are Plaid's, and not of this time.
    #[error("the token is from the future")]
    FromTheFuture,
    /// It is Plaid's, and of the other environment.
    #[error("the webhook is of another environment")]
    OtherEnvironment,
    /// It is Plaid's, and no JSON object.
    #[error("the body is no JSON object")]
    NotJson,
}

impl Refusal {
    /// What programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "token_missing",
            Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::KeyId => "token_key_id",
            Self::UnknownKey => "key_unknown",
            Self::ExpiredKey => "key_expired",
            Self::Unlikely => "token_unlikely",
            Self::LookUpsSpent => "key_look_ups_spent",
            Self::KeyUnavailable(_) => "key_unavailable",
            Self::Signature => "token_signature",
            Self::BodyChanged => "body_changed",
            Self::Stale { .. } => "token_stale",
            Self::FromTheFuture => "token_from_the_future",
            Self::OtherEnvironment => "other_environment",
            Self::NotJson => "body_not_json",
        }
    }

    /// Whether the token's signature is Plaid's: what is counted here, no forger can add to.
    pub fn is_of_plaids_own(&self) -> bool {
        match self {
            Self::BodyChanged
            | Self::Stale { .. }
            | Self::FromTheFuture
            | Self::OtherEnvironment
            | Self::NotJson => true,
            Self::NoToken
            | Self::Malformed
            | Self::Algorithm
            | Self::KeyId
            | Self::UnknownKey
            | Self::ExpiredKey
            | Self::Unlikely
            | Self::LookUpsSpent
            | Self::KeyUnavailable(_)
            | Self::Signature => false,
        }
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unknown => Self::UnknownKey,
            KeyError::Expired => Self::ExpiredKey,
            KeyError::LookUpsSpent => Self::LookUpsSpent,
            KeyError::Unavailable(why) => Self::KeyUnavailable(why),
        }
    }
}

/// Tells Plaid's webhooks from everybody else's. Lives as long as its instance, and remembers keys.
pub struct Verifier {
    environment: Environment,
    ring: KeyRing,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier for the webhooks of one environment, whose keys these are.
    pub fn new(
        environment: Environment,
        keys: Arc<dyn WebhookKeys>,
        confirmed: Arc<dyn ConfirmedKeys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { environment, ring: KeyRing::new(keys, confirmed, clock.clone()), clock }
    }

    /// The webhook, if it is Plaid's: the token from the header `Plaid-Verification`, and the body's very bytes. What costs
    /// nothing is looked at first, and nothing is believed before the signature.
    pub async fn verify(&self, token: Option<&[u8]>, body: &[u8]) -> Result<ReceivedWebhook, Refusal> {
        let received_at = self.clock.now();
        let token = Token::read(token.ok_or(Refusal::NoToken)?)?;
        if !self.ring.has(&token.kid) {
            let claims = token.unverified();
            let is_good = is_of_this_body(claims, body).and_then(|()| is_of_this_time(claims, received_at));
            is_good.map_err(|_mismatch| Refusal::Unlikely)?;
        }
        let kid = token.kid.clone();
        let key = self.ring.key(&kid).await?;
        let claims = token.claims(&key)?;
        is_of_this_body(&claims, body)?;
        is_of_this_time(&claims, received_at)?;
        Ok(ReceivedWebhook { body: self.content(body)?, received_at, kid: Some(kid) })
    }

    /// The body as text. Webhooks of an older kind do not name their environment.
    fn content(&self, body: &[u8]) -> Result<String, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_not_utf8| Refusal::NotJson)?;
        let fields: HashMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(text).map_err(|_no_object| Refusal::NotJson)?;
        let environment = fields.get("environment").map(|raw| raw.get()).filter(|raw| *raw != "null");
        let is_ours = |raw: &str| {
            serde_json::from_str::<String>(raw).is_ok_and(|name| name == self.environment.as_str())
        };
        if environment.is_none_or(is_ours) { Ok(text.to_owned()) } else { Err(Refusal::OtherEnvironment) }
    }
}

/// In constant time: how much of a hash is right is nobody's business.
fn is_of_this_body(claims: &Claims, body: &[u8]) -> Result<(), Refusal> {
    let hash = fingerprint(body);
    let is_equal = hash.as_bytes().ct_eq(claims.request_body_sha256.as_bytes());
    if bool::from(is_equal) { Ok(()) } else { Err(Refusal::BodyChanged) }
}

fn is_of_this_time(claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
    let age_s = now.as_second().saturating_sub(claims.iat);
    match age_s {
        age_s if age_s > OLDEST_S => Err(Refusal::Stale { age_s }),
        age_s if age_s < -SKEW_S => Err(Refusal::FromTheFuture),
        _ => Ok(()),
    }
}
