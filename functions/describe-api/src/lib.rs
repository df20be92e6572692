//! `GET /api/v1/openapi.json` — what all endpoints take and answer, as OpenAPI 3.1. For anybody, since it holds nobody's data.
//!
//! Touches nothing: the document is compiled in, as `cargo contract` has written it.

mod api;
#[cfg(test)]
mod tests;

use edge::{Problem, http::Reply, open::Visit};

pub use api::operation;

const DOCUMENT: &str = include_str!("../../../openapi.json");
/// A deployment changes it, and nothing else: clients need not ask for it at each call.
const CACHED: &str = "public, max-age=300";

/// Shows the document.
pub async fn handle(visit: Visit) -> Result<Reply, Problem> {
    visit.query().finish()?;
    let headers = vec![("cache-control", CACHED.to_owned())];
    Ok(Reply { status: 200, body: DOCUMENT.to_owned(), headers })
}
