//! Ids of webhook keys that Plaid has confirmed, stored beyond the life of an instance.
//!
//! Only ids are stored: a key itself always comes from Plaid. Write access to the list allows six extra look-ups a minute, and
//! nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::keys::{KeyError, KeyId};

/// Ids in the list. Plaid signs with one key at a time and keeps a few.
pub const MAX_CONFIRMED_KEYS: usize = 16;

/// Reads the list.
#[async_trait]
pub trait ConfirmedKeys: Send + Sync {
    /// All ids, newest first.
    async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError>;
}

/// Writes the list.
#[async_trait]
pub trait ConfirmedKeyWriter: Send + Sync {
    /// Adds an id, if it is missing. A concurrent write may lose it; the next webhook with that key adds it again.
    async fn confirm(&self, kid: &KeyId) -> Result<(), KeyError>;
}

/// Adds the keys of verified webhooks to the list, each once in an instance.
pub struct KeyConfirmer {
    list: Arc<dyn ConfirmedKeyWriter>,
    done: Mutex<Vec<KeyId>>,
}

impl KeyConfirmer {
    /// A confirmer for a list.
    pub fn new(list: Arc<dyn ConfirmedKeyWriter>) -> Self {
        Self { list, done: Mutex::default() }
    }

    /// Adds the key of a verified webhook. After a failure the next webhook adds it.
    pub async fn confirm(&self, kid: &KeyId) {
        let done = || self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done().contains(kid) || self.list.confirm(kid).await.is_err() {
            return;
        }
        let mut done = done();
        done.push(kid.clone());
        let surplus = done.len().saturating_sub(MAX_CONFIRMED_KEYS);
        done.drain(..surplus);
    }
}
