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
        let text = whole_characters(text);
        if answer.status == 200 {
            return Ok(text);
        }
        Err(errors::meaning(answer.status, answer.retry_after_s, &text))
    }
}

/// The text with each half of a character (an escape of one UTF-16 surrogate without the other) replaced by U+FFFD. No
/// JSON reader takes it, and it would cost the whole text that it is in.
fn whole_characters(text: String) -> String {
    let escape = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut halves, mut at) = (Vec::new(), 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let place = at + found;
        at = match (escape(place), escape(place + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => place + 12,
            (Some(0xD800..=0xDFFF), _) => {
                halves.push(place);
                place + 6
            }
            // Any other escape: what follows the backslash is part of it.
            _ => place + 2,
        };
    }
    if halves.is_empty() {
        return text;
    }
    let mut whole = String::with_capacity(text.len());
    let mut done = 0;
    for place in halves {
        whole.push_str(text.get(done..place).unwrap_or_default());
        whole.push_str("\\ufffd");
        done = place + 6;
    }
    whole.push_str(text.get(done..).unwrap_or_default());
    whole
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_costs_only_itself() {
        let cases = [
            (r#""Caf\ud83d Roma""#, "Caf\u{fffd} Roma"),
            (r#""\uDE00 Roma""#, "\u{fffd} Roma"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""é \u00e9 \ud83d\ude00""#, "é é \u{1f600}"),
        ];
        for (text, expected) in cases {
            let read: String = serde_json::from_str(&whole_characters(text.to_owned())).unwrap();
            assert_eq!(read, expected, "{text}");
        }
    }
}
