//! Ids of confirmed webhook keys, in a secret of their own. The receiver of webhooks may read it, and needs no access to a table.

use async_trait::async_trait;
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use domain::webhook::{ConfirmedKeyWriter, ConfirmedKeys, KeyError, KeyId, MAX_CONFIRMED_KEYS};
use serde::{Deserialize, Serialize};

/// Key ids in Secrets Manager: `{"key_ids": [...]}`, newest first.
pub struct ConfirmedKeySecret {
    client: Client,
    secret_id: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    key_ids: Vec<KeyId>,
}

impl ConfirmedKeySecret {
    /// The ids in the secret with this ARN or name.
    pub fn new(config: &aws_types::SdkConfig, secret_id: String) -> Self {
        Self { client: Client::new(config), secret_id }
    }
}

fn unavailable(why: &str) -> KeyError {
    KeyError::Unavailable(why.to_owned())
}

#[async_trait]
impl ConfirmedKeys for ConfirmedKeySecret {
    async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError> {
        let answer = match self.client.get_secret_value().secret_id(&self.secret_id).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match error.as_service_error() {
                    // It has no value yet.
                    Some(GetSecretValueError::ResourceNotFoundException(_)) => Ok(Vec::new()),
                    _ => Err(unavailable("the list of key ids cannot be read")),
                };
            }
        };
        let text = answer.secret_string.unwrap_or_default();
        let stored: Stored =
            serde_json::from_str(&text).map_err(|_why| unavailable("the secret is not {key_ids}"))?;
        Ok(stored.key_ids)
    }
}

#[async_trait]
impl ConfirmedKeyWriter for ConfirmedKeySecret {
    async fn confirm(&self, kid: &KeyId) -> Result<(), KeyError> {
        let mut key_ids = self.confirmed().await?;
        if key_ids.contains(kid) {
            return Ok(());
        }
        key_ids.insert(0, kid.clone());
        key_ids.truncate(MAX_CONFIRMED_KEYS);
        let text = serde_json::to_string(&Stored { key_ids })
            .map_err(|_bad| unavailable("the list of key ids cannot be encoded"))?;
        let put = self.client.put_secret_value().secret_id(&self.secret_id).secret_string(text);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(_) => Err(unavailable("the list of key ids cannot be written")),
        }
    }
}
