//! Sessions of Link, from the token that one is opened with to what its end hands over.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    errors::PlaidError,
    people::Account,
    world::{Institution, World, plus},
};

/// How long a link token is good for: one for a new item, and one for update mode or for a page of Plaid's.
pub(crate) const LIVES: Duration = Duration::from_hours(4);
pub(crate) const LIVES_SHORTLY: Duration = Duration::from_mins(30);
/// How long after its end a session can be asked for.
const TOLD_FOR: Duration = Duration::from_hours(6);

/// What a link token stands for. As in Plaid's Sandbox, it can be used more than once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LinkSession {
    pub(crate) products: Vec<String>,
    pub(crate) webhook: Option<String>,
    pub(crate) days_requested: u16,
    pub(crate) expires: Timestamp,
    pub(crate) created_at: Timestamp,
    /// Whose item it is for, if it is for one that is there.
    #[serde(default)]
    pub(crate) update: Option<Update>,
    /// The address of Plaid's page for it, if that is where it takes place.
    #[serde(default)]
    pub(crate) hosted_at: Option<String>,
    #[serde(default)]
    pub(crate) ended: Vec<Ended>,
}

/// Update mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Update {
    pub(crate) item_id: String,
    /// Whether accounts can be chosen.
    pub(crate) selects_accounts: bool,
}

/// A session that has ended, as `/link/token/get` tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    at: Timestamp,
    view: Value,
}

/// How a session ends.
pub(crate) enum End<'a> {
    /// Somebody has logged in.
    Linked { public_token: &'a str, accounts: &'a [Account], institution: &'a Institution },
    /// Somebody has left.
    Exited,
}

/// An account as Link tells of it.
pub(crate) fn account(account: &Account) -> Value {
    json!({
        "id": account.account_id, "name": account.name, "mask": account.mask, "type": account.kind,
        "subtype": account.subtype,
    })
}

/// What Link's callback has beside the public token.
pub(crate) fn metadata(accounts: &[Account], institution: &Institution) -> Value {
    json!({"institution": institution, "accounts": accounts.iter().map(account).collect::<Vec<_>>()})
}

impl LinkSession {
    pub(crate) fn new(now: Timestamp, lives: Duration) -> Self {
        Self {
            products: Vec::new(),
            webhook: None,
            days_requested: 0,
            expires: plus(now, lives),
            created_at: now,
            update: None,
            hosted_at: None,
            ended: Vec::new(),
        }
    }

    fn is_told_of(&self, now: Timestamp) -> bool {
        self.expires > now || self.ended.iter().any(|ended| plus(ended.at, TOLD_FOR) > now)
    }

    /// The sessions that have ended and can still be asked for.
    pub(crate) fn ended(&self, now: Timestamp) -> Vec<&Value> {
        let told = self.ended.iter().filter(|ended| plus(ended.at, TOLD_FOR) > now);
        told.map(|ended| &ended.view).collect()
    }
}

impl World {
    /// A link token for a session.
    pub(crate) fn open_link(&mut self, session: LinkSession) -> String {
        let token = format!("link-sandbox-{}", self.generator.uuid());
        self.link_sessions.insert(token.clone(), session);
        token
    }

    /// The address of a page of Plaid's.
    pub(crate) fn hosted_page(&mut self) -> String {
        format!("https://secure.plaid.com/hl/{}", self.generator.uuid())
    }

    /// What a link token that is still good stands for.
    pub(crate) fn link(&self, link_token: &str) -> Result<LinkSession, PlaidError> {
        self.session(link_token, |session| session.expires > self.now)
    }

    /// What a link token stood for whose session can still be asked for.
    pub(crate) fn link_told(&self, link_token: &str) -> Result<LinkSession, PlaidError> {
        self.session(link_token, |session| session.is_told_of(self.now))
    }

    fn session(
        &self,
        link_token: &str,
        is_good: impl Fn(&LinkSession) -> bool,
    ) -> Result<LinkSession, PlaidError> {
        let session = self.link_sessions.get(link_token).filter(|session| is_good(session));
        session.cloned().ok_or_else(|| {
            PlaidError::input("INVALID_LINK_TOKEN", "the link token is expired or does not exist")
        })
    }

    /// A session ends. Plaid tells of those on its own page by webhook, and remembers them for a while.
    pub(crate) fn end_link(&mut self, link_token: &str, end: &End<'_>) {
        let session_id = self.generator.uuid();
        let Some(session) = self.link_sessions.get_mut(link_token) else { return };
        if session.hosted_at.is_none() {
            return;
        }
        let is_new = session.update.is_none();
        let (status, public_tokens, results) = match end {
            End::Exited => ("EXITED", Vec::new(), Vec::new()),
            End::Linked { public_token, accounts, institution } => {
                let mut result = metadata(accounts, institution);
                if let Some(fields) = result.as_object_mut() {
                    fields.insert("public_token".to_owned(), json!(public_token));
                }
                // In update mode there is a token too, but nothing is added.
                ("SUCCESS", vec![*public_token], if is_new { vec![result] } else { Vec::new() })
            }
        };
        let exit = matches!(end, End::Exited).then(|| json!({"error": null, "metadata": {}}));
        let view = json!({
            "link_session_id": session_id,
            "started_at": session.created_at,
            "finished_at": self.now,
            "exit": exit,
            "events": [],
            "results": {
                "item_add_results": results, "cra_item_add_results": [], "cra_update_results": [],
                "bank_income_results": [], "payroll_income_results": [], "document_income_results": null,
            },
        });
        session.ended.push(Ended { at: self.now, view });
        let Some(url) = session.webhook.clone() else { return };
        let common = json!({
            "webhook_type": "LINK", "environment": "sandbox", "link_session_id": session_id, "link_token": link_token,
        });
        let mut write = |code: &str, rest: Value| {
            let mut body = common.clone();
            if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
                body.extend(rest);
                body.insert("webhook_code".to_owned(), json!(code));
            }
            self.outbox.write(&url, link_token, &body, self.now);
        };
        for public_token in public_tokens.iter().filter(|_| is_new) {
            write("ITEM_ADD_RESULT", json!({"public_token": public_token}));
        }
        write("SESSION_FINISHED", json!({"status": status, "public_tokens": public_tokens}));
    }
}
