//! An event of a function's own URL in, an answer or a problem out. Nobody has recognised who calls.

use std::{borrow::Cow, time::Instant};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method};
use lambda_runtime::{Context, LambdaEvent, service_fn};

use crate::{
    http::{Reply, answer},
    problem::Problem,
};

/// What the log says instead of a path, which is a stranger's.
const ROUTE: &str = "function URL";

/// A request of anybody. It has no Debug: what is in it is a stranger's, or Plaid's.
pub struct Delivery {
    /// Such as `POST`.
    pub method: Method,
    /// The path as it came.
    pub path: String,
    headers: HeaderMap,
    body: String,
    is_base64: bool,
    /// Named in every answer and log line.
    pub request_id: String,
}

impl Delivery {
    /// A header's bytes, by its name in lower case. One that was sent more than once is joined by commas.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }

    /// The body's bytes as they were sent, of at most `largest`. A larger one is not even decoded.
    pub fn body(&self, largest: usize) -> Result<Cow<'_, [u8]>, Problem> {
        let too_large =
            || Problem::new(413, "body_too_large", format!("The body is larger than {largest} bytes."));
        // Four characters of base64 are three bytes.
        let most = if self.is_base64 { largest.div_ceil(3) * 4 } else { largest };
        if self.body.len() > most {
            return Err(too_large());
        }
        if !self.is_base64 {
            return Ok(Cow::Borrowed(self.body.as_bytes()));
        }
        let bytes = STANDARD.decode(&self.body).map_err(|_not_base64| {
            Problem::new(400, "invalid_body", "The body is not the base64 it claims to be.")
        })?;
        if bytes.len() > largest { Err(too_large()) } else { Ok(Cow::Owned(bytes)) }
    }
}

impl From<ApiGatewayV2httpRequest> for Delivery {
    /// Function URLs have the format of HTTP APIs.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>
    fn from(event: ApiGatewayV2httpRequest) -> Self {
        Self {
            method: event.request_context.http.method,
            path: event.raw_path.unwrap_or_default(),
            headers: event.headers,
            body: event.body.unwrap_or_default(),
            is_base64: event.is_base64_encoded,
            request_id: event.request_context.request_id.unwrap_or_default(),
        }
    }
}

/// Serves requests until Lambda stops the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<D>(
    deps: D,
    handle: impl AsyncFn(&D, Delivery) -> Result<Reply, Problem>,
) -> Result<(), lambda_runtime::Error> {
    let (deps, handle) = (&deps, &handle);
    let service = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        let (event, context) = event.into_parts();
        Ok::<_, lambda_runtime::Error>(respond(deps, handle, event, &context).await)
    });
    lambda_runtime::run(service).await
}

/// One event to its answer. Total: every path ends in a reply.
pub async fn respond<D>(
    deps: &D,
    handle: &impl AsyncFn(&D, Delivery) -> Result<Reply, Problem>,
    mut event: ApiGatewayV2httpRequest,
    context: &Context,
) -> ApiGatewayV2httpResponse {
    let began = Instant::now();
    let request_id =
        event.request_context.request_id.get_or_insert_with(|| context.request_id.clone()).clone();
    let outcome = handle(deps, Delivery::from(event)).await;
    answer(&request_id, ROUTE, outcome, began)
}
