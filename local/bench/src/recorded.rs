//! Plaid's answers, recorded, so that only their reading is measured.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::secret::{CredentialError, CredentialSource, PlaidCredentials, PlaidSecret};
use edge::system::System;
use plaid::{Call, RawAnswer, Transport, TransportError};
use plaid_sandbox::{Keys, Sandbox};
use serde_json::{Value, json};

/// The answers of one item by the request's cursor, and its accounts.
pub(crate) struct Recorded {
    pages: HashMap<String, Vec<u8>>,
    accounts: Vec<u8>,
    pub(crate) bytes: usize,
}

const KEY: &str = "key";

impl Recorded {
    /// Reads an item of so many transactions once.
    pub(crate) fn new(count: u32) -> Result<(Self, String), Box<dyn std::error::Error>> {
        let sandbox = Sandbox::open(plaid_sandbox::Config {
            client_id: KEY.to_owned(),
            secret: KEY.to_owned(),
            initial_after: Duration::ZERO,
            historical_after: Duration::ZERO,
            time_scale: 1,
            seed: 7,
            file: None,
            clock: Arc::new(System),
        })?;
        let connected = sandbox.world().connect("user_many", &count.to_string(), jiff::Timestamp::now());
        let (token, _) = connected.ok_or("the sandbox lets everybody in")?;
        let keys = Keys { client_id: Some(KEY.to_owned()), secret: Some(KEY.to_owned()) };
        let ask = |path: &str, body: &Value| sandbox.answer(path, &keys, body.to_string().as_bytes()).body;
        let mut recorded = Self {
            pages: HashMap::new(),
            accounts: ask("/accounts/get", &json!({"access_token": token})),
            bytes: 0,
        };
        let mut cursor = String::new();
        loop {
            let body =
                ask("/transactions/sync", &json!({"access_token": token, "cursor": cursor, "count": 500}));
            let page: Value = serde_json::from_slice(&body)?;
            recorded.bytes += body.len();
            let next = page["next_cursor"].as_str().unwrap_or_default().to_owned();
            recorded.pages.insert(std::mem::replace(&mut cursor, next), body);
            if page["has_more"] != true {
                return Ok((recorded, token));
            }
        }
    }
}

#[async_trait]
impl Transport for Recorded {
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError> {
        let body = match call.path {
            "/accounts/get" => Some(&self.accounts),
            _ => {
                let request: Value =
                    serde_json::from_slice(&call.body).map_err(|_no_json| TransportError::Interrupted)?;
                self.pages.get(request["cursor"].as_str().unwrap_or_default())
            }
        };
        let body = body.ok_or(TransportError::Unreachable)?.clone();
        Ok(RawAnswer { status: 200, retry_after_s: None, body })
    }
}

/// Keys that nobody checks.
pub(crate) struct NoKeys;

#[async_trait]
impl CredentialSource for NoKeys {
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError> {
        Ok(PlaidCredentials { client_id: KEY.to_owned(), secret: PlaidSecret::new(KEY.to_owned()) })
    }
}
