//! What webhooks say: the payload of each code.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    errors::PlaidError,
    item::{History, Item},
    world::plus,
};

/// How long before a consent ends Plaid warns of it.
pub(crate) const WARNED_BEFORE: Duration = Duration::from_hours(24 * 7);

/// Type, code, and the rest of the payload of a webhook that is still to be addressed.
#[derive(Debug)]
pub(crate) struct Notice {
    kind: String,
    pub(crate) code: String,
    rest: Map<String, Value>,
}

impl Notice {
    pub(crate) fn new(kind: &str, code: &str, rest: Value) -> Self {
        let rest = match rest {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { kind: kind.to_owned(), code: code.to_owned(), rest }
    }

    pub(crate) fn transactions(code: &str, rest: Value) -> Self {
        Self::new("TRANSACTIONS", code, rest)
    }

    pub(crate) fn item(code: &str, rest: Value) -> Self {
        Self::new("ITEM", code, rest)
    }

    /// The item is in error.
    pub(crate) fn error(error: Option<&PlaidError>) -> Self {
        Self::item("ERROR", json!({"error": error.map(PlaidError::in_webhook)}))
    }

    /// The user has withdrawn from all of the item.
    pub(crate) fn revoked() -> Self {
        let why = "the holder of this account has revoked their permission for your application to access it";
        let error = PlaidError::item("USER_PERMISSION_REVOKED", why).in_webhook();
        Self::item("USER_PERMISSION_REVOKED", json!({"error": error}))
    }

    /// Access ends then: in Europe it has to be consented to again, elsewhere a bank gives a reason.
    pub(crate) fn ends(at: Timestamp, reason: Option<&str>) -> Self {
        match reason {
            None => Self::item("PENDING_EXPIRATION", json!({"consent_expiration_time": at})),
            Some(reason) => {
                Self::item("PENDING_DISCONNECT", json!({"reason": reason, "disconnect_time": at}))
            }
        }
    }

    /// The whole payload. Reports are not an item's, and neither are sessions of Link.
    pub(crate) fn body(self, item_id: &str) -> Value {
        let mut body = self.rest;
        if !matches!(self.kind.as_str(), "ASSETS" | "LINK") {
            body.insert("item_id".to_owned(), json!(item_id));
        }
        body.insert("webhook_type".to_owned(), json!(self.kind));
        body.insert("webhook_code".to_owned(), json!(self.code));
        body.insert("environment".to_owned(), json!("sandbox"));
        Value::Object(body)
    }

    /// What `/sandbox/item/fire_webhook` sends: the type goes without saying where only one has the code. `None` for what
    /// it does not send.
    pub(crate) fn fired(kind: Option<&str>, code: &str, item: &Item, now: Timestamp) -> Option<Self> {
        let account = item.accounts.first().map(|account| account.account_id.as_str());
        let of = |kind: &str, rest: Value| Some(Self::new(kind, code, rest));
        match (kind, code) {
            (Some("TRANSACTIONS") | None, "SYNC_UPDATES_AVAILABLE") => Some(item.updates_available()),
            (Some("TRANSACTIONS") | None, "DEFAULT_UPDATE") => {
                of("TRANSACTIONS", json!({"error": null, "new_transactions": 0}))
            }
            (Some("TRANSACTIONS") | None, "RECURRING_TRANSACTIONS_UPDATE") => {
                let ids: Vec<_> = item.accounts.iter().map(|account| &account.account_id).collect();
                of("TRANSACTIONS", json!({"account_ids": ids}))
            }
            (Some("AUTH"), "DEFAULT_UPDATE") => of("AUTH", json!({"error": null})),
            (Some("HOLDINGS"), "DEFAULT_UPDATE") => {
                of("HOLDINGS", json!({"error": null, "new_holdings": 0, "updated_holdings": 0}))
            }
            (Some(kind @ "INVESTMENTS_TRANSACTIONS"), "DEFAULT_UPDATE") => of(
                kind,
                json!({"error": null, "new_investments_transactions": 0, "canceled_investments_transactions": 0}),
            ),
            (Some(kind @ "LIABILITIES"), "DEFAULT_UPDATE") => of(
                kind,
                json!({
                    "error": null, "account_ids_with_new_liabilities": [], "account_ids_with_updated_liabilities": {},
                }),
            ),
            (Some("ITEM") | None, "NEW_ACCOUNTS_AVAILABLE") => of("ITEM", json!({"error": null})),
            (Some("ITEM") | None, "LOGIN_REPAIRED" | "AUTHORIZATION_GRANTED") => of("ITEM", json!({})),
            (Some("ITEM") | None, "USER_PERMISSION_REVOKED") => Some(Self::revoked()),
            (Some("ITEM") | None, "USER_ACCOUNT_REVOKED") => of("ITEM", json!({"account_id": account})),
            (Some("ITEM") | None, "PENDING_DISCONNECT") => {
                Some(Self::ends(plus(now, WARNED_BEFORE), Some("INSTITUTION_MIGRATION")))
            }
            (Some("AUTH") | None, "SMS_MICRODEPOSITS_VERIFICATION") => {
                of("AUTH", json!({"account_id": account, "status": "MANUALLY_VERIFIED"}))
            }
            (Some("ASSETS") | None, "PRODUCT_READY") => {
                of("ASSETS", json!({"asset_report_id": item.item_id}))
            }
            (Some("ASSETS") | None, "ERROR") => {
                let error =
                    PlaidError::new("ASSET_REPORT_ERROR", "PRODUCT_NOT_ENABLED", "asked for on demand");
                of("ASSETS", json!({"asset_report_id": item.item_id, "error": error.in_webhook()}))
            }
            _ => None,
        }
    }
}

impl Item {
    /// There are updates for `/transactions/sync`.
    pub(crate) fn updates_available(&self) -> Notice {
        let body = json!({
            "initial_update_complete": self.history >= History::Initial,
            "historical_update_complete": self.history == History::Complete,
        });
        Notice::transactions("SYNC_UPDATES_AVAILABLE", body)
    }

    /// What Plaid says of what changed in the ledger since it last did: to those who sync, once they have, and to those who
    /// do not. Nothing before the first history has arrived.
    pub(crate) fn news(&mut self) -> Vec<Notice> {
        if self.history == History::NotReady {
            return Vec::new();
        }
        let from = std::mem::replace(&mut self.told, self.ledger.tick());
        let delta = self.delta(from, self.told);
        let removed: Vec<_> = delta.removed.iter().map(|transaction| &transaction.id).collect();
        let mut notices = Vec::new();
        if self.is_synced {
            notices.push(self.updates_available());
        }
        if !removed.is_empty() {
            let body = json!({"removed_transactions": removed, "error": null});
            notices.push(Notice::transactions("TRANSACTIONS_REMOVED", body));
        }
        if removed.is_empty() || !(delta.added.is_empty() && delta.modified.is_empty()) {
            let body = json!({"new_transactions": delta.added.len(), "error": null});
            notices.push(Notice::transactions("DEFAULT_UPDATE", body));
        }
        notices
    }

    /// A part of the history has arrived, or what was newly granted has.
    pub(crate) fn arrived(&mut self, code: &str) -> Vec<Notice> {
        let from = std::mem::replace(&mut self.told, self.ledger.tick());
        let new = self.delta(from, self.told).added.len();
        let mut notices = vec![Notice::transactions(code, json!({"new_transactions": new, "error": null}))];
        if self.is_synced {
            notices.push(self.updates_available());
        }
        notices
    }
}
