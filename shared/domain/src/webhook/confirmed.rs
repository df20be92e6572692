//! The names of keys that Plaid has confirmed, which outlive the instance that asked.
//!
//! Names alone: a key itself always comes from Plaid. Whoever could write the list could make an instance ask Plaid after six names
//! a minute more, and nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::keys::{KeyError, KeyId};

/// So many names are kept, the newest: Plaid signs with one key at a time and keeps a few.
pub const MOST_CONFIRMED: usize = 16;

/// Reads the list.
#[async_trait]
pub trait ConfirmedKeys: Send + Sync {
    /// All names, the newest first.
    async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError>;
}

/// Writes the list.
#[async_trait]
pub trait Confirmations: Send + Sync {
    /// Adds a name, unless it is there. Of two at once the later one may take the other's name off: its next webhook adds it
    /// again.
    async fn confirm(&self, kid: &KeyId) -> Result<(), KeyError>;
}

/// Confirms the keys of webhooks, each once in an instance.
pub struct Confirmer {
    list: Arc<dyn Confirmations>,
    done: Mutex<Vec<KeyId>>,
}

impl Confirmer {
    /// Confirms to a list.
    pub fn new(list: Arc<dyn Confirmations>) -> Self {
        Self { list, done: Mutex::default() }
    }

    /// Notes the key of a webhook that was Plaid's. What fails is done again with the next one.
    pub async fn note(&self, kid: &KeyId) {
        let done = || self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done().contains(kid) || self.list.confirm(kid).await.is_err() {
            return;
        }
        let mut done = done();
        done.push(kid.clone());
        let surplus = done.len().saturating_sub(MOST_CONFIRMED);
        done.drain(..surplus);
    }
}
