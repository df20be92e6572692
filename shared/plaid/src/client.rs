//! One client, one door for every call.

use std::{sync::Arc, time::Duration};

use domain::{
    bank::{BankError, Meaning, Patience},
    secret::{CredentialError, CredentialSource},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    errors,
    http::Http,
    transport::{Call, Transport, TransportError},
};

/// The client cannot be built.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Not a URL.
    #[error("the Plaid base URL is not a URL with http or https: {0}")]
    BaseUrl(String),
    /// TLS could not be set up.
    #[error("TLS for Plaid could not be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client could not be set up.
    #[error("the HTTP client for Plaid could not be set up")]
    Http(#[source] reqwest::Error),
}

/// Plaid, with our keys.
pub struct Client {
    transport: Arc<dyn Transport>,
    credentials: Arc<dyn CredentialSource>,
}

impl Client {
    /// A client of the Plaid at `base_url`, such as `https://production.plaid.com`. Nothing is sent yet.
    pub fn new(base_url: &str, credentials: Arc<dyn CredentialSource>) -> Result<Self, ConfigError> {
        Ok(Self::over(Arc::new(Http::new(base_url)?), credentials))
    }

    /// A client over any way to Plaid.
    pub fn over(transport: Arc<dyn Transport>, credentials: Arc<dyn CredentialSource>) -> Self {
        Self { transport, credentials }
    }

    /// Posts `request` to `path` and gives the answer's text, or what the refusal means.
    pub(crate) async fn post(
        &self,
        path: &str,
        request: &(impl Serialize + Sync),
        timeout: Duration,
    ) -> Result<String, BankError> {
        let keys = self.credentials.credentials().await.map_err(|error| match error {
            CredentialError::Unavailable => passing("credentials_unavailable"),
            CredentialError::Unusable(_) => BankError::new(Meaning::OurFault, "credentials_unusable"),
        })?;
        let body = serde_json::to_vec(request)
            .map_err(|_why| BankError::new(Meaning::OurFault, "unserializable_request"))?;
        let call = Call { path, body, keys: &keys, timeout };
        let answer = self.transport.post(call).await.map_err(no_answer)?;
        let text = String::from_utf8(answer.body).map_err(|_why| passing("unreadable"))?;
        if answer.status == 200 {
            return Ok(text);
        }
        Err(errors::meaning(answer.status, answer.retry_after_s, &text))
    }
}

fn no_answer(error: TransportError) -> BankError {
    match error {
        TransportError::TooLarge => BankError::new(Meaning::OurFault, error.to_string()),
        TransportError::Timeout | TransportError::Unreachable | TransportError::Interrupted => {
            passing(&error.to_string())
        }
    }
}

/// What an answer that is no answer means: the same call may work in a moment.
pub(crate) fn passing(code: &str) -> BankError {
    BankError::later(Patience::Seconds, code)
}
