//! The keys that Plaid signs webhooks with, and where they come from.

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::IdError;

/// Plaid's are UUIDs; nobody promises that they stay so.
const LONGEST_ID: usize = 128;

/// The name of a key (`kid`), as a stranger gave it: of bounded length, and of letters, digits and `-._~` alone, so that
/// it can be sent to Plaid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl TryFrom<String> for KeyId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(kid: KeyId) -> Self {
        kid.0
    }
}

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_ID || !text.bytes().all(is_plain) {
            return Err(IdError::new("a key id: 1 to 128 letters, digits or -._~"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Checks signatures: ES256 (RFC 7518), and no other algorithm.
pub trait VerifyingKey: Send + Sync {
    /// Whether `signature` (r and s, 32 bytes each) is this key's over `message`.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A key of Plaid's that is in use.
#[derive(Clone)]
pub struct WebhookKey(Arc<dyn VerifyingKey>);

impl WebhookKey {
    /// A key.
    pub fn new(key: impl VerifyingKey + 'static) -> Self {
        Self(Arc::new(key))
    }

    /// Whether `signature` is this key's over `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.has_signed(message, signature)
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey")
    }
}

/// There is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Plaid has no key of this name, in this environment.
    #[error("Plaid has no such key")]
    Unknown,
    /// Plaid does not sign with it any more.
    #[error("the key has expired")]
    Expired,
    /// Too many keys were asked for; Plaid was not asked. It says nothing of the key.
    #[error("too many keys were asked for")]
    LookUpsSpent,
    /// Plaid could not be asked, or gave no answer that tells. It says nothing of the key.
    #[error("the key cannot be looked up: {0}")]
    Unavailable(String),
}

/// Plaid's keys, as Plaid gives them.
#[async_trait]
pub trait WebhookKeys: Send + Sync {
    /// The key of this name, if it is in use. Asks Plaid each time; [`KeyError::Unknown`] and [`KeyError::Expired`] are
    /// Plaid's own words, everything else that goes wrong is [`KeyError::Unavailable`].
    async fn key(&self, kid: &KeyId) -> Result<WebhookKey, KeyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        let longest = "k".repeat(LONGEST_ID);
        for good in ["6c5516e1-92dc-479e-a8ff-5a51992e0001", "k", "A.b_c~9", longest.as_str()] {
            assert_eq!(good.parse::<KeyId>().unwrap().as_str(), good);
        }
        let too_long = "k".repeat(LONGEST_ID + 1);
        for bad in ["", "../../../etc/passwd", "a b", "a\n", "ключ", "a\"b", "a%2fb", too_long.as_str()] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }
}
