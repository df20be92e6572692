//! `Idempotency-Key`: a request with one has its effect once, and the same answer for a day.
//!
//! A function's `handle` says so in one line: `once(&deps.once, request, async |request, entropy| …)`. What the request makes
//! gets its ids from `entropy`, which is the same at every attempt. A crash between the effect and the remembered answer
//! leaves a request that is made again once its time is over, and finds what it had made.

use std::{fmt::Display, sync::Arc, time::Duration};

use domain::{
    household::Memberships,
    idempotency::{Attempt, AttemptStart, KeptAnswer, RequestRecords},
    ids::{Entropy, HouseholdId, UserId, fingerprint},
    limit::{Counted, Limit},
    store::StoreError,
    time::{Clock, Random, later},
};

use crate::{
    Problem,
    http::{LARGEST_BODY, Reply, Request},
};

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
/// The longest that Lambda lets anything run.
const LONGEST_RUN: Duration = Duration::from_mins(15);
/// Headers of answers that are given again.
const KEPT_HEADERS: [&str; 2] = ["etag", "location"];

/// What answering once needs.
pub struct Once {
    /// Who belongs where: an answer is given again to members only.
    pub memberships: Arc<dyn Memberships>,
    /// What has been answered.
    pub records: Arc<dyn RequestRecords>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub random: Arc<dyn Random>,
}

impl Once {
    /// Counts a request against a limit.
    ///
    /// # Errors
    /// If there were as many as there may be.
    pub async fn within(&self, limit: &Limit, subject: impl Display) -> Result<(), Problem> {
        within(&*self.records, &*self.clock, limit, subject).await
    }
}

/// Counts a request against a limit.
///
/// # Errors
/// If there were as many as there may be.
pub async fn within(
    records: &dyn RequestRecords,
    clock: &dyn Clock,
    limit: &Limit,
    subject: impl Display,
) -> Result<(), Problem> {
    match records.count(limit, &subject.to_string(), clock.now()).await? {
        Counted::Within => Ok(()),
        Counted::Beyond { retry_after_s } => Err(Problem::too_many_requests(limit, retry_after_s)),
    }
}

/// An answer that is kept, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdReply {
    household: HouseholdId,
    reply: Reply,
}

impl Reply {
    /// The answer as one of a household: it is given again to members only.
    pub fn of(self, household: HouseholdId) -> HouseholdReply {
        HouseholdReply { household, reply: self }
    }
}

/// Carries a request out, or gives the answer that it had. A request without a key is carried out each time.
///
/// # Errors
/// The problem that the request has, which is not remembered; or one of its key.
pub async fn once(
    once: &Once,
    request: Request,
    answer: impl AsyncFnOnce(Request, Entropy) -> Result<HouseholdReply, Problem>,
) -> Result<Reply, Problem> {
    let with_household = async |request, entropy| {
        let HouseholdReply { household, reply } = answer(request, entropy).await?;
        Ok((Some(household), reply))
    };
    run(once, request, with_household).await
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
    run(once, request, async |request, entropy| Ok((None, answer(request, entropy).await?))).await
}

async fn run(
    once: &Once,
    request: Request,
    answer: impl AsyncFnOnce(Request, Entropy) -> Result<(Option<HouseholdId>, Reply), Problem>,
) -> Result<Reply, Problem> {
    let Some(key) = key(&request)? else {
        return answer(request, once.random.entropy()).await.map(|(_, reply)| reply);
    };
    let attempt = attempt(once, &request, &key);
    let entropy = match once.records.begin(&attempt).await? {
        AttemptStart::Go(entropy) => entropy,
        AttemptStart::Answered(kept) => return given_again(once, &request.user, kept).await,
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
        Ok((household, reply)) => {
            once.records.answered(&attempt, kept(household.as_ref(), reply).as_ref()).await
        }
        // Nothing was done: the key is free for what was meant.
        Err(problem) if problem.status < 500 => once.records.forget(&attempt).await,
        Err(_) => once.records.reopen(&attempt).await,
    };
    complain(remembered);
    outcome.map(|(_, reply)| reply)
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
/// What is no JSON stays as it is, and what is too large to be read.
fn canonical(body: &[u8]) -> Vec<u8> {
    if body.len() > LARGEST_BODY {
        return body.to_vec();
    }
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    value.and_then(|value| serde_json::to_vec(&value).ok()).unwrap_or_else(|| body.to_vec())
}

/// Of the parts in their order, none of which can be taken for a piece of another.
fn fingerprint_of(parts: &[&[u8]]) -> String {
    fingerprint(parts.iter().map(fingerprint).collect::<String>())
}

/// The answer as it is kept; `None` if it has a secret.
fn kept(household: Option<&HouseholdId>, reply: &Reply) -> Option<KeptAnswer> {
    let household = household.cloned()?;
    let headers = reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Some(KeptAnswer { household, status: reply.status, body: reply.body.clone(), headers: headers.collect() })
}

async fn given_again(once: &Once, user: &UserId, kept: KeptAnswer) -> Result<Reply, Problem> {
    if once.memberships.membership(user, &kept.household).await?.is_none() {
        return Err(Problem::not_found("household_not_found", "household"));
    }
    let known = |name: &str| KEPT_HEADERS.into_iter().find(|known| *known == name);
    let headers = kept.headers.into_iter().filter_map(|(name, value)| Some((known(&name)?, value)));
    Ok(Reply { status: kept.status, body: kept.body, headers: headers.collect() })
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
