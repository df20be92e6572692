//! `EventBridge`, as far as it is used: takes events and remembers the last ones.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use crate::Answer;

/// Events that are remembered.
const REMEMBERED: usize = 10_000;

/// The buses, all in one.
#[derive(Default)]
pub(crate) struct EventBridge {
    events: Mutex<VecDeque<Value>>,
    count: AtomicU64,
}

impl EventBridge {
    /// Answers `PutEvents`.
    pub(crate) fn put(&self, body: &[u8]) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(entries) = request["Entries"].as_array() else {
            let refusal = json!({"__type": "ValidationException", "message": "Entries is missing"});
            return Answer { status: 400, body: refusal.to_string().into_bytes() };
        };
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut answers = Vec::new();
        for entry in entries {
            let id = self.count.fetch_add(1, Ordering::Relaxed);
            let detail: Value =
                serde_json::from_str(entry["Detail"].as_str().unwrap_or_default()).unwrap_or_default();
            events.push_back(json!({
                "id": id.to_string(), "source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail,
            }));
            answers.push(json!({"EventId": id.to_string()}));
        }
        while events.len() > REMEMBERED {
            events.pop_front();
        }
        let answer = json!({"FailedEntryCount": 0, "Entries": answers});
        Answer { status: 200, body: answer.to_string().into_bytes() }
    }

    /// The last events, oldest first.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().cloned().collect()
    }
}
