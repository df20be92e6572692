//! What travels through the queue of syncs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger::Cause;
use crate::ids::ItemRef;

/// The version of the messages that travel between functions.
pub const MESSAGE_VERSION: u32 = 1;

/// A request for a sync of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncMessage {
    /// The item.
    #[serde(flatten)]
    pub at: ItemRef,
    /// The `want` that whoever asked had reached. Without one the bank is asked in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want: Option<u64>,
    /// Who asked.
    pub cause: Cause,
    /// How often the bank's side has refused it in a way that passes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// Set while a new item's history is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
}

/// One of the looks for the rest of the history that follow a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// Which look, from 0.
    pub step: usize,
    /// How often the message is to be sent on before the look: the queue delays by 15 minutes at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl SyncMessage {
    /// The message that a trigger sends.
    pub fn numbered(at: ItemRef, want: u64, cause: Cause) -> Self {
        Self { at, want: Some(want), cause, tries: 0, poll: None }
    }

    /// The first message of a new item: starts the looks for its history.
    pub fn first(at: ItemRef, want: u64) -> Self {
        Self { poll: Some(Poll { step: 0, hops: 0 }), ..Self::numbered(at, want, Cause::Link) }
    }

    /// A message without a number: the bank is asked in any case.
    pub fn unnumbered(at: ItemRef, cause: Cause) -> Self {
        Self { at, want: None, cause, tries: 0, poll: None }
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
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// When what the bank's side refused for a moment is tried again. After that the item's `retry_at` stands, and whoever
/// looks for it.
const TRY_DELAYS: [Duration; 4] =
    [Duration::from_secs(30), Duration::from_mins(2), Duration::from_mins(8), Duration::from_mins(15)];

/// A message for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What to send.
    pub message: SyncMessage,
    /// With what delay.
    pub delay: Duration,
}

/// What follows `message` while the history is incomplete: the next look, or the next hop towards it. `None` at the
/// end of the schedule, and for a message that is no look.
pub fn next_poll(message: &SyncMessage) -> Option<Next> {
    let poll = message.poll?;
    let (poll, delay) = match poll.hops.checked_sub(1) {
        Some(hops) => (Poll { hops, ..poll }, LONGEST_DELAY),
        None => {
            let (mut delay, mut hops) = (*POLL_DELAYS.get(poll.step)?, 0);
            while delay > LONGEST_DELAY {
                delay = delay.saturating_sub(LONGEST_DELAY);
                hops += 1;
            }
            (Poll { step: poll.step + 1, hops }, delay)
        }
    };
    let message =
        SyncMessage { poll: Some(poll), ..SyncMessage::unnumbered(message.at.clone(), message.cause) };
    Some(Next { message, delay })
}

/// When what has been tried so often is tried again; `None` once it has been tried often enough.
pub fn try_delay(tries: u32) -> Option<Duration> {
    TRY_DELAYS.get(usize::try_from(tries).ok()?).copied()
}

/// What follows `message` when the bank's side refused it for a moment: the same again, not before `retry_after`.
pub fn next_try(message: &SyncMessage, retry_after: Duration) -> Option<Next> {
    let delay = try_delay(message.tries)?;
    let message = SyncMessage { tries: message.tries + 1, ..message.clone() };
    Some(Next { message, delay: delay.max(retry_after).min(LONGEST_DELAY) })
}

impl SyncMessage {
    /// Whether it is on its way still: to be sent on, not to be looked at.
    pub fn is_hop(&self) -> bool {
        self.poll.is_some_and(|poll| poll.hops > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HouseholdId, ItemId};

    #[test]
    fn the_looks_follow_the_schedule() {
        let at =
            ItemRef { household: HouseholdId::from_entropy([1; 10]), item: ItemId::from_entropy([2; 10]) };
        let mut message = SyncMessage::first(at, 1);
        let mut looks = Vec::new();
        let mut waited = 0;
        while let Some(next) = next_poll(&message) {
            assert!(next.delay <= LONGEST_DELAY);
            waited += next.delay.as_secs();
            message = next.message;
            if !message.is_hop() {
                looks.push(std::mem::take(&mut waited));
            }
        }
        assert_eq!(looks, POLL_DELAYS.map(|delay| delay.as_secs()));
    }
}
