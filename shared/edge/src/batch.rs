//! An SQS event in, the ids of the messages that failed out.

use std::{panic::AssertUnwindSafe, time::Instant};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::sync::MESSAGE_VERSION;
use futures::{FutureExt, future::join_all};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::{Deserialize, de::DeserializeOwned};

use crate::http::deadline;

/// The outcome of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is dealt with.
    Done,
    /// Not now: the queue brings it again.
    Retry(String),
    /// Nobody can deal with it as it is: it goes to the dead letters, with a reason in the log.
    Park(String),
}

/// A message and what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    /// What it says.
    pub content: T,
    /// When this invocation ends.
    pub deadline: Timestamp,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Serves batches until Lambda stops the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<D, T: DeserializeOwned>(
    deps: D,
    handle: impl AsyncFn(&D, Message<T>) -> Verdict,
) -> Result<(), lambda_runtime::Error> {
    let (deps, handle) = (&deps, &handle);
    let service = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let (event, context) = event.into_parts();
        Ok::<_, lambda_runtime::Error>(respond(deps, handle, event, &context).await)
    });
    lambda_runtime::run(service).await
}

/// One batch: its messages concurrently, the failed ones named.
pub async fn respond<D, T: DeserializeOwned>(
    deps: &D,
    handle: &impl AsyncFn(&D, Message<T>) -> Verdict,
    event: SqsEvent,
    context: &Context,
) -> SqsBatchResponse {
    let ends = deadline(context);
    let all = event.records.into_iter().map(|record| one(deps, handle, record, ends));
    let mut response = SqsBatchResponse::default();
    for failed in join_all(all).await.into_iter().flatten() {
        response.add_failure(failed);
    }
    response
}

/// The message's id if it must come again.
async fn one<D, T: DeserializeOwned>(
    deps: &D,
    handle: &impl AsyncFn(&D, Message<T>) -> Verdict,
    record: SqsMessage,
    deadline: Timestamp,
) -> Option<String> {
    let began = Instant::now();
    let id = record.message_id.unwrap_or_default();
    let verdict = match read(record.body.as_deref().unwrap_or_default()) {
        Ok(content) => {
            let call = AssertUnwindSafe(handle(deps, Message { content, deadline }));
            call.catch_unwind()
                .await
                .unwrap_or_else(|_panic| Verdict::Park("the handler panicked".to_owned()))
        }
        Err(why) => Verdict::Park(why),
    };
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match verdict {
        Verdict::Done => {
            tracing::info!(message_id = id, duration_ms, "message done");
            None
        }
        Verdict::Retry(why) => {
            tracing::warn!(message_id = id, duration_ms, why, "message will be retried");
            Some(id)
        }
        Verdict::Park(why) => {
            tracing::error!(message_id = id, duration_ms, why, "message parked");
            crate::metrics::emit(&[], &[("ParkedMessages", "Count", 1)]);
            Some(id)
        }
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    let Version { v } = serde_json::from_str(body).map_err(|_why| "the message has no version".to_owned())?;
    if v != MESSAGE_VERSION {
        return Err(format!("the message has version {v}"));
    }
    serde_json::from_str(body).map_err(|_why| "the message is not of its version's shape".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Number {
        n: u32,
    }

    #[tokio::test]
    async fn only_the_failed_messages_come_again() {
        let bodies = [
            r#"{"v":1,"n":0}"#,
            r#"{"v":1,"n":1}"#,
            r#"{"v":1,"n":2}"#,
            r#"{"v":1,"n":3}"#,
            r#"{"v":2,"n":0}"#,
            "poison",
            r#"{"v":1}"#,
        ];
        let mut event = SqsEvent::default();
        for (place, body) in bodies.iter().enumerate() {
            let mut record = SqsMessage::default();
            record.message_id = Some(place.to_string());
            record.body = Some((*body).to_owned());
            event.records.push(record);
        }
        let handle = async |(): &(), message: Message<Number>| match message.content.n {
            0 => Verdict::Done,
            1 => Verdict::Retry("later".to_owned()),
            2 => Verdict::Park("never".to_owned()),
            _ => panic!("a bug"),
        };
        let response = respond(&(), &handle, event, &Context::default()).await;
        let failed: Vec<_> =
            response.batch_item_failures.into_iter().map(|item| item.item_identifier).collect();
        assert_eq!(failed, ["1", "2", "3", "4", "5", "6"]);
    }
}
