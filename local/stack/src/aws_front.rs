//! The address that stands for AWS: hands everything to the emulators that its caller has a right to, shortens queue delays,
//! and tells the queues' readers at once that something has come.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use emulators::{
    Emulators,
    iam::{self, Policies, Right},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::output::Output;

/// DynamoDB takes requests of up to 16 MB.
const LARGEST: usize = 16 << 20;
const JSON: &str = "application/x-amz-json-1.0";

#[derive(Clone)]
pub(crate) struct AwsFront {
    pub(crate) services: Arc<Emulators>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) time_scale: u32,
    pub(crate) sent: Arc<Notify>,
    pub(crate) output: Arc<Output>,
}

impl AwsFront {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).layer(DefaultBodyLimit::max(LARGEST)).with_state(self)
    }
}

async fn answer(State(front): State<AwsFront>, headers: HeaderMap, body: Bytes) -> Response {
    let target =
        headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let caller = iam::caller(&headers);
    if let Some(right) = front.policies.missing(caller, &target, &body) {
        return denied(caller, &right, &front.output);
    }
    if target == "AWSEvents.PutEvents" {
        show_events(&front.output, &body);
    }
    let sends = target.starts_with("AmazonSQS.SendMessage");
    // Messages of a batch have no delay here.
    let body = if target == "AmazonSQS.SendMessage" { scale_delay(&body, front.time_scale) } else { body };
    let answer = front.services.call(&target, headers, body).await;
    if sends {
        front.sent.notify_waiters();
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, JSON)], answer.body).into_response()
}

/// What IAM answers. It is shown too: most callers make an outage of it, as they should.
fn denied(caller: &str, right: &Right, output: &Output) -> Response {
    let message = format!("{caller} is not authorized to perform {} on {}", right.action, right.resource);
    output.say(&message);
    let body = json!({"__type": "AccessDeniedException", "message": message}).to_string();
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, JSON)], body).into_response()
}

/// What is announced is shown as it comes.
fn show_events(output: &Output, body: &Bytes) {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    for entry in request["Entries"].as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        output.say(&format!("      event {}: {}", text("DetailType"), text("Detail")));
    }
}

/// A delay in whole seconds, rounded up: a message that is to come later does not come at once.
fn scale_delay(body: &Bytes, scale: u32) -> Bytes {
    let Ok(mut request) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    let Some(delay) = request["DelaySeconds"].as_u64() else { return body.clone() };
    request["DelaySeconds"] = json!(delay.div_ceil(u64::from(scale.max(1))));
    Bytes::from(request.to_string())
}
