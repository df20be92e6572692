#![doc = include_str!("../README.md")]

mod batch;
mod dead_letters;
mod night;
mod operator;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use domain::{
    removal::{RemovalMessage, RemovalQueue},
    sync::{MESSAGE_VERSION, QueueError, SyncMessage, SyncQueue},
    webhook::{ReceivedWebhook, WebhookQueue},
};
use serde::Serialize;

pub use dead_letters::DeadLetterQueue;
pub use operator::DeadLetter;

/// One queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u32,
    #[serde(flatten)]
    message: &'a T,
}

impl Queue {
    /// The queue at this URL.
    pub fn new(config: &aws_types::SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }

    /// Sends a message with its version; those of one group share the queue fairly with the others.
    pub(crate) async fn put(
        &self,
        message: &(impl Serialize + Sync),
        group: Option<&str>,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body(message)?)
            .set_message_group_id(group.map(str::to_owned));
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let request = if seconds == 0 { request } else { request.delay_seconds(seconds) };
        request.send().await.map(drop).map_err(|error| failed(&error))
    }
}

/// A message as it travels.
pub(crate) fn body(message: &impl Serialize) -> Result<String, QueueError> {
    serde_json::to_string(&Versioned { v: MESSAGE_VERSION, message })
        .map_err(|_why| QueueError("the message cannot be written as JSON".to_owned()))
}

#[async_trait]
impl SyncQueue for Queue {
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError> {
        self.put(message, Some(message.at.household.as_str()), delay).await
    }
}

#[async_trait]
impl RemovalQueue for Queue {
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError> {
        self.put(message, Some(message.what.household().as_str()), delay).await
    }
}

/// Whose a webhook is, is not known yet: it has no group.
#[async_trait]
impl WebhookQueue for Queue {
    async fn send(&self, webhook: &ReceivedWebhook) -> Result<(), QueueError> {
        self.put(webhook, None, Duration::ZERO).await
    }
}

fn failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    QueueError(kind(error))
}

fn kind<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::TimeoutError(_) => "timeout".to_owned(),
        SdkError::DispatchFailure(_) => "unreachable".to_owned(),
        _ => error.code().unwrap_or("unknown").to_owned(),
    }
}
