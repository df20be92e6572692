//! Access tokens at rest: sealed by the key service for one item of one household, opened only for the same.

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    ids::ItemRef,
    secret::{AccessToken, SealedToken},
};

/// Why a token could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The key service does not answer, throttles or refuses us: try again.
    #[error("the key service cannot be reached")]
    Unavailable,
    /// The sealed bytes do not open for this item: copied from another row, or damaged.
    #[error("the sealed token does not belong to this item")]
    NotForThisItem,
}

/// Seals. Functions that link hold this half only.
#[async_trait]
pub trait TokenSealer: Send + Sync {
    /// Proves that sealing for `item` works right now, before a token exists that could be lost.
    async fn rehearse(&self, item: &ItemRef) -> Result<(), VaultError>;

    /// Seals `token` for `item`.
    async fn seal(&self, item: &ItemRef, token: &AccessToken) -> Result<SealedToken, VaultError>;
}

/// Opens. Only the worker and the removal hold this half. One call of the key service each, never cached.
#[async_trait]
pub trait TokenOpener: Send + Sync {
    /// Opens what was sealed for `item`.
    async fn open(&self, item: &ItemRef, sealed: &SealedToken) -> Result<AccessToken, VaultError>;
}
