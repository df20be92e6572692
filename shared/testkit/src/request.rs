//! Requests and answers.

use std::collections::HashMap;

use edge::{
    Problem,
    http::{Reply, Request},
};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// A request of a user: path parameters, query string, body (null for none).
pub fn request(user: &str, path: &[(&str, &str)], query: &str, body: &Value) -> Request {
    Request {
        user: user.parse().expect("a user id"),
        path: path
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<HashMap<_, _>>(),
        raw_query: query.to_owned(),
        route: "TEST /".to_owned(),
        headers: http::HeaderMap::new(),
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
        request_id: "test".to_owned(),
        deadline: Timestamp::now().checked_add(29.seconds()).expect("a time"),
    }
}

/// The same request with a header.
pub fn with_header(mut request: Request, name: &'static str, value: &str) -> Request {
    request.headers.insert(name, value.parse().expect("a header's value"));
    request
}

/// Status and JSON of an answer, whichever way it went.
pub fn body(outcome: Result<Reply, Problem>) -> (u16, Value) {
    match outcome {
        Ok(reply) => (reply.status, serde_json::from_str(&reply.body).expect("JSON")),
        Err(problem) => (problem.status, serde_json::from_str(&problem.to_json("test")).expect("JSON")),
    }
}
