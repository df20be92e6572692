//! Our keys at Plaid.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use domain::secret::{CredentialError, CredentialSource, PlaidCredentials, PlaidSecret};
use serde::Deserialize;
use tokio::sync::Mutex;

/// A rotated secret is seen after so long.
const REMEMBERED: Duration = Duration::from_mins(5);

/// Plaid's keys from Secrets Manager: `{"client_id": …, "secret": …}`.
pub struct Credentials {
    client: Client,
    secret_id: String,
    remembered: Mutex<Option<(Instant, PlaidCredentials)>>,
}

#[derive(Deserialize)]
struct Stored {
    client_id: String,
    secret: String,
}

impl Credentials {
    /// The keys in the secret with this ARN or name.
    pub fn new(config: &aws_types::SdkConfig, secret_id: String) -> Self {
        Self { client: Client::new(config), secret_id, remembered: Mutex::new(None) }
    }

    async fn fetch(&self) -> Result<PlaidCredentials, CredentialError> {
        let request = self.client.get_secret_value().secret_id(&self.secret_id);
        let answer = request.send().await.map_err(|error| match error.as_service_error() {
            Some(GetSecretValueError::ResourceNotFoundException(_)) => {
                CredentialError::Unusable("the secret does not exist")
            }
            _ => CredentialError::Unavailable,
        })?;
        let text = answer.secret_string.ok_or(CredentialError::Unusable("the secret has no text"))?;
        let stored: Stored = serde_json::from_str(&text)
            .map_err(|_why| CredentialError::Unusable("the secret is not {client_id, secret}"))?;
        Ok(PlaidCredentials { client_id: stored.client_id, secret: PlaidSecret::new(stored.secret) })
    }
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError> {
        // Held over the call on purpose: ten callers at a cold start make one request.
        let mut remembered = self.remembered.lock().await;
        if let Some((at, keys)) = remembered.as_ref()
            && at.elapsed() < REMEMBERED
        {
            return Ok(keys.clone());
        }
        let keys = self.fetch().await?;
        *remembered = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }
}
