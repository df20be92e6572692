//! A caller of the stack's addresses, as an app or a tester is one.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::StackError;

/// An HTTP caller, with a token if it has one.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A caller of this address.
    pub fn new(base: &str) -> Result<Self, StackError> {
        // Everything here is plain HTTP on this machine: no roots are needed.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_why| StackError::Keys)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self { http, base: base.to_owned(), token: None, headers: Vec::new() })
    }

    /// The same caller, with a token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The same caller, with a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// GET: the status and the JSON (null for another body).
    pub async fn get(&self, path: &str) -> Result<(u16, Value), StackError> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// DELETE: the status and the JSON.
    pub async fn delete(&self, path: &str) -> Result<(u16, Value), StackError> {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), StackError> {
        self.post_text(path, body.to_string()).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<(u16, Value), StackError> {
        let request = self.http.patch(format!("{}{path}", self.base));
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// POST with any body.
    pub async fn post_text(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<(u16, Value), StackError> {
        let request = self.http.post(format!("{}{path}", self.base));
        self.send(request.header("content-type", "application/json").body(body)).await
    }

    /// Any method, with any text as a JSON body if there is one.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<(u16, Value), StackError> {
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|_unknown| StackError::Unexpected(format!("{method} is no method")))?;
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.send(match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request,
        })
        .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value), StackError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let request =
            self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}
