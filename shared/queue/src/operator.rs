//! Dead letters, as an operator sees them: all of them, and back to where they came from.
//!
//! SQS shows a message only to whoever receives it, and hides it from everybody else meanwhile. So all letters are held
//! for as long as it takes, and let go again.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName as Attribute,
};
use domain::sync::QueueError;
use jiff::Timestamp;

use crate::{
    DeadLetterQueue,
    dead_letters::{MESSAGE_ID, REASON},
    failed,
};

/// How long a letter is held: longer than a look at some ten thousand of them takes, and not long if the operator dies.
const HELD_S: i32 = 60;
/// Long polling asks all of SQS's servers; without it an empty answer does not mean that the queue is empty. The clients
/// give up on an attempt after two seconds.
const WAIT_S: i32 = 1;
/// What SQS takes and gives at once.
const BATCH: usize = 10;

/// A message that nobody could deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message's id, as the log of its worker has it.
    pub id: String,
    /// What it says.
    pub body: String,
    /// Why it was parked; `None` if SQS moved it here because it had been received too often.
    pub reason: Option<String>,
    /// When it was parked; when it was first sent, if SQS moved it.
    pub sent: Option<Timestamp>,
    /// How often it has been received, looks at it included.
    pub receives: u64,
}

impl DeadLetterQueue {
    /// All letters, the oldest first. None is taken away, and none stays hidden.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let held = self.hold().await?;
        self.release(&held).await?;
        let mut letters: Vec<_> = held.iter().map(DeadLetter::from).collect();
        letters.sort_by_key(|letter| letter.sent);
        Ok(letters)
    }

    /// Sends letters, all or those of one message, to a queue, and says how many. Only what was here at the start: a
    /// letter that comes back at once is not sent round in circles. A letter is deleted after it was sent: a crash
    /// doubles it, which every worker bears, and loses nothing.
    pub async fn redrive(&self, queue_url: &str, message: Option<&str>) -> Result<usize, QueueError> {
        let held = self.hold().await?;
        let (chosen, others): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|letter| message.is_none_or(|id| DeadLetter::from(letter).id == id));
        self.release(&others).await?;
        for (moved, letter) in chosen.iter().enumerate() {
            if let Err(error) = self.send_back(queue_url, letter).await {
                self.release(chosen.get(moved..).unwrap_or_default()).await?;
                return Err(error);
            }
        }
        Ok(chosen.len())
    }

    async fn send_back(&self, queue_url: &str, letter: &Message) -> Result<(), QueueError> {
        self.client
            .send_message()
            .queue_url(queue_url)
            .set_message_body(letter.body.clone())
            .set_message_group_id(system_attribute(letter, &Attribute::MessageGroupId).map(str::to_owned))
            .send()
            .await
            .map_err(|error| failed(&error))?;
        self.client
            .delete_message()
            .queue_url(&self.url)
            .set_receipt_handle(letter.receipt_handle.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(&error))
    }

    /// Receives until nothing new comes.
    async fn hold(&self) -> Result<Vec<Message>, QueueError> {
        // By id: of a letter that comes twice the last receipt is the one that counts.
        let mut held = BTreeMap::new();
        loop {
            let before = held.len();
            match self.receive().await {
                Ok(some) => {
                    held.extend(some.into_iter().map(|letter| (letter.message_id.clone(), letter)));
                }
                Err(error) => {
                    self.release(&held.into_values().collect::<Vec<_>>()).await?;
                    return Err(error);
                }
            }
            if held.len() == before {
                return Ok(held.into_values().collect());
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, QueueError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(1))
            .visibility_timeout(HELD_S)
            .wait_time_seconds(WAIT_S)
            .message_system_attribute_names(Attribute::All)
            .message_attribute_names("All");
        let answer = request.send().await.map_err(|error| failed(&error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Lets everybody see these again. A receipt that SQS refuses is of a letter that can be seen already.
    async fn release(&self, held: &[Message]) -> Result<(), QueueError> {
        for some in held.chunks(BATCH) {
            let entries: Result<Vec<_>, _> = some.iter().enumerate().map(visible_at_once).collect();
            let entries = entries.map_err(|_incomplete| QueueError("a letter has no receipt".to_owned()))?;
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            request.set_entries(Some(entries)).send().await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

fn visible_at_once(
    (place, letter): (usize, &Message),
) -> Result<ChangeMessageVisibilityBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(place.to_string())
        .set_receipt_handle(letter.receipt_handle.clone())
        .visibility_timeout(0)
        .build()
}

fn system_attribute<'a>(letter: &'a Message, name: &Attribute) -> Option<&'a str> {
    letter.attributes.as_ref()?.get(name).map(String::as_str)
}

fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes.as_ref()?.get(name)?.string_value()
}

impl From<&Message> for DeadLetter {
    fn from(letter: &Message) -> Self {
        let number = |name| system_attribute(letter, &name).and_then(|text| text.parse::<i64>().ok());
        let id = attribute(letter, MESSAGE_ID).or(letter.message_id());
        Self {
            id: id.unwrap_or_default().to_owned(),
            body: letter.body.clone().unwrap_or_default(),
            reason: attribute(letter, REASON).map(str::to_owned),
            sent: number(Attribute::SentTimestamp).and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            receives: number(Attribute::ApproximateReceiveCount)
                .and_then(|count| count.try_into().ok())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_sqs_moved_has_no_reason_and_the_id_it_always_had() {
        let message = Message::builder()
            .message_id("message-0")
            .body("poison")
            .attributes(Attribute::SentTimestamp, "1000")
            .attributes(Attribute::ApproximateReceiveCount, "11")
            .build();
        let expected = DeadLetter {
            id: "message-0".to_owned(),
            body: "poison".to_owned(),
            reason: None,
            sent: Some(Timestamp::from_second(1).unwrap()),
            receives: 11,
        };
        assert_eq!(DeadLetter::from(&message), expected);
    }
}
