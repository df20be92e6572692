//! What travels through the queues of the night.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::{
    ids::{ItemId, ItemRef},
    queue::Letter,
    sync::MESSAGE_VERSION,
};

/// Parts of the due index.
pub const SHARDS: u8 = 64;
/// Items of one message: they are synced side by side.
pub const ITEMS_OF_A_MESSAGE: usize = 10;

/// A part of the due index: spread, so that a night of everybody has no hot one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Shard(u8);

/// A number that is no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a shard: a number below {SHARDS}")]
pub struct ShardError;

impl Shard {
    /// All shards.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard that an item is in, for as long as it lives.
    pub fn of(item: &ItemId) -> Self {
        let add = |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
        let sum = item.as_str().bytes().fold(0_u32, add);
        Self(u8::try_from(sum % u32::from(SHARDS)).unwrap_or_default())
    }
}

impl TryFrom<u8> for Shard {
    type Error = ShardError;

    fn try_from(number: u8) -> Result<Self, ShardError> {
        if number < SHARDS { Ok(Self(number)) } else { Err(ShardError) }
    }
}

impl From<Shard> for u8 {
    fn from(shard: Shard) -> Self {
        shard.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// Asks for one shard to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMessage {
    /// The night.
    pub night: Date,
    /// The shard.
    pub shard: Shard,
    /// When the night is over.
    pub ends: Timestamp,
}

/// Asks for up to ten items to be synced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightMessage {
    /// The night.
    pub night: Date,
    /// The shard that it was planned in.
    pub shard: Shard,
    /// Its number in the shard. The items of a number are the same whenever it is sent.
    pub number: u32,
    /// When the night is over.
    pub ends: Timestamp,
    /// The items, or those of them that are tried again.
    pub items: Vec<NightItem>,
    /// Whether its items have been counted already: it comes back from the dead letters.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_counted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One item of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightItem {
    /// Its place in the message as it was planned.
    pub place: u8,
    /// The item.
    #[serde(flatten)]
    pub at: ItemRef,
    /// How often a service of ours has failed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl NightMessage {
    /// The messages of a page of items, numbered on from `first`.
    pub fn of_page(shard: &ShardMessage, first: u32, page: &[ItemRef]) -> Vec<Self> {
        let item = |(place, at): (u8, &ItemRef)| NightItem { place, at: at.clone(), tries: 0 };
        let message = |(number, items): (u32, &[ItemRef])| Self {
            night: shard.night,
            shard: shard.shard,
            number,
            ends: shard.ends,
            items: (0..).zip(items).map(item).collect(),
            is_counted: false,
        };
        (first..).zip(page.chunks(ITEMS_OF_A_MESSAGE)).map(message).collect()
    }

    /// The same message with some of its items.
    pub fn with(&self, items: Vec<NightItem>) -> Self {
        Self { items, ..self.clone() }
    }
}

/// The letter of an item that nobody could deal with: once it is sent back it is tried again, and not counted again.
pub fn letter(message: &NightMessage, item: &NightItem, reason: String) -> Letter {
    let NightMessage { night, shard, number, .. } = message;
    let again = NightItem { tries: 0, ..item.clone() };
    let mut body = json!(NightMessage { is_counted: true, ..message.with(vec![again]) });
    if let Some(fields) = body.as_object_mut() {
        fields.insert("v".to_owned(), json!(MESSAGE_VERSION));
        // Whoever sends it back means it, however long the night has been over.
        fields.insert("ends".to_owned(), json!(Timestamp::MAX));
    }
    Letter {
        message_id: format!("{night}-{shard}-{number}-{}", item.place),
        group: None,
        body: body.to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::HouseholdId;

    fn page(items: u8) -> Vec<ItemRef> {
        (0..items)
            .map(|n| ItemRef {
                household: HouseholdId::from_entropy([n; 10]),
                item: ItemId::from_entropy([n; 10]),
            })
            .collect()
    }

    fn shard() -> ShardMessage {
        ShardMessage {
            night: "2026-11-24".parse().unwrap(),
            shard: Shard(7),
            ends: "2026-11-25T07:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_page_becomes_messages_of_ten_that_are_numbered_on() {
        let messages = NightMessage::of_page(&shard(), 5, &page(23));
        let shape: Vec<_> = messages.iter().map(|message| (message.number, message.items.len())).collect();
        assert_eq!(shape, [(5, 10), (6, 10), (7, 3)]);
        let places: Vec<_> = messages[1].items.iter().map(|item| item.place).collect();
        assert_eq!(places, (0..10).collect::<Vec<_>>());
        assert_eq!(NightMessage::of_page(&shard(), 5, &page(23)), messages, "the same whenever it is sent");
    }

    #[test]
    fn a_letter_is_a_message_that_is_not_counted_again() {
        let message = NightMessage::of_page(&shard(), 0, &page(2)).remove(0);
        let letter = letter(&message, &message.items[1], "never".to_owned());
        assert_eq!(letter.message_id, "2026-11-24-07-0-1");
        let back: NightMessage = serde_json::from_str(&letter.body).unwrap();
        assert_eq!((back.items, back.is_counted), (vec![message.items[1].clone()], true));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&letter.body).unwrap()["v"], MESSAGE_VERSION);
    }

    #[test]
    fn a_number_beyond_the_shards_is_none() {
        assert!(serde_json::from_str::<Shard>("63").is_ok());
        assert!(serde_json::from_str::<Shard>("64").is_err());
        assert_eq!(Shard::all().count(), usize::from(SHARDS));
    }
}
