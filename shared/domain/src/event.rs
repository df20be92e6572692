//! What this system tells the rest of the world: that something happened, with ids only. Whoever wants to know more
//! asks, and is asked for their own right to know.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ids::ItemRef, item::Counts};

/// The version of every event's detail.
pub const EVENT_VERSION: u32 = 1;

/// Something that happened to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The item.
    pub at: ItemRef,
    /// When. With the item and the kind it tells a repetition from a second event.
    pub time: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A sync ended well and changed something. At most once: whoever needs to be sure reads.
    SyncFinished(Counts),
    /// A person must do something, by the bank's code. At least once.
    NeedsAttention {
        /// The bank's code.
        reason: String,
    },
    /// It works again. At least once.
    Repaired,
    /// It is gone. At least once.
    Removed,
}

impl EventKind {
    /// The name it goes by on the bus (`detail-type`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::SyncFinished(_) => "Sync Finished",
            Self::NeedsAttention { .. } => "Item Needs Attention",
            Self::Repaired => "Item Repaired",
            Self::Removed => "Item Removed",
        }
    }
}

/// News of an item's health, written down with the change of health and taken away once it has been announced: a crash
/// in between announces it twice, never not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// When the health changed.
    pub since: Timestamp,
    /// The bank's code if a person must do something; none if it works again.
    pub reason: Option<String>,
}

impl News {
    /// As an event of `at`.
    pub fn event(&self, at: &ItemRef) -> Event {
        let kind = match &self.reason {
            Some(reason) => EventKind::NeedsAttention { reason: reason.clone() },
            None => EventKind::Repaired,
        };
        Event { at: at.clone(), time: self.since, kind }
    }
}

/// The bus did not take an event; whether it will be delivered is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the event bus cannot be reached: {0}")]
pub struct EventError(pub String);

/// Where events go.
#[async_trait]
pub trait Events: Send + Sync {
    /// Announces an event. Delivered at least once to whoever listens, in any order.
    async fn announce(&self, event: &Event) -> Result<(), EventError>;
}

/// A bus that nobody listens to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

#[async_trait]
impl Events for Nobody {
    async fn announce(&self, _event: &Event) -> Result<(), EventError> {
        Ok(())
    }
}
