#![doc = include_str!("../README.md")]

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{behavior_version::BehaviorVersion, http::SharedHttpClient};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
pub use aws_types::SdkConfig;
use aws_types::region::Region;
use base64::{Engine, engine::general_purpose::STANDARD};
use thiserror::Error;

/// What the environment must say, and what it may.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub credentials: Credentials,
    /// `AWS_ENDPOINT_URL`: another place for every service, as on a developer's machine.
    pub endpoint_url: Option<String>,
    /// `WUMBO_TLS_ROOTS`: which certificates may sign an endpoint's.
    pub roots: Roots,
}

/// Which certificates may sign an endpoint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Amazon's own: every AWS endpoint is signed by one of them.
    Amazon,
    /// Mozilla's whole list.
    All,
}

/// Everything that is wrong with the environment, at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the environment is incomplete: {}", .0.join("; "))]
pub struct SettingsError(pub Vec<String>);

/// TLS could not be set up.
#[derive(Debug, Error)]
#[error("TLS for AWS could not be set up")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Settings {
    /// Reads the environment through `read`, which is how a test gives another.
    pub fn from_env(read: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut faults = Vec::new();
        let mut required = |name: &str| {
            let value = read(name).filter(|value| !value.is_empty());
            value.unwrap_or_else(|| {
                faults.push(format!("{name} is not set"));
                String::new()
            })
        };
        let (region, id, secret) =
            (required("AWS_REGION"), required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"));
        let roots = match read("WUMBO_TLS_ROOTS").as_deref() {
            None | Some("amazon") => Roots::Amazon,
            Some("all") => Roots::All,
            Some(_) => {
                faults.push("WUMBO_TLS_ROOTS is neither amazon nor all".to_owned());
                Roots::Amazon
            }
        };
        if !faults.is_empty() {
            return Err(SettingsError(faults));
        }
        let credentials = Credentials::new(id, secret, read("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Self { region, credentials, endpoint_url: read("AWS_ENDPOINT_URL"), roots })
    }
}

/// The settings of this process.
#[expect(clippy::disallowed_methods, reason = "the one place where AWS's part of the environment is read")]
pub fn settings() -> Result<Settings, SettingsError> {
    Settings::from_env(|name| std::env::var(name).ok())
}

/// The configuration that every client is made from. Nothing is sent yet.
pub fn sdk_config(settings: Settings) -> Result<SdkConfig, TlsError> {
    let http = http_client(settings.roots)?;
    let builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region))
        .credentials_provider(SharedCredentialsProvider::new(settings.credentials))
        .retry_config(
            RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(5))
                .build(),
        )
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .http_client(http);
    Ok(match settings.endpoint_url {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    })
}

fn http_client(roots: Roots) -> Result<SharedHttpClient, TlsError> {
    let trust = TrustStore::empty().with_pem_certificate(pem(roots));
    let tls =
        TlsContext::builder().with_trust_store(trust).build().map_err(|error| TlsError(error.into()))?;
    Ok(Builder::new()
        .pool_idle_timeout(Duration::from_secs(50))
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build_https())
}

/// The roots as PEM text.
fn pem(roots: Roots) -> Vec<u8> {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        if roots == Roots::All || is_amazon(certificate.as_ref()) {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            text.push_str(&STANDARD.encode(certificate.as_ref()));
            text.push_str("\n-----END CERTIFICATE-----\n");
        }
    }
    text.into_bytes()
}

/// <https://www.amazontrust.com/repository/>: four roots of Amazon's and the Starfield root that cross-signs them.
fn is_amazon(der: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"Amazon Root CA", b"Starfield Services Root Certificate Authority - G2"];
    names.iter().any(|name| der.windows(name.len()).any(|part| part == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazon_has_five_roots() {
        let text = String::from_utf8(pem(Roots::Amazon)).unwrap();
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 5);
        assert!(String::from_utf8(pem(Roots::All)).unwrap().matches("BEGIN CERTIFICATE").count() > 100);
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let error =
            Settings::from_env(|name| (name == "WUMBO_TLS_ROOTS").then(|| "some".to_owned())).unwrap_err();
        assert_eq!(error.0.len(), 4, "{error}");
    }

    #[test]
    fn a_client_is_made_from_a_whole_environment() {
        let settings =
            Settings::from_env(|name| (name != "WUMBO_TLS_ROOTS").then(|| "x".to_owned())).unwrap();
        assert_eq!(settings.endpoint_url.as_deref(), Some("x"));
        assert!(sdk_config(settings).is_ok());
    }
}
