//! Sealing and opening access tokens.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_kms::{Client, operation::decrypt::DecryptError, primitives::Blob};
use domain::{
    ids::ItemRef,
    secret::{AccessToken, SealedToken},
    vault::{TokenOpener, TokenSealer, VaultError},
};
use zeroize::Zeroizing;

/// What the key may be used for; key and role policies require it.
const PURPOSE: &str = "plaid-access-token";

fn context(at: &ItemRef) -> HashMap<String, String> {
    [("purpose", PURPOSE), ("household", at.household.as_str()), ("item", at.item.as_str())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Seals tokens: `kms:Encrypt` and nothing else.
#[derive(Debug, Clone)]
pub struct Sealer {
    kms: Client,
    key: String,
}

impl Sealer {
    /// Seals with this key (its ARN).
    pub fn new(config: &aws_types::SdkConfig, key: String) -> Self {
        Self { kms: Client::new(config), key }
    }

    async fn encrypt(&self, at: &ItemRef, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let answer = self
            .kms
            .encrypt()
            .key_id(&self.key)
            .set_encryption_context(Some(context(at)))
            .plaintext(Blob::new(plain))
            .send()
            .await
            .map_err(|_why| VaultError::Unavailable)?;
        answer.ciphertext_blob.map(Blob::into_inner).ok_or(VaultError::Unavailable)
    }
}

#[async_trait]
impl TokenSealer for Sealer {
    async fn rehearse(&self, item: &ItemRef) -> Result<(), VaultError> {
        self.encrypt(item, b"rehearsal").await.map(drop)
    }

    async fn seal(&self, item: &ItemRef, token: &AccessToken) -> Result<SealedToken, VaultError> {
        self.encrypt(item, token.expose().as_bytes()).await.map(SealedToken)
    }
}

/// Opens tokens: `kms:Decrypt` and nothing else.
#[derive(Debug, Clone)]
pub struct Opener {
    kms: Client,
    key: String,
}

impl Opener {
    /// Opens what was sealed with this key (its ARN).
    pub fn new(config: &aws_types::SdkConfig, key: String) -> Self {
        Self { kms: Client::new(config), key }
    }
}

#[async_trait]
impl TokenOpener for Opener {
    async fn open(&self, item: &ItemRef, sealed: &SealedToken) -> Result<AccessToken, VaultError> {
        let answer = self
            .kms
            .decrypt()
            .key_id(&self.key)
            .set_encryption_context(Some(context(item)))
            .ciphertext_blob(Blob::new(sealed.0.clone()))
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(
                    DecryptError::InvalidCiphertextException(_) | DecryptError::IncorrectKeyException(_),
                ) => VaultError::NotForThisItem,
                _ => VaultError::Unavailable,
            })?;
        let plain = Zeroizing::new(answer.plaintext.ok_or(VaultError::Unavailable)?.into_inner());
        let token = std::str::from_utf8(&plain).map_err(|_not_text| VaultError::NotForThisItem)?;
        Ok(AccessToken::new(token.to_owned()))
    }
}
