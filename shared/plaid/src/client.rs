//! One HTTP client, one door for every call.

use std::{sync::Arc, time::Duration};

use domain::{
    bank::{BankError, Patience},
    secret::{CredentialError, CredentialSource, PlaidCredentials},
};
use reqwest::{Response, Url, header::CONTENT_TYPE};
use serde::Serialize;
use thiserror::Error;

use crate::errors;

/// The version of Plaid's API that this client speaks. Without the header the dashboard's default would count.
const PLAID_VERSION: &str = "2020-09-14";
/// An answer may not be larger: a page of 500 transactions is below 1 MB.
const LARGEST_ANSWER: usize = 32 << 20;

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
    http: reqwest::Client,
    base: Url,
    credentials: Arc<dyn CredentialSource>,
}

impl Client {
    /// A client of the Plaid at `base_url`, such as `https://production.plaid.com`. Nothing is sent yet.
    pub fn new(base_url: &str, credentials: Arc<dyn CredentialSource>) -> Result<Self, ConfigError> {
        let base = Url::parse(base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ConfigError::BaseUrl(base_url.to_owned()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls().map_err(ConfigError::Tls)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            // Shorter than servers keep a silent connection: the exchange may not be repeated when one has gone.
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .map_err(ConfigError::Http)?;
        Ok(Self { http, base, credentials })
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
            CredentialError::Unusable(_) => BankError::OurFault { code: "credentials_unusable".to_owned() },
        })?;
        let body = serde_json::to_vec(request)
            .map_err(|_why| BankError::OurFault { code: "unserializable_request".to_owned() })?;
        let response = self.send(path, body, &keys, timeout).await?;
        let status = response.status().as_u16();
        let retry_after_s = retry_after(&response);
        let text = read(response).await?;
        if status == 200 {
            return Ok(text);
        }
        Err(errors::meaning(status, retry_after_s, &text))
    }

    async fn send(
        &self,
        path: &str,
        body: Vec<u8>,
        keys: &PlaidCredentials,
        timeout: Duration,
    ) -> Result<Response, BankError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        self.http
            .post(url)
            .timeout(timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("PLAID-CLIENT-ID", &keys.client_id)
            .header("PLAID-SECRET", keys.secret.expose())
            .header("Plaid-Version", PLAID_VERSION)
            .body(body)
            .send()
            .await
            // The error names the URL and nothing of the request; still only its kind goes on.
            .map_err(|error| passing(kind(&error)))
    }
}

fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn read(mut response: Response) -> Result<String, BankError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| passing(kind(&error)))? {
        if bytes.len() + chunk.len() > LARGEST_ANSWER {
            return Err(BankError::OurFault { code: "answer_too_large".to_owned() });
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_why| passing("unreadable"))
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "interrupted"
    }
}

/// What an answer that is no answer means: the same call may work in a moment.
pub(crate) fn passing(code: &str) -> BankError {
    BankError::Later { code: code.to_owned(), patience: Patience::Seconds, retry_after_s: None }
}

fn retry_after(response: &Response) -> Option<u32> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}
