//! The way to Plaid: HTTP/1.1 over TLS.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{Response, Url, header::CONTENT_TYPE};

use crate::{
    ConfigError,
    transport::{Call, RawAnswer, Transport, TransportError},
};

/// The version of Plaid's API that this client speaks. Without the header the dashboard's default would count.
const PLAID_VERSION: &str = "2020-09-14";
/// An answer may not be larger: a page of 500 transactions is below 1 MB.
const LARGEST_ANSWER: usize = 32 << 20;

/// Plaid over HTTP.
pub(crate) struct Http {
    http: reqwest::Client,
    base: Url,
}

impl Http {
    pub(crate) fn new(base_url: &str) -> Result<Self, ConfigError> {
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
        Ok(Self { http, base })
    }
}

#[async_trait]
impl Transport for Http {
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), call.path));
        let request = self
            .http
            .post(url)
            .timeout(call.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("PLAID-CLIENT-ID", &call.keys.client_id)
            .header("PLAID-SECRET", call.keys.secret.expose())
            .header("Plaid-Version", PLAID_VERSION)
            .body(call.body);
        // The error names the URL and nothing of the request; still only its kind goes on.
        let response = request.send().await.map_err(|error| kind(&error))?;
        let status = response.status().as_u16();
        let retry_after_s = retry_after(&response);
        Ok(RawAnswer { status, retry_after_s, body: read(response).await? })
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

async fn read(mut response: Response) -> Result<Vec<u8>, TransportError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| kind(&error))? {
        if bytes.len() + chunk.len() > LARGEST_ANSWER {
            return Err(TransportError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn kind(error: &reqwest::Error) -> TransportError {
    if error.is_timeout() {
        TransportError::Timeout
    } else if error.is_connect() {
        TransportError::Unreachable
    } else {
        TransportError::Interrupted
    }
}

fn retry_after(response: &Response) -> Option<u32> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}
