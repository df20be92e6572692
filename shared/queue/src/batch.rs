//! Many messages at once: ten a request, and what a request did not take is sent again.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::sync::QueueError;
use futures::future::try_join_all;
use serde::Serialize;

use crate::{Queue, body, failed};

/// What SQS takes in one request.
const BATCH: usize = 10;
/// So often a message is sent that a request did not take. The client's own retries are beside these.
const TRIES: usize = 3;

impl Queue {
    /// Sends all of them, ten a request, the requests side by side.
    pub(crate) async fn send_batches<T: Serialize>(&self, messages: &[T]) -> Result<(), QueueError> {
        try_join_all(messages.chunks(BATCH).map(|batch| self.send_batch(batch))).await.map(drop)
    }

    async fn send_batch<T: Serialize>(&self, batch: &[T]) -> Result<(), QueueError> {
        let mut left = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let mut why = String::new();
        for _ in 0..TRIES {
            let request = self.client.send_message_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(left.clone())).send().await;
            let answer = answer.map_err(|error| failed(&error))?;
            let Some(refused) = answer.failed().first() else { return Ok(()) };
            refused.code().clone_into(&mut why);
            left.retain(|entry| answer.failed().iter().any(|refused| refused.id() == entry.id()));
        }
        Err(QueueError(why))
    }
}

/// A message with its place as its id, by which the answer tells which were not taken.
fn entry<T: Serialize>((place, message): (usize, &T)) -> Result<SendMessageBatchRequestEntry, QueueError> {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(body(message)?)
        .build()
        .map_err(|_incomplete| QueueError("an entry of a batch has no body".to_owned()))
}
