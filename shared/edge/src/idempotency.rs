//! `Idempotency-Key`: a request with one has its effect once, and the same answer for a day.
//!
//! A function's `handle` says so in one line: `once(&deps.once, request, async |request, entropy| …)`. What the request makes
//! gets its ids from `entropy`, which is the same at every attempt. A crash between the effect and the remembered answer
//! leaves a request that is made again once its time is over, and finds what it had made.

use std::{sync::Arc, time::Duration};

use domain::{
    idempotency::{Attempt, AttemptStart, KeptAnswer, RequestRecords},
    ids::{Entropy, fingerprint},
    store::StoreError,
    time::{Clock, Random, later},
};

use crate::{
    Problem,
    http::{Reply, Request},
};

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
/// The longest that Lambda lets anything run.
const LONGEST_RUN: Duration = Duration::from_mins(15);
/// Headers of answers that are given again.
const KEPT_HEADERS: [&str; 2] = ["etag", "location"];

/// What answering once needs.
pub struct Once {
    /// What has been answered.
    pub records: Arc<dyn RequestRecords>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub random: Arc<dyn Random>,
}

/// Carries a request out, or gives the answer that it had. A request without a key is carried out each time.
///
/// # Errors
/// The problem that the request has, which is not remembered; or one of its key.
pub async fn once(
    once: &Once,
    request: Request,
    answer: impl AsyncFnOnce(Request, Entropy) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    run(once, request, answer, true).await
}

/// As [`once`], for an answer with a secret that is shown once and kept nowhere: the second time there is none.
///
/// # Errors
/// As [`once`].
pub async fn once_with_a_secret(
    once: &Once,
    request: Request,
    answer: impl AsyncFnOnce(Request, Entropy) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    run(once, request, answer, false).await
}

async fn run(
    once: &Once,
    request: Request,
    answer: impl AsyncFnOnce(Request, Entropy) -> Result<Reply, Problem>,
    is_kept: bool,
) -> Result<Reply, Problem> {
    let Some(key) = key(&request)? else {
        return answer(request, once.random.entropy()).await;
    };
    let attempt = attempt(once, &request, &key);
    let entropy = match once.records.begin(&attempt).await? {
        AttemptStart::Go(entropy) => entropy,
        AttemptStart::Answered(kept) => return Ok(given_again(kept)),
        AttemptStart::AnsweredUnkept => {
            let words = "This request was carried out. Its answer had a secret, which is shown once. Ask anew, with a new key.";
            return Err(Problem::new(409, "answer_not_kept", words));
        }
        AttemptStart::UnderWay => {
            let words = "The same request is being carried out. Send it again in a moment.";
            let problem = Problem::new(409, "request_in_progress", words);
            return Err(Problem { retry_after_s: Some(1), ..problem });
        }
        AttemptStart::OtherRequest => {
            let words = "This Idempotency-Key was sent with another request. Use a new one.";
            return Err(Problem::new(422, "idempotency_key_reused", words));
        }
    };
    let outcome = answer(request, entropy).await;
    let remembered = match &outcome {
        Ok(reply) => once.records.answered(&attempt, is_kept.then(|| kept(reply)).as_ref()).await,
        // Nothing was done: the key is free for what was meant.
        Err(problem) if problem.status < 500 => once.records.forget(&attempt).await,
        Err(_) => once.records.reopen(&attempt).await,
    };
    complain(remembered);
    outcome
}

/// What the caller is told is true all the same; the request may be made again once its time is over.
fn complain(remembered: Result<(), StoreError>) {
    if let Err(error) = remembered {
        tracing::warn!(%error, "the end of a request with a key is not remembered");
    }
}

fn key(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.trim().is_empty() || text.len() > LONGEST_KEY || !is_printable {
        return Err(Problem::field("Idempotency-Key", "must have 1 to 255 printable ASCII characters"));
    }
    Ok(Some(text.to_owned()))
}

fn attempt(once: &Once, request: &Request, key: &str) -> Attempt {
    let began = once.clock.now();
    let mut path: Vec<_> = request.path.iter().collect();
    path.sort();
    let path = path.into_iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let body = canonical(&request.body);
    let asked: Vec<&[u8]> = path.chain([request.raw_query.as_bytes(), body.as_slice()]).collect();
    let whose = [request.user.as_str().as_bytes(), request.route.as_bytes(), key.as_bytes()];
    Attempt {
        key: fingerprint_of(&whose),
        request: fingerprint_of(&asked),
        entropy: once.random.entropy(),
        began,
        until: request.deadline.min(later(began, LONGEST_RUN)),
    }
}

/// A body with the fields of its objects in order: clients that serialize by hash order repeat a request in another one.
/// What is no JSON stays as it is.
fn canonical(body: &[u8]) -> Vec<u8> {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    value.and_then(|value| serde_json::to_vec(&value).ok()).unwrap_or_else(|| body.to_vec())
}

/// Of the parts in their order, none of which can be taken for a piece of another.
fn fingerprint_of(parts: &[&[u8]]) -> String {
    fingerprint(parts.iter().map(fingerprint).collect::<String>())
}

fn kept(reply: &Reply) -> KeptAnswer {
    let headers = reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    KeptAnswer { status: reply.status, body: reply.body.clone(), headers: headers.collect() }
}

fn given_again(kept: KeptAnswer) -> Reply {
    let known = |name: &str| KEPT_HEADERS.into_iter().find(|known| *known == name);
    let headers = kept.headers.into_iter().filter_map(|(name, value)| Some((known(&name)?, value)));
    Reply { status: kept.status, body: kept.body, headers: headers.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_fields_and_blanks_make_no_other_request() {
        assert_eq!(
            canonical(br#"{"a":1,"b":{"c":[1,2],"d":null}}"#),
            canonical(br#" {"b": {"d":null,"c":[1,2]},"a":1}"#)
        );
        assert_ne!(canonical(br#"{"a":[1,2]}"#), canonical(br#"{"a":[2,1]}"#));
        assert_ne!(canonical(br#"{"a":1}"#), canonical(br#"{"a":"1"}"#));
        assert_eq!(canonical(b"{"), b"{");
    }
}
