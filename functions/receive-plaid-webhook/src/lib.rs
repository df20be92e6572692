//! The door for Plaid's webhooks — function URL, any path ending in /plaid/webhook: verify, queue, 200, and nothing else.
//!
//! It knows nothing of items. A token that it has queued is answered 200 and not queued again. Order of effects: the look-up
//! of a key that is not known → message → 200. A crash before the message leaves nothing, and Plaid sends the webhook again; after it the message is
//! there, and comes once more when Plaid repeats the webhook.

pub mod config;
mod strangers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    sync::QueueError,
    webhook::{LARGEST_BODY, Refusal, Replays, Verifier, WebhookQueue},
};
use edge::{Problem, http::Reply, webhook::Delivery};
use http::Method;
use jiff::Timestamp;
use serde::Serialize;

pub use strangers::Strangers;

/// What this function reaches the world through.
pub struct Deps {
    /// Tells what is Plaid's.
    pub verifier: Verifier,
    /// The queue of webhooks.
    pub queue: Arc<dyn WebhookQueue>,
    /// What was queued.
    pub replays: Replays,
    /// What strangers have sent.
    pub strangers: Strangers,
}

const HEADER: &str = "plaid-verification";
const PATH: &str = "/plaid/webhook";

/// Plaid reads the status alone.
#[derive(Serialize)]
struct Answer {}

/// Why a request came to nothing.
enum NotTaken {
    /// It is no webhook at all.
    Misdirected(Problem),
    /// It is not Plaid's, not good, or could not be checked.
    Refused(Refusal),
    /// It is good, and the queue did not take it.
    NotQueued(QueueError),
}

/// Takes one webhook.
pub async fn handle(deps: &Deps, delivery: Delivery) -> Result<Reply, Problem> {
    let outcome = take(deps, &delivery).await;
    match outcome {
        Err(not_taken) if not_taken.is_of_strangers() => {
            deps.strangers.count(not_taken.code(), Timestamp::now());
            Err(Problem::from(not_taken).quiet())
        }
        outcome => {
            count(&outcome);
            outcome?;
            Reply::json(200, &Answer {})
        }
    }
}

async fn take(deps: &Deps, delivery: &Delivery) -> Result<(), NotTaken> {
    let body = delivery.body(LARGEST_BODY).map_err(NotTaken::Misdirected)?;
    is_for_us(delivery).map_err(NotTaken::Misdirected)?;
    let token = delivery.header(HEADER);
    let webhook = deps.verifier.verify(token, &body).await.map_err(NotTaken::Refused)?;
    let (token, now) = (token.unwrap_or_default(), webhook.received_at);
    if deps.replays.has(token, now) {
        return Ok(());
    }
    deps.queue.send(&webhook).await.map_err(NotTaken::NotQueued)?;
    deps.replays.add(token, now);
    Ok(())
}

fn is_for_us(delivery: &Delivery) -> Result<(), Problem> {
    if !delivery.path.ends_with(PATH) {
        return Err(Problem::new(404, "not_found", "There is nothing here."));
    }
    if delivery.method != Method::POST {
        return Err(Problem::new(405, "method_not_allowed", "Webhooks are posted."));
    }
    Ok(())
}

/// `Webhooks` by outcome, and `WebhooksRejected`: what Plaid has certainly sent and got no 200 for, which Plaid counts too.
/// Of the latter no forger can make more, nor fewer.
fn count(outcome: &Result<(), NotTaken>) {
    let name = outcome.as_ref().err().map_or("accepted", NotTaken::code);
    edge::metrics::emit(&[("Outcome", name)], &[("Webhooks", "Count", 1)]);
    if outcome.as_ref().is_err_and(NotTaken::is_of_plaids_own) {
        edge::metrics::emit(&[], &[("WebhooksRejected", "Count", 1)]);
    }
}

impl NotTaken {
    /// One of few: each is a metric of its own.
    fn code(&self) -> &'static str {
        match self {
            Self::Misdirected(problem) => problem.code,
            Self::Refused(refusal) => refusal.code(),
            Self::NotQueued(_) => "queue_unavailable",
        }
    }

    /// Whether anybody can make more of it: no line of the log for each.
    fn is_of_strangers(&self) -> bool {
        match self {
            Self::Misdirected(_) => true,
            // That Plaid cannot be asked is worth a line.
            Self::Refused(Refusal::KeyUnavailable(_)) | Self::NotQueued(_) => false,
            Self::Refused(refusal) => !refusal.is_of_plaids_own(),
        }
    }

    fn is_of_plaids_own(&self) -> bool {
        match self {
            Self::Misdirected(_) => false,
            Self::Refused(refusal) => refusal.is_of_plaids_own(),
            Self::NotQueued(_) => true,
        }
    }
}

impl From<NotTaken> for Problem {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::Misdirected(problem) => problem,
            NotTaken::Refused(refusal) => refusal.into(),
            NotTaken::NotQueued(error) => {
                Self::later("queue_unavailable", "The webhook cannot be taken right now.", 30).because(error)
            }
        }
    }
}
