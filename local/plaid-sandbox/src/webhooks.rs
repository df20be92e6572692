//! Webhooks that were due. They are written down and not sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{changes::Change, item::History, world::World};

/// A webhook that was due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) body: Value,
}

impl World {
    /// Writes down a webhook, if the item has an address for it.
    pub(crate) fn due(&mut self, item_id: &str, kind: &str, code: &str, body: Value) {
        let item = self.items.values().find(|item| item.item_id == item_id);
        let Some(url) = item.and_then(|item| item.webhook.clone()) else { return };
        let Value::Object(mut body) = body else { return };
        body.insert("webhook_type".to_owned(), json!(kind));
        body.insert("webhook_code".to_owned(), json!(code));
        body.insert("item_id".to_owned(), json!(item_id));
        body.insert("environment".to_owned(), json!("sandbox"));
        self.webhooks.push(Webhook { url, body: Value::Object(body) });
    }

    /// There is news in the ledger.
    pub(crate) fn due_news(&mut self, item_id: &str) {
        let Some(item) = self.items.values().find(|item| item.item_id == item_id) else { return };
        let body = json!({
            "initial_update_complete": item.history >= History::Initial,
            "historical_update_complete": item.history == History::Complete,
        });
        self.due(item_id, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", body);
    }

    /// The item is in error.
    pub(crate) fn due_error(&mut self, item_id: &str) {
        let item = self.items.values().find(|item| item.item_id == item_id);
        let error = item.and_then(|item| item.usable().err()).map(|error| error.body(""));
        self.due(item_id, "ITEM", "ERROR", json!({"error": error}));
    }

    /// Writes down the webhook that a change calls for.
    pub(crate) fn announce(&mut self, item_id: &str, change: &Change) {
        match change {
            Change::LoginLoss => self.due_error(item_id),
            Change::Repair => self.due(item_id, "ITEM", "LOGIN_REPAIRED", json!({})),
            // Plaid has none for it.
            Change::Balance { .. } => {}
            Change::Add { .. }
            | Change::Amend { .. }
            | Change::Remove { .. }
            | Change::Restore { .. }
            | Change::Revert { .. }
            | Change::Flicker
            | Change::RemovedThenRestored { .. }
            | Change::Post(_)
            | Change::Settle
            | Change::Churn { .. }
            | Change::RenumberAccounts => self.due_news(item_id),
        }
    }
}
