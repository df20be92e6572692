#![doc = include_str!("../README.md")]

use async_trait::async_trait;
use aws_sdk_eventbridge::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::DateTime,
    types::PutEventsRequestEntry,
};
use domain::event::{EVENT_VERSION, Event, EventError, EventKind, Events};
use serde_json::{Value, json};

/// Who we are on the bus.
const SOURCE: &str = "wumbo.bank-connection";

/// One event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// The bus of this name.
    pub fn new(config: &aws_types::SdkConfig, name: String) -> Self {
        Self { client: Client::new(config), name }
    }
}

fn detail(event: &Event) -> Value {
    let mut detail = json!({
        "v": EVENT_VERSION,
        "household_id": event.at.household,
        "item_id": event.at.item,
        "time": event.time,
    });
    let more = match &event.kind {
        EventKind::SyncFinished(counts) => json!({
            "transactions_added": counts.added,
            "transactions_modified": counts.modified,
            "transactions_removed": counts.removed,
        }),
        EventKind::NeedsAttention { reason } => json!({"reason": reason}),
        EventKind::Repaired | EventKind::Removed => json!({}),
    };
    if let (Some(detail), Value::Object(more)) = (detail.as_object_mut(), more) {
        detail.extend(more);
    }
    detail
}

#[async_trait]
impl Events for Bus {
    async fn announce(&self, event: &Event) -> Result<(), EventError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.kind.name())
            .time(DateTime::from_secs(event.time.as_second()))
            .detail(detail(event).to_string())
            .build();
        let answer = self.client.put_events().entries(entry).send().await.map_err(|error| {
            EventError(match &error {
                SdkError::TimeoutError(_) => "timeout".to_owned(),
                SdkError::DispatchFailure(_) => "unreachable".to_owned(),
                _ => error.code().unwrap_or("unknown").to_owned(),
            })
        })?;
        // A request may succeed and its entry fail.
        let refused = answer.entries().iter().find_map(|entry| entry.error_code());
        refused.map_or(Ok(()), |code| Err(EventError(code.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        ids::{HouseholdId, ItemId, ItemRef},
        item::Counts,
    };

    use super::*;

    #[test]
    fn an_event_has_ids_and_what_its_type_adds() {
        let at =
            ItemRef { household: HouseholdId::from_entropy([1; 10]), item: ItemId::from_entropy([2; 10]) };
        let event = |kind| Event { at: at.clone(), time: "2026-11-24T02:00:07Z".parse().unwrap(), kind };
        let needs = event(EventKind::NeedsAttention { reason: "ITEM_LOGIN_REQUIRED".to_owned() });
        let expected = json!({
            "v": 1, "household_id": at.household.as_str(), "item_id": at.item.as_str(), "time": "2026-11-24T02:00:07Z",
            "reason": "ITEM_LOGIN_REQUIRED",
        });
        assert_eq!(detail(&needs), expected);
        let synced = detail(&event(EventKind::SyncFinished(Counts { added: 2, ..Counts::default() })));
        assert_eq!(synced["transactions_added"], 2);
        assert_eq!(needs.kind.name(), "Item Needs Attention");
    }
}
