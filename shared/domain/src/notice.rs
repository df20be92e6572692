//! What a webhook says. Read with tolerance: new types and codes come unannounced, fields have other types than documented,
//! and all of it is only a hint to look at Plaid.
//! <https://plaid.com/docs/api/webhooks/>

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{bank::HistoryStatus, ids::PlaidItemId, item::Item, secret::PublicToken, time::later};

/// What a webhook says.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Of an item.
    Item {
        /// Plaid's id.
        id: PlaidItemId,
        /// What.
        news: ItemNews,
    },
    /// A Link on a page of Plaid's has brought connections, or has ended.
    Link(LinkNews),
    /// Nothing that asks for anything: acknowledgements, what is not used here, what nobody knows yet.
    Other,
}

/// News of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemNews {
    /// There are updates.
    Updates,
    /// The same, in the words of before `/transactions/sync`: it comes beside [`Self::Updates`].
    LegacyUpdates(LegacyUpdate),
    /// It, or one of its accounts, is not as it was: Plaid must be asked.
    Changed,
    /// The bank ends it at a date; until then it works.
    Ends {
        /// Plaid's code.
        reason: String,
        /// When.
        until: Timestamp,
    },
    /// The bank has accounts that are not shared.
    NewAccounts,
}

/// The updates of before `/transactions/sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyUpdate {
    /// The first 30 days are there.
    Initial,
    /// All of the history is.
    Historical,
    /// Something is new, or gone.
    Further,
}

/// News of a Link session.
#[derive(Debug, Clone)]
pub struct LinkNews {
    /// The session's link token.
    pub link_token: String,
    /// Whether it ended well; adding a connection is no end, but well.
    pub is_success: bool,
    /// To be exchanged.
    pub public_tokens: Vec<PublicToken>,
}

/// Plaid tells of the end of a connection so long before it.
const NOTICE: Duration = Duration::from_hours(7 * 24);
/// A webhook that came so soon after a sync had ended may be of the update that this one has brought.
const SAME_UPDATE: Duration = Duration::from_mins(1);

impl Notice {
    /// Reads a body that came at `received_at`.
    pub fn read(body: &str, received_at: Timestamp) -> Self {
        let Ok(body) = serde_json::from_str::<Value>(body) else { return Self::Other };
        let (kind, code) = (text(&body, "webhook_type"), text(&body, "webhook_code"));
        if kind == "LINK" {
            return link_news(code, &body).map_or(Self::Other, Self::Link);
        }
        let Ok(id) = text(&body, "item_id").parse() else { return Self::Other };
        let ends = |field| Some(ends(code, body.get(field), received_at));
        let news = match (kind, code) {
            ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE") => Some(ItemNews::Updates),
            ("TRANSACTIONS", "INITIAL_UPDATE") => Some(ItemNews::LegacyUpdates(LegacyUpdate::Initial)),
            ("TRANSACTIONS", "HISTORICAL_UPDATE") => Some(ItemNews::LegacyUpdates(LegacyUpdate::Historical)),
            ("TRANSACTIONS", "DEFAULT_UPDATE" | "TRANSACTIONS_REMOVED") => {
                Some(ItemNews::LegacyUpdates(LegacyUpdate::Further))
            }
            ("ITEM", "ERROR" | "LOGIN_REPAIRED" | "USER_PERMISSION_REVOKED" | "USER_ACCOUNT_REVOKED") => {
                Some(ItemNews::Changed)
            }
            ("ITEM", "PENDING_EXPIRATION") => ends("consent_expiration_time"),
            ("ITEM", "PENDING_DISCONNECT") => ends("disconnect_time"),
            ("ITEM", "NEW_ACCOUNTS_AVAILABLE") => Some(ItemNews::NewAccounts),
            _ => None,
        };
        news.map_or(Self::Other, |news| Self::Item { id, news })
    }
}

