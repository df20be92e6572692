//! An API Gateway event in, an answer or a problem out.

use std::{collections::HashMap, time::Instant};

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::ids::UserId;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    problem::{FieldError, Problem},
    query::Query,
};

/// A body may not be larger.
pub(crate) const LARGEST_BODY: usize = 256 << 10;

/// A request of somebody whom the gateway has recognised.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks: the token's `sub`.
    pub user: UserId,
    /// The parameters of the path.
    pub path: HashMap<String, String>,
    /// The query string as it came.
    pub raw_query: String,
    /// Method and path of the endpoint, as the gateway has them.
    pub route: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Named in every answer and log line.
    pub request_id: String,
    /// When the answer must have been given.
    pub deadline: Timestamp,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// JSON, where no header says something else.
    pub body: String,
    /// Headers beside JSON's content type, or another content type.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| {
            Problem::new(500, "internal_error", "Something is wrong on our side.").because(error)
        })?;
        Ok(Self { status, body, headers: Vec::new() })
    }

    /// An answer with a body that is no JSON.
    pub fn text(content_type: &str, body: String) -> Self {
        Self { status: 200, body, headers: vec![("content-type", content_type.to_owned())] }
    }

    /// An answer that says no more than its status: 204.
    pub fn empty() -> Self {
        Self { status: 204, body: String::new(), headers: Vec::new() }
    }

    /// With where what it shows is found.
    pub fn located(mut self, path: String) -> Self {
        self.headers.push(("location", path));
        self
    }

    /// With the entity tag of what it shows: `If-Match` requires it.
    pub fn tagged(mut self, revision: u64) -> Self {
        self.headers.push(("etag", format!("\"{revision}\"")));
        self
    }
}

impl Request {
    /// The body as `T`, strictly: what is unknown, missing or of another type is named.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.len() > LARGEST_BODY {
            return Err(Problem::new(413, "body_too_large", "The body is larger than 256 KB."));
        }
        // No body says as much as an empty object.
        let text = if self.body.trim_ascii().is_empty() { b"{}".as_slice() } else { &self.body };
        if !text.trim_ascii_start().starts_with(b"{") {
            // Serde would take an array for a struct, field by field in their order.
            return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
                Ok(_) => Problem::field("body", "must be a JSON object"),
                Err(_) => Problem::new(400, "invalid_json", "The body is not well-formed JSON."),
            });
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| body_problem(&error))?;
        json.end().map_err(|_rest| Problem::new(400, "invalid_json", "The body has text after its JSON."))?;
        Ok(value)
    }

    /// The revision that `If-Match` requires; none if it requires nothing in particular.
    ///
    /// # Errors
    /// What is no entity tag of ours matches nothing.
    pub fn if_match(&self) -> Result<Option<u64>, Problem> {
        let Some(value) = self.headers.get(http::header::IF_MATCH) else { return Ok(None) };
        let tag = value.to_str().unwrap_or_default().trim();
        if tag == "*" {
            return Ok(None);
        }
        let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        number.and_then(|number| number.parse().ok()).map(Some).ok_or_else(Problem::stale)
    }

    /// The query's parameters.
    pub fn query(&self) -> Query {
        Query::parse(&self.raw_query)
    }

    /// A parameter of the path. One that cannot be an id is a thing that is not there.
    pub fn path<T: std::str::FromStr>(
        &self,
        name: &str,
        missing: impl FnOnce() -> Problem,
    ) -> Result<T, Problem> {
        self.path.get(name).and_then(|text| text.parse().ok()).ok_or_else(missing)
    }
}

fn body_problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return Problem::new(400, "invalid_json", "The body is not well-formed JSON.");
    }
    let message = inner.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    let path = error.path().to_string();
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    let join = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    let (code, field) = if message.starts_with("unknown field") {
        // The path of an unknown field ends in the field itself.
        ("unknown_field", if path == "." { quoted().to_owned() } else { path.clone() })
    } else if message.starts_with("missing field") || message.starts_with("duplicate field") {
        ("invalid_field", join(quoted()))
    } else {
        ("invalid_field", if path == "." { "body".to_owned() } else { path.clone() })
    };
    let shorten = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    Problem::fields(code, vec![FieldError { field: shorten(&field, 128), message: shorten(&message, 256) }])
}

/// Serves requests until Lambda stops the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<D>(
    deps: D,
    handle: impl AsyncFn(&D, Request) -> Result<Reply, Problem>,
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
    handle: &impl AsyncFn(&D, Request) -> Result<Reply, Problem>,
    event: ApiGatewayV2httpRequest,
    context: &Context,
) -> ApiGatewayV2httpResponse {
    let began = Instant::now();
    let request_id = event.request_context.request_id.clone().unwrap_or_else(|| context.request_id.clone());
    let route = event.route_key.clone().unwrap_or_default();
    let outcome = match read(event, context, &request_id, &route) {
        Ok(request) => handle(deps, request).await,
        Err(problem) => Err(problem),
    };
    answer(&request_id, &route, outcome, began)
}

/// What became of a request, as a line of the log and as Lambda's answer.
pub(crate) fn answer(
    request_id: &str,
    route: &str,
    outcome: Result<Reply, Problem>,
    began: Instant,
) -> ApiGatewayV2httpResponse {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !outcome.as_ref().is_err_and(|problem| problem.is_quiet) {
        log(request_id, route, &outcome, duration_ms);
    }

    match outcome {
        Ok(reply) => response(reply.status, "application/json", reply.body, reply.headers),
        Err(problem) => {
            let headers = problem.retry_after_s.map(|seconds| ("retry-after", seconds.to_string()));
            let body = problem.to_json(request_id);
            response(problem.status, "application/problem+json", body, headers.into_iter().collect())
        }
    }
}

