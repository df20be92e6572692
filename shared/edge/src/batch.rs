//! An SQS event in, the ids of the messages that failed out.

use std::{panic::AssertUnwindSafe, time::Instant};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    queue::{DeadLetters, Letter},
    sync::MESSAGE_VERSION,
};
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
    /// Nobody can deal with it as it is: it goes to the dead letters at once, with the reason, which says nothing of
    /// what is in it.
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
    dead_letters: &dyn DeadLetters,
    handle: impl AsyncFn(&D, Message<T>) -> Verdict,
) -> Result<(), lambda_runtime::Error> {
    let (deps, handle) = (&deps, &handle);
    let service = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let (event, context) = event.into_parts();
        Ok::<_, lambda_runtime::Error>(respond(deps, dead_letters, handle, event, &context).await)
    });
    lambda_runtime::run(service).await
}

/// One batch: its messages concurrently, the failed ones named.
pub async fn respond<D, T: DeserializeOwned>(
    deps: &D,
    dead_letters: &dyn DeadLetters,
    handle: &impl AsyncFn(&D, Message<T>) -> Verdict,
    event: SqsEvent,
    context: &Context,
) -> SqsBatchResponse {
    let ends = deadline(context);
    let all = event.records.into_iter().map(|record| one(deps, dead_letters, handle, record, ends));
    let mut response = SqsBatchResponse::default();
    for failed in join_all(all).await.into_iter().flatten() {
        response.add_failure(failed);
    }
    response
}

/// The message's id if it must come again.
async fn one<D, T: DeserializeOwned>(
    deps: &D,
    dead_letters: &dyn DeadLetters,
    handle: &impl AsyncFn(&D, Message<T>) -> Verdict,
    record: SqsMessage,
    deadline: Timestamp,
) -> Option<String> {
    let began = Instant::now();
    let verdict = judge(deps, handle, record.body.as_deref().unwrap_or_default(), deadline).await;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let id = record.message_id.clone().unwrap_or_default();
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
            park(dead_letters, record, why).await.then_some(id)
        }
    }
}

async fn judge<D, T: DeserializeOwned>(
    deps: &D,
    handle: &impl AsyncFn(&D, Message<T>) -> Verdict,
    body: &str,
    deadline: Timestamp,
) -> Verdict {
    let content = match read(body) {
        Ok(content) => content,
        Err(why) => return Verdict::Park(why),
    };
    // A panic is parked at once: a state that has passed since is one redrive away, and poison does not run ten times.
    AssertUnwindSafe(handle(deps, Message { content, deadline }))
        .catch_unwind()
        .await
        .unwrap_or_else(|_panic| Verdict::Park("the handler panicked".to_owned()))
}

/// Puts a message into the dead letters. Whether it must come again, because they did not take it.
async fn park(dead_letters: &dyn DeadLetters, mut record: SqsMessage, reason: String) -> bool {
    let letter = Letter {
        message_id: record.message_id.unwrap_or_default(),
        group: record.attributes.remove("MessageGroupId"),
        body: record.body.unwrap_or_default(),
        reason,
    };
    match dead_letters.park(&letter).await {
        Ok(()) => {
            crate::metrics::emit(&[], &[("ParkedMessages", "Count", 1)]);
            false
        }
        Err(error) => {
            tracing::error!(message_id = letter.message_id, %error, "message not parked; it comes again");
            true
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
    use std::sync::Mutex;

    use async_trait::async_trait;
    use domain::sync::QueueError;

    use super::*;

    #[derive(Deserialize)]
    struct Number {
        n: u32,
    }

    /// Letters that are kept, or a queue that cannot be reached.
    struct Fake {
        letters: Mutex<Vec<Letter>>,
        can_be_reached: bool,
    }

    #[async_trait]
    impl DeadLetters for Fake {
        async fn park(&self, letter: &Letter) -> Result<(), QueueError> {
            if !self.can_be_reached {
                return Err(QueueError("timeout".to_owned()));
            }
            self.letters.lock().unwrap().push(letter.clone());
            Ok(())
        }
    }

    const BODIES: [&str; 7] = [
        r#"{"v":1,"n":0}"#,
        r#"{"v":1,"n":1}"#,
        r#"{"v":1,"n":2}"#,
        r#"{"v":1,"n":3}"#,
        r#"{"v":2,"n":0}"#,
        "poison",
        r#"{"v":1}"#,
    ];

    /// The ids of the messages that come again, and the letters.
    async fn respond_to_all(can_be_reached: bool) -> (Vec<String>, Vec<Letter>) {
        let mut event = SqsEvent::default();
        for (place, body) in BODIES.iter().enumerate() {
            let mut record = SqsMessage::default();
            record.message_id = Some(place.to_string());
            record.body = Some((*body).to_owned());
            record.attributes.insert("MessageGroupId".to_owned(), "a household".to_owned());
            event.records.push(record);
        }
        let handle = async |(): &(), message: Message<Number>| match message.content.n {
            0 => Verdict::Done,
            1 => Verdict::Retry("later".to_owned()),
            2 => Verdict::Park("never".to_owned()),
            _ => panic!("a bug"),
        };
        let fake = Fake { letters: Mutex::default(), can_be_reached };
        let response = respond(&(), &fake, &handle, event, &Context::default()).await;
        let failed = response.batch_item_failures.into_iter().map(|item| item.item_identifier).collect();
        (failed, fake.letters.into_inner().unwrap())
    }

    #[tokio::test]
    async fn what_nobody_can_deal_with_is_parked_with_its_reason_and_leaves_the_others_alone() {
        let (failed, letters) = respond_to_all(true).await;
        assert_eq!(failed, ["1"], "only what is for later comes again");
        let parked: Vec<_> =
            letters.iter().map(|letter| (letter.message_id.as_str(), letter.reason.as_str())).collect();
        assert_eq!(
            parked,
            [
                ("2", "never"),
                ("3", "the handler panicked"),
                ("4", "the message has version 2"),
                ("5", "the message has no version"),
                ("6", "the message is not of its version's shape"),
            ]
        );
    }

    #[tokio::test]
    async fn a_letter_is_the_message_as_it_came() {
        let (_, letters) = respond_to_all(true).await;
        let bodies: Vec<_> = letters.iter().map(|letter| letter.body.as_str()).collect();
        assert_eq!(bodies, BODIES[2..]);
        assert!(letters.iter().all(|letter| letter.group.as_deref() == Some("a household")));
    }

    #[tokio::test]
    async fn what_cannot_be_parked_comes_again() {
        let (failed, letters) = respond_to_all(false).await;
        assert_eq!(failed, ["1", "2", "3", "4", "5", "6"]);
        assert!(letters.is_empty());
    }
}
