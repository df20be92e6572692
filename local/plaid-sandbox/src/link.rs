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
    /// The products that the user is asked to consent to.
    #[serde(default)]
    pub(crate) consents: Vec<String>,
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

    /// What webhooks say of its end: code by code, what each has beside what they have in common.
    fn told(&self, end: &End<'_>) -> Vec<(&'static str, Value)> {
        let finished = |status: &str, public_tokens: &[&str]| {
            ("SESSION_FINISHED", json!({"status": status, "public_tokens": public_tokens}))
        };
        match end {
            End::Exited => vec![finished("EXITED", &[])],
            End::Linked { public_token, .. } => {
                let added = ("ITEM_ADD_RESULT", json!({"public_token": public_token}));
                // Update mode has a token too, but adds nothing.
                let added = self.update.is_none().then_some(added);
                added.into_iter().chain([finished("SUCCESS", &[public_token])]).collect()
            }
        }
    }

    /// What `/link/token/get` tells of its end.
    fn view(&self, session_id: &str, end: &End<'_>, now: Timestamp) -> Value {
        let (added, exit) = match end {
            End::Exited => (json!([]), json!({"error": null, "metadata": {}})),
            End::Linked { .. } if self.update.is_some() => (json!([]), Value::Null),
            End::Linked { public_token, accounts, institution } => {
                let accounts: Vec<_> = accounts.iter().map(account).collect();
                let added =
                    json!({"public_token": public_token, "accounts": accounts, "institution": institution});
                (json!([added]), Value::Null)
            }
        };
        json!({
            "link_session_id": session_id,
            "started_at": self.created_at,
            "finished_at": now,
            "exit": exit,
            "events": [],
            "results": {
                "item_add_results": added, "cra_item_add_results": [], "cra_update_results": [],
                "bank_income_results": [], "payroll_income_results": [], "document_income_results": null,
            },
        })
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
        let view = session.view(&session_id, end, self.now);
        session.ended.push(Ended { at: self.now, view });
        let Some(url) = &session.webhook else { return };
        for (code, rest) in session.told(end) {
            let mut body = json!({
                "webhook_type": "LINK", "webhook_code": code, "environment": "sandbox",
                "link_session_id": session_id, "link_token": link_token,
            });
            if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
                body.extend(rest);
            }
            self.outbox.write(url, link_token, &body, self.now);
        }
    }
}