fn log(request_id: &str, route: &str, outcome: &Result<Reply, Problem>, duration_ms: u64) {
    match outcome {
        Ok(reply) => {
            tracing::info!(request_id, route, status = reply.status, duration_ms, "request answered");
        }
        Err(problem) => {
            let (status, code) = (problem.status, problem.code);
            let (cause, plaid_code) = (problem.cause.as_deref(), problem.plaid_code.as_deref());
            if status >= 500 {
                tracing::error!(
                    request_id,
                    route,
                    status,
                    code,
                    cause,
                    plaid_code,
                    duration_ms,
                    "request failed"
                );
            } else {
                tracing::info!(
                    request_id,
                    route,
                    status,
                    code,
                    cause,
                    plaid_code,
                    duration_ms,
                    "request refused"
                );
            }
        }
    }
}

fn read(
    event: ApiGatewayV2httpRequest,
    context: &Context,
    request_id: &str,
    route: &str,
) -> Result<Request, Problem> {
    let claims = event.request_context.authorizer.and_then(|authorizer| authorizer.jwt).map(|jwt| jwt.claims);
    let user = claims.as_ref().and_then(|claims| claims.get("sub")).and_then(|sub| sub.parse().ok());
    let text = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded {
        STANDARD.decode(text).map_err(|_not_base64| {
            Problem::new(400, "invalid_body", "The body is not the base64 it claims to be.")
        })?
    } else {
        text.into_bytes()
    };
    Ok(Request {
        user: user.ok_or_else(|| Problem::new(401, "unauthorized", "A valid token is required."))?,
        path: event.path_parameters,
        raw_query: event.raw_query_string.unwrap_or_default(),
        route: route.to_owned(),
        headers: event.headers,
        body,
        request_id: request_id.to_owned(),
        deadline: deadline(context),
    })
}

/// When this invocation ends.
pub fn deadline(context: &Context) -> Timestamp {
    i64::try_from(context.deadline)
        .ok()
        .and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok())
        .unwrap_or(Timestamp::MAX)
}

fn response(
    status: u16,
    content_type: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    // Answers are a household's own: no cache keeps them, and no browser guesses what they are.
    response.headers = HeaderMap::from_iter([
        (http::header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (http::header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers.insert(HeaderName::from_static(name), value);
        }
    }
    if status == 204 {
        response.headers.remove(http::header::CONTENT_TYPE);
    } else {
        response.body = Some(Body::Text(body));
    }
    response
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the parsing is tested")]
    struct Example {
        name: String,
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the parsing is tested")]
    struct Inner {
        mask: String,
    }

    fn request(body: &str) -> Request {
        Request {
            user: "u".parse().unwrap(),
            path: HashMap::new(),
            raw_query: String::new(),
            route: String::new(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            request_id: "r".to_owned(),
            deadline: Timestamp::MAX,
        }
    }

    #[test]
    fn an_entity_tag_is_one_of_ours_or_matches_nothing() {
        let with = |value: &str| {
            let mut request = request("");
            request.headers.insert(http::header::IF_MATCH, HeaderValue::from_str(value).unwrap());
            request.if_match().map_err(|problem| problem.status)
        };
        assert_eq!(request("").if_match(), Ok(None));
        assert_eq!((with("*"), with("\"7\""), with(" \"7\" ")), (Ok(None), Ok(Some(7)), Ok(Some(7))));
        for wrong in ["7", "W/\"7\"", "\"x\"", "\"7\", \"8\"", "\"", "", "\"-1\""] {
            assert_eq!(with(wrong), Err(412), "{wrong}");
        }
    }

    #[test]
    fn no_answer_is_cached_or_guessed_at() {
        let csv = Reply::text("text/csv", "a,b".to_owned());
        let link_token = Reply::json(200, &"link-1").unwrap();
        let outcomes = [Ok(csv), Ok(link_token), Ok(Reply::empty()), Err(Problem::stale())];
        for outcome in outcomes {
            let headers = answer("r", "GET /x", outcome, Instant::now()).headers;
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
    }

    #[test]
    fn a_body_that_is_wrong_is_told_where() {
        let deep = "[".repeat(10_000);
        let cases = [
            ("", "invalid_field", "name"),
            ("{", "invalid_json", ""),
            (deep.as_str(), "invalid_json", ""),
            (r#"["x"]"#, "invalid_field", "body"),
            (r#"{"name":"x"} x"#, "invalid_json", ""),
            (r#"{"name":"\ud800"}"#, "invalid_json", ""),
            ("{}", "invalid_field", "name"),
            ("7", "invalid_field", "body"),
            (r#"{"name":7}"#, "invalid_field", "name"),
            (r#"{"name":"x","name":"y"}"#, "invalid_field", "name"),
            (r#"{"name":"x","role":"owner"}"#, "unknown_field", "role"),
            (r#"{"name":"x","inner":[{"mask":1}]}"#, "invalid_field", "inner[0].mask"),
            (r#"{"name":"x","inner":[{"mask":"1","a":2}]}"#, "unknown_field", "inner[0].a"),
        ];
        for (body, code, field) in cases {
            let problem = request(body).json::<Example>().unwrap_err();
            let shown: String = body.chars().take(40).collect();
            assert_eq!(problem.status, 400, "{shown}");
            assert_eq!(problem.code, code, "{shown}: {problem:?}");
            assert_eq!(problem.errors.first().map_or("", |error| error.field.as_str()), field, "{shown}");
        }
    }
}
