//! The names of webhook keys that Plaid has confirmed, in a secret of their own: the receiver of webhooks may read it and write
//! nothing anywhere, and it has no way to any table.

use async_trait::async_trait;
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use domain::webhook::{Confirmations, ConfirmedKeys, KeyError, KeyId, MOST_CONFIRMED};
use serde::{Deserialize, Serialize};

/// Names of keys from Secrets Manager: `{"key_ids": [...]}`, the newest first.
pub struct KeyNames {
    client: Client,
    secret_id: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    key_ids: Vec<KeyId>,
}

impl KeyNames {
    /// The names in the secret with this ARN or name.
    pub fn new(config: &aws_types::SdkConfig, secret_id: String) -> Self {
        Self { client: Client::new(config), secret_id }
    }
}

fn unavailable(why: &str) -> KeyError {
    KeyError::Unavailable(why.to_owned())
}

#[async_trait]
impl ConfirmedKeys for KeyNames {
    async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError> {
        let answer = match self.client.get_secret_value().secret_id(&self.secret_id).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match error.as_service_error() {
                    // It has no value yet.
                    Some(GetSecretValueError::ResourceNotFoundException(_)) => Ok(Vec::new()),
                    _ => Err(unavailable("the names of keys cannot be read")),
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
impl Confirmations for KeyNames {
    async fn confirm(&self, kid: &KeyId) -> Result<(), KeyError> {
        let mut key_ids = self.confirmed().await?;
        if key_ids.contains(kid) {
            return Ok(());
        }
        key_ids.insert(0, kid.clone());
        key_ids.truncate(MOST_CONFIRMED);
        let text =
            serde_json::to_string(&Stored { key_ids }).map_err(|_bad| unavailable("unwritable names"))?;
        let put = self.client.put_secret_value().secret_id(&self.secret_id).secret_string(text);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(_) => Err(unavailable("the names of keys cannot be written")),
        }
    }
}
