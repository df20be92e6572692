//! What travels through the queue of syncs.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::ItemRef,
    time::{later, until},
};

/// A request for a sync of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncMessage {
    /// The item.
    #[serde(flatten)]
    pub at: ItemRef,
    /// The `want` that whoever asked had reached. Without one the bank is asked in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want: Option<u64>,
    /// Set while a new item's history is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
}

/// One of the looks for the rest of the history that follow a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// Which look, from 0.
    pub step: u32,
    /// Not before this. The queue delays by 15 minutes at most, so a long wait takes several hops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl SyncMessage {
    /// The message that a trigger sends.
    pub fn numbered(at: ItemRef, want: u64) -> Self {
        Self { at, want: Some(want), poll: None }
    }

    /// The first message of a new item: starts the looks for its history.
    pub fn first(at: ItemRef, want: u64) -> Self {
        Self { at, want: Some(want), poll: Some(Poll { step: 0, not_before: None }) }
    }
}

/// When a new item is asked again until its history is complete. Webhooks usually come first.
const POLL_DELAYS: [Duration; 5] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// The longest delay of the queue.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// A message for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPoll {
    /// What to send.
    pub message: SyncMessage,
    /// With what delay.
    pub delay: Duration,
}

/// The next look for the history after the one that `message` asked for; `None` at the end of the schedule.
/// A message that came before its time is sent on.
pub fn next_poll(message: &SyncMessage, now: Timestamp) -> Option<NextPoll> {
    let poll = message.poll?;
    let (step, due) = match poll.not_before.filter(|due| *due > now) {
        Some(due) => (poll.step, due),
        None => {
            let delay = POLL_DELAYS.get(usize::try_from(poll.step).ok()?)?;
            (poll.step + 1, later(now, *delay))
        }
    };
    let message =
        SyncMessage { at: message.at.clone(), want: None, poll: Some(Poll { step, not_before: Some(due) }) };
    Some(NextPoll { message, delay: until(now, due).min(LONGEST_DELAY) })
}

impl SyncMessage {
    /// Whether it is too early for this look.
    pub fn is_early(&self, now: Timestamp) -> bool {
        // The queue counts whole seconds: one that comes a second early is on time.
        let due = self.poll.and_then(|poll| poll.not_before);
        due.is_some_and(|due| until(now, due) > Duration::from_secs(1))
    }
}
