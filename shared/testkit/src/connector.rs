//! AWS in process: each call of an SDK is counted, paid for, and may meet a fault.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use emulators::{Emulators, iam::Policies};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::acting;

/// What a call meets instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, without effect.
    Refuse,
    /// It is refused as one that can never be taken, without effect.
    Invalid,
    /// It is never answered, without effect: the caller dies before it.
    HangBefore,
    /// It takes effect and is never answered: the caller dies after it.
    HangAfter,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<String>,
    write_units: f64,
    /// From which call on (of those whose target ends like this), and for how many.
    fault: Option<(String, usize, usize, Fault)>,
}

/// AWS in process.
#[derive(Clone)]
pub struct Aws {
    services: Arc<Emulators>,
    policies: Arc<Policies>,
    state: Arc<Mutex<State>>,
    hung: Arc<Notify>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aws")
    }
}

impl Aws {
    pub(crate) fn new(services: Arc<Emulators>, policies: Arc<Policies>) -> Self {
        Self { services, policies, state: Arc::default(), hung: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The calls so far, by operation, and forgets them.
    pub fn take_calls(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in std::mem::take(&mut self.state().calls) {
            *counts.entry(call.rsplit('.').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    }

    /// The write units of DynamoDB so far, and forgets them.
    pub fn take_write_units(&self) -> f64 {
        std::mem::take(&mut self.state().write_units)
    }

    /// Lets `times` calls of `operation` (all for an empty one) meet a fault, after `pass` of them.
    pub fn fault(&self, operation: &str, pass: usize, times: usize, fault: Fault) {
        self.state().fault = Some((operation.to_owned(), pass, times, fault));
    }

    /// No more faults.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// A request of the test's own, which is neither counted nor meets a fault.
    pub async fn ask(&self, target: &str, body: &Value) -> Value {
        self.services.ask(target, body).await.expect("an answer")
    }

    /// What was announced so far: the types of events, oldest first.
    pub fn announced(&self) -> Vec<String> {
        let events = self.services.events();
        events.iter().map(|event| event["detail-type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until a call hangs.
    pub async fn hung(&self) {
        self.hung.notified().await;
    }

    /// Counts a call and tells what it meets.
    fn meet(&self, target: &str) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(target.to_owned());
        let (operation, pass, times, fault) = state.fault.as_mut()?;
        if !target.ends_with(operation.as_str()) {
            return None;
        }
        if *pass > 0 {
            *pass -= 1;
            return None;
        }
        let fault = *fault;
        *times = times.saturating_sub(1);
        if *times == 0 {
            state.fault = None;
        }
        Some(fault)
    }

    #[expect(clippy::float_arithmetic, reason = "DynamoDB reports capacity as a float")]
    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let headers: HeaderMap = request
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
            })
            .collect();
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        if let Some(function) = acting::function()
            && let Some(right) = self.policies.missing(function, &target, &body)
        {
            panic!("the template does not let {function} perform {} on {}", right.action, right.resource);
        }
        let fault = self.meet(&target);
        if fault == Some(Fault::Refuse) {
            let refusal = json!({"__type": "AccessDeniedException", "message": "refused on demand"});
            return Ok(response(400, refusal.to_string().into_bytes()));
        }
        if fault == Some(Fault::Invalid) {
            let refusal = json!({"__type": "ValidationException", "message": "refused on demand"});
            return Ok(response(400, refusal.to_string().into_bytes()));
        }
        if fault == Some(Fault::HangBefore) {
            return self.hang().await;
        }
        let writes = ["TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"]
            .iter()
            .any(|op| target.ends_with(op));
        let body = if writes { with_capacity(&body) } else { body };
        let answer = self.services.call(&target, headers, Bytes::from(body)).await;
        if writes {
            self.state().write_units += units(&answer.body);
        }
        if fault == Some(Fault::HangAfter) {
            return self.hang().await;
        }
        Ok(response(answer.status, answer.body))
    }

    async fn hang(&self) -> Result<HttpResponse, ConnectorError> {
        self.hung.notify_one();
        std::future::pending().await
    }

    /// As the HTTP client of an SDK's configuration.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }
}

fn response(status: u16, body: Vec<u8>) -> HttpResponse {
    let status = status.try_into().expect("a status");
    HttpResponse::new(status, SdkBody::from(body))
}

/// Asks for what a write costs, where the caller did not.
fn with_capacity(body: &[u8]) -> Vec<u8> {
    let mut request: Value = serde_json::from_slice(body).expect("a request in JSON");
    request["ReturnConsumedCapacity"] = json!("TOTAL");
    request.to_string().into_bytes()
}

fn units(body: &[u8]) -> f64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let of = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(all) => all.iter().map(of).sum(),
        one => of(one),
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for Aws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
