//! What a call answers, before anything is sent, and how it is sent.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use futures::{StreamExt, stream};

use crate::Sandbox;

/// The keys of a call's headers. Those of its body count where a header is absent.
#[derive(Clone, Default)]
pub struct Keys {
    /// `PLAID-CLIENT-ID`.
    pub client_id: Option<String>,
    /// `PLAID-SECRET`.
    pub secret: Option<String>,
}

/// An answer, with all that happens to it on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The whole body, whether or not all of it arrives.
    pub body: Vec<u8>,
    /// It is answered only after so long.
    pub delay: Duration,
    /// The connection breaks after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: String) -> Self {
        let body = body.into_bytes();
        Self { status, content_type, retry_after_s: None, body, delay: Duration::ZERO, cut: None }
    }

    pub(crate) fn json(status: u16, body: String) -> Self {
        Self::new(status, "application/json", body)
    }
}

/// Plaid over HTTP: whatever is posted to any path.
pub(crate) fn plaid(sandbox: Sandbox) -> MethodRouter<(), Infallible> {
    post(serve).with_state(sandbox)
}

/// All routes: the world's own door, and Plaid for everything else.
pub(crate) fn routes(sandbox: &Sandbox, control: Router) -> Router {
    control.fallback_service(plaid(sandbox.clone()))
}

async fn serve(State(sandbox): State<Sandbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let keys = Keys { client_id: header("plaid-client-id"), secret: header("plaid-secret") };
    let reply = sandbox.answer(uri.path(), &keys, &body);
    if !reply.delay.is_zero() {
        sandbox.config.clock.sleep(reply.delay).await;
    }
    reply.into_response()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let body = match self.cut {
            None => Body::from(self.body),
            Some(bytes) => {
                headers.insert(CONTENT_LENGTH, self.body.len().into());
                broken(self.body, bytes)
            }
        };
        (status, headers, body).into_response()
    }
}

/// A body that ends in an error after so many bytes, upon which the server drops the connection.
fn broken(mut body: Vec<u8>, bytes: usize) -> Body {
    body.truncate(bytes);
    let arrives = stream::iter([Ok(Bytes::from(body))]);
    let breaks = stream::once(async {
        // The server writes out what it has when it has to wait, and not if the error comes at once.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Body::from_stream(arrives.chain(breaks))
}
