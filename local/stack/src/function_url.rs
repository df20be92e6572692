//! A function's own URL: every path and method, from anybody, as Lambda has it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};

use crate::{
    gateway::{answered, message, plain_event},
    output::Output,
    pool::Pool,
};

/// The largest request that Lambda takes.
const LARGEST: usize = 6 << 20;

#[derive(Clone)]
pub(crate) struct FunctionUrl {
    pub(crate) pool: Arc<Pool>,
    pub(crate) output: Arc<Output>,
}

impl FunctionUrl {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(serve).with_state(self)
    }
}

async fn serve(State(url): State<FunctionUrl>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = plain_event("$default", &parts, &path, &body);
    let Some(invoked) = url.pool.invoke_at_once(Bytes::from(event.to_string())).await else {
        url.output.say(&format!("{} {path} → {} 429", parts.method, url.pool.name()));
        return message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.");
    };
    let response =
        answered(&invoked).unwrap_or_else(|| message(StatusCode::BAD_GATEWAY, "Internal Server Error"));
    let state = if invoked.cold { "cold" } else { "warm" };
    let (status, ms) = (response.status().as_u16(), invoked.took.as_millis());
    url.output.say(&format!("{} {path} → {} {status} {ms} ms {state}", parts.method, url.pool.name()));
    response
}
