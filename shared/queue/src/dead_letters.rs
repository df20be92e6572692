//! Dead letters, as a worker parks them.

use async_trait::async_trait;
use aws_sdk_sqs::{Client, types::MessageAttributeValue};
use domain::{
    queue::{DeadLetters, Letter},
    sync::QueueError,
};

use crate::failed;

/// Attributes of a letter. What SQS moved here by itself has none.
pub(crate) const REASON: &str = "reason";
pub(crate) const MESSAGE_ID: &str = "message_id";

/// One queue of dead letters.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

impl DeadLetterQueue {
    /// The dead letters at this URL.
    pub fn new(config: &aws_types::SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }
}

#[async_trait]
impl DeadLetters for DeadLetterQueue {
    async fn park(&self, letter: &Letter) -> Result<(), QueueError> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(&letter.body)
            .set_message_group_id(letter.group.clone())
            .message_attributes(REASON, text(&letter.reason)?)
            .message_attributes(MESSAGE_ID, text(&letter.message_id)?);
        request.send().await.map(drop).map_err(|error| failed(&error))
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, QueueError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value);
    attribute.build().map_err(|_incomplete| QueueError("an attribute has no type".to_owned()))
}
