//! The HTTP API: routes and authorizer from the template, events and answers as API Gateway has them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    authority::Authority,
    cors,
    output::Output,
    pool::{Ended, Invoked, Pool},
};

/// The largest request that an HTTP API takes.
const LARGEST: usize = 10 << 20;

/// One route of the template.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) authorized: bool,
    pub(crate) pool: Arc<Pool>,
}

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) routes: Arc<Vec<Route>>,
    pub(crate) authority: Authority,
    pub(crate) cors: Arc<cors::Rules>,
    pub(crate) output: Arc<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl Gateway {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    /// The most specific route: one with fewer parameters goes first.
    fn find(&self, method: &Method, path: &str) -> Option<(&Route, BTreeMap<String, String>)> {
        let fits =
            |route: &'_ Route| if route.method == *method { parameters(&route.path, path) } else { None };
        let found = self.routes.iter().filter_map(|route| fits(route).map(|parameters| (route, parameters)));
        found.min_by_key(|(_, parameters)| parameters.len())
    }
}

/// The parameters of a path, if it is of the route's form.
fn parameters(route: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    if route.len() != path.len() {
        return None;
    }
    let mut found = BTreeMap::new();
    for (expected, there) in route.into_iter().zip(path) {
        match expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !there.is_empty() => drop(found.insert(name.to_owned(), decode(there))),
            None if expected == there => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Percent-decoding, as the gateway does for path parameters.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json!({"message": text}).to_string())
        .into_response()
}

async fn serve(State(gateway): State<Gateway>, request: Request) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    match gateway.cors.preflight(&method, &headers) {
        Some(response) => response,
        None => gateway.cors.mark(&headers, route(&gateway, request).await),
    }
}

async fn route(gateway: &Gateway, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some((route, path_parameters)) = gateway.find(&parts.method, &path) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let claims = if route.authorized {
        match bearer(&parts.headers).and_then(|token| gateway.authority.claims(token)) {
            Some(claims) => Some(claims),
            None => {
                gateway.output.say(&format!("{} {path} 401", parts.method));
                return message(StatusCode::UNAUTHORIZED, "Unauthorized");
            }
        }
    } else {
        None
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = event(route, &parts, &path, &path_parameters, claims, &body);
    let invoked = route.pool.invoke(Bytes::from(event.to_string())).await;
    let response = answer(&invoked);
    let state = if invoked.cold { "cold" } else { "warm" };
    let (status, ms) = (response.status().as_u16(), invoked.took.as_millis());
    gateway.output.say(&format!("{} {path} → {} {status} {ms} ms {state}", parts.method, route.pool.name()));
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    // The authorizer takes the token with and without its scheme.
    Some(value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")).unwrap_or(value))
}

/// The event of payload format 2.0.
fn event(
    route: &Route,
    parts: &axum::http::request::Parts,
    path: &str,
    path_parameters: &BTreeMap<String, String>,
    claims: Option<Map<String, Value>>,
    body: &Bytes,
) -> Value {
    let mut event = plain_event(&format!("{} {}", route.method, route.path), parts, path, body);
    event["pathParameters"] = json!(path_parameters);
    if let Some(claims) = claims {
        event["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
    }
    event
}

/// What an HTTP API and a function's own URL have in common, which is nearly everything.
pub(crate) fn plain_event(
    route_key: &str,
    parts: &axum::http::request::Parts,
    path: &str,
    body: &Bytes,
) -> Value {
    let now = Timestamp::now();
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match headers.get_mut(name.as_str()) {
            Some(Value::String(before)) => before.extend([",", text.as_str()]),
            _ => drop(headers.insert(name.as_str().to_owned(), Value::String(text))),
        }
    }
    let (body, is_base64) = match std::str::from_utf8(body) {
        _ if body.is_empty() => (Value::Null, false),
        Ok(text) => (Value::String(text.to_owned()), false),
        Err(_) => (Value::String(STANDARD.encode(body)), true),
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": emulators::ACCOUNT,
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": parts.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": headers.get("user-agent").cloned().unwrap_or_default(),
            },
            "requestId": format!("local-{}", now.as_nanosecond()),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": is_base64,
    });
    if !body.is_null() {
        event["body"] = body;
    }
    event
}

fn answer(invoked: &Invoked) -> Response {
    answered(invoked).unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

/// The function's answer; `None` if there is none. A function that runs out of its own time is a function error as well.
pub(crate) fn answered(invoked: &Invoked) -> Option<Response> {
    let Ended::Answer(body) = &invoked.ended else { return None };
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let content = answer.body.unwrap_or_default();
    let content = if answer.is_base64_encoded {
        STANDARD.decode(content).unwrap_or_default()
    } else {
        content.into_bytes()
    };
    let mut response = Response::new(axum::body::Body::from(content));
    *response.status_mut() =
        StatusCode::from_u16(answer.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_its_parameters() {
        let route = "/api/v1/plaid/accounts/{account_id}/sync";
        let found = parameters(route, "/api/v1/plaid/accounts/acc%5F1/sync").unwrap();
        assert_eq!(found["account_id"], "acc_1");
        assert!(parameters(route, "/api/v1/plaid/accounts//sync").is_none());
        assert!(parameters(route, "/api/v1/plaid/accounts/a/b/sync").is_none());
        assert!(parameters("/a", "/a").unwrap().is_empty());
    }
}