impl LegacyUpdate {
    /// Whether it asks for a sync: nobody is about to, and what it tells of has not come by one.
    pub fn is_news(self, item: &Item, received_at: Timestamp) -> bool {
        if item.has_come(received_at) {
            return false;
        }
        let is_asked_for = item.want > item.done && item.failure.is_none();
        let Some(last) = item.last_run else { return !is_asked_for };
        let is_new = match self {
            Self::Initial => matches!(item.history, HistoryStatus::NotReady | HistoryStatus::Unknown),
            Self::Historical => item.history != HistoryStatus::Complete,
            Self::Further => later(last.at, SAME_UPDATE) < received_at,
        };
        is_new && !is_asked_for
    }
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn ends(code: &str, date: Option<&Value>, received_at: Timestamp) -> ItemNews {
    let date = date.and_then(Value::as_str).and_then(|date| date.parse().ok());
    ItemNews::Ends { reason: code.to_owned(), until: date.unwrap_or_else(|| later(received_at, NOTICE)) }
}

fn link_news(code: &str, body: &Value) -> Option<LinkNews> {
    let is_success = match code {
        "SESSION_FINISHED" => text(body, "status").eq_ignore_ascii_case("success"),
        "ITEM_ADD_RESULT" => true,
        _ => return None,
    };
    let many = body.get("public_tokens").and_then(Value::as_array).into_iter().flatten();
    let mut tokens: Vec<&str> = many.chain(body.get("public_token")).filter_map(Value::as_str).collect();
    tokens.retain(|token| !token.is_empty());
    tokens.dedup();
    Some(LinkNews {
        link_token: text(body, "link_token").to_owned(),
        is_success,
        public_tokens: tokens.into_iter().map(|token| PublicToken::new(token.to_owned())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Notice {
        Notice::read(body, "2026-11-24T00:00:00Z".parse().unwrap())
    }

    fn item_news(kind: &str, code: &str, more: &str) -> Option<ItemNews> {
        let body = format!(r#"{{"webhook_type":"{kind}","webhook_code":"{code}","item_id":"x"{more}}}"#);
        match read(&body) {
            Notice::Item { news, .. } => Some(news),
            Notice::Link(_) | Notice::Other => None,
        }
    }

    #[test]
    fn codes_say_what_they_say() {
        assert_eq!(item_news("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", ""), Some(ItemNews::Updates));
        let legacy = item_news("TRANSACTIONS", "TRANSACTIONS_REMOVED", r#","removed_transactions":[]"#);
        assert_eq!(legacy, Some(ItemNews::LegacyUpdates(LegacyUpdate::Further)));
        assert_eq!(item_news("ITEM", "ERROR", r#","error":"a text""#), Some(ItemNews::Changed));
        let until = "2026-12-01T10:00:00Z".parse().unwrap();
        let ends = item_news("ITEM", "PENDING_DISCONNECT", r#","disconnect_time":"2026-12-01T10:00:00Z""#);
        assert_eq!(ends, Some(ItemNews::Ends { reason: "PENDING_DISCONNECT".to_owned(), until }));
        let undated = item_news("ITEM", "PENDING_EXPIRATION", r#","consent_expiration_time":7"#);
        let until = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(undated, Some(ItemNews::Ends { reason: "PENDING_EXPIRATION".to_owned(), until }));
    }

    #[test]
    fn what_nobody_knows_is_nothing() {
        for (kind, code) in [
            ("ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED"),
            ("TRANSACTIONS", "RECURRING_TRANSACTIONS_UPDATE"),
            ("TRANSACTIONS", "BRAND_NEW"),
            ("BRAND_NEW", "ERROR"),
        ] {
            assert_eq!(item_news(kind, code, ""), None, "{kind} {code}");
        }
        for body in
            ["", "[]", "{}", r#"{"webhook_type":7}"#, r#"{"webhook_type":"ITEM","webhook_code":"ERROR"}"#]
        {
            assert!(matches!(read(body), Notice::Other), "{body}");
        }
    }

    #[test]
    fn a_session_brings_each_token_once() {
        let body = r#"{"webhook_type":"LINK","webhook_code":"SESSION_FINISHED","status":"SUCCESS",
            "link_token":"l","public_tokens":["a","b"],"public_token":"b"}"#;
        let Notice::Link(news) = read(body) else { panic!("a session") };
        let tokens: Vec<_> = news.public_tokens.iter().map(PublicToken::expose).collect();
        assert_eq!((news.link_token.as_str(), news.is_success, tokens), ("l", true, vec!["a", "b"]));
    }
}
