//! The queue: at least once, in any order, with delays, visibility and dead letters.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::{
    queue::{DeadLetters, Letter},
    sync::{LONGEST_DELAY, MESSAGE_VERSION, QueueError, SyncMessage, SyncQueue},
};
use serde_json::json;

use crate::{coverage::Phase, database::Shared, process, tally::Fault};

/// As the template has it.
const VISIBILITY: Duration = Duration::from_mins(5);
const MOST_RECEIVES: u32 = 10;

#[derive(Debug, Clone)]
struct Kept {
    id: u64,
    body: String,
    visible_at_ms: u64,
    receives: u32,
}

#[derive(Default)]
struct Inner {
    sent: u64,
    messages: Vec<Kept>,
    dead: Vec<(String, String)>,
}

/// The queue of syncs of one schedule.
#[derive(Clone)]
pub(crate) struct Queue {
    inner: Arc<Mutex<Inner>>,
    shared: Shared,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}

impl Queue {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { inner: Arc::default(), shared }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is waiting and nobody works on anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner().messages.is_empty()
    }

    /// Sends the dead letters back, and gives their reasons.
    pub(crate) fn redrive(&self) -> Vec<String> {
        let dead = std::mem::take(&mut self.inner().dead);
        dead.into_iter()
            .map(|(body, reason)| {
                self.put(body, Duration::ZERO);
                reason
            })
            .collect()
    }

    fn put(&self, body: String, delay: Duration) {
        let visible_at_ms = self.shared.time.now_ms() + ms(delay);
        let mut inner = self.inner();
        inner.sent += 1;
        let id = inner.sent;
        inner.messages.push(Kept { id, body, visible_at_ms, receives: 0 });
    }

    /// A batch for a worker, and the ids in it; `None` if nothing is visible.
    pub(crate) fn receive(&self, most: usize) -> Option<(SqsEvent, Vec<u64>)> {
        let now = self.shared.time.now_ms();
        let mut inner = self.inner();
        let Inner { messages, dead, .. } = &mut *inner;
        messages.retain(|kept| {
            let is_spent = kept.visible_at_ms <= now && kept.receives >= MOST_RECEIVES;
            if is_spent {
                dead.push((kept.body.clone(), "received too often".to_owned()));
            }
            !is_spent
        });
        let mut visible: Vec<usize> = messages
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.visible_at_ms <= now)
            .map(|(place, _)| place)
            .collect();
        let mut event = SqsEvent::default();
        let mut ids = Vec::new();
        while !visible.is_empty() && ids.len() < most {
            let place = visible.swap_remove(self.shared.dice.below(visible.len()));
            let Some(kept) = messages.get_mut(place) else { continue };
            kept.receives += 1;
            // Once in a while a message is handed out twice.
            let is_double = self.shared.dice.in_1000(self.shared.weather().others);
            if is_double && self.shared.may(Fault::QueueDoubles) {
                self.shared.tally.hit(Fault::QueueDoubles);
            } else {
                kept.visible_at_ms = now + ms(VISIBILITY);
            }
            let mut record = SqsMessage::default();
            record.message_id = Some(kept.id.to_string());
            record.body = Some(kept.body.clone());
            event.records.push(record);
            ids.push(kept.id);
        }
        (!ids.is_empty()).then_some((event, ids))
    }

    /// What was dealt with goes.
    pub(crate) fn delete(&self, id: u64) {
        self.inner().messages.retain(|kept| kept.id != id);
    }

    /// When the next message becomes visible.
    pub(crate) fn next_visible_ms(&self) -> Option<u64> {
        self.inner().messages.iter().map(|kept| kept.visible_at_ms).min()
    }
}

#[async_trait]
impl SyncQueue for Queue {
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError> {
        let process = process::current();
        let Shared { time, dice, trace, .. } = &self.shared;
        // Most processes end with a message: one that is killed at it is killed while the call is on its way.
        if let Some(process) = &process {
            process.enter(message.at.item.as_str(), Phase::Queue);
        }
        self.shared.kill_soon(process.as_ref());
        time.wait(dice.within(Duration::from_millis(30))).await;
        let mut body = json!(message);
        body["v"] = json!(MESSAGE_VERSION);
        let failed = || QueueError("timeout".to_owned());
        if delay > LONGEST_DELAY {
            return Err(QueueError("InvalidParameterValue".to_owned()));
        }
        let bad = dice.in_1000(self.shared.rate(process.as_deref(), self.shared.weather().others));
        let fault =
            bad.then(|| if dice.in_1000(500) { Fault::QueueRefuses } else { Fault::QueueLosesAnswer });
        let fault = fault.filter(|fault| self.shared.may(*fault));
        trace.line(time, || format!("send {body} in {delay:?} {fault:?}"));
        if let Some(fault) = fault {
            self.shared.meet(process.as_deref(), fault);
        }
        if fault == Some(Fault::QueueRefuses) {
            return Err(failed());
        }
        process::call(process.as_deref(), || self.put(body.to_string(), delay)).await;
        if fault.is_some() {
            return Err(failed());
        }
        Ok(())
    }
}

#[async_trait]
impl DeadLetters for Queue {
    async fn park(&self, letter: &Letter) -> Result<(), QueueError> {
        let process = process::current();
        let Shared { time, trace, .. } = &self.shared;
        trace.line(time, || format!("park {} because {}", letter.body, letter.reason));
        process::call(process.as_deref(), || {
            self.inner().dead.push((letter.body.clone(), letter.reason.clone()));
        })
        .await;
        Ok(())
    }
}
