//! The window that Link opens: what somebody types into it, and what is told of it afterwards.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Call, ok};
use crate::{
    errors::PlaidError,
    link::{End, LinkSession, Update, metadata},
    people::{MFA_CODE, needs_mfa},
    sharing::Selection,
    world::NewItem,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkToken {
    link_token: String,
}

pub(super) fn link_token_get(call: &mut Call<'_>, request: &LinkToken) -> Answer {
    let session = call.world.link_told(&request.link_token)?;
    ok(json!({
        "link_token": request.link_token,
        "created_at": session.created_at,
        "expiration": session.expires,
        "link_sessions": session.ended(call.now),
        "metadata": {
            "initial_products": session.products, "webhook": session.webhook, "country_codes": ["US"],
            "language": "en", "redirect_uri": null, "client_name": null,
        },
    }))
}

/// Somebody closes the window.
pub(super) fn link_exit(call: &mut Call<'_>, request: &LinkToken) -> Answer {
    call.world.link(&request.link_token)?;
    call.world.end_link(&request.link_token, &End::Exited);
    ok(json!({}))
}

/// What somebody types into Link. In update mode the bank is known, and who does not type anything is let in all the same.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkSubmit {
    link_token: String,
    institution_id: Option<String>,
    username: Option<String>,
    password: Option<String>,
    mfa: Option<String>,
    /// The accounts that stay.
    account_ids: Option<Vec<String>>,
    /// The bank's other accounts that come.
    #[serde(default)]
    add: Vec<String>,
}

impl LinkSubmit {
    fn selection(self) -> Selection {
        Selection { keep: self.account_ids, add: self.add }
    }

    fn selects(&self) -> bool {
        self.account_ids.is_some() || !self.add.is_empty()
    }
}

pub(super) fn link_submit(call: &mut Call<'_>, request: LinkSubmit) -> Answer {
    let session = call.world.link(&request.link_token)?;
    let (username, password) = (request.username.as_deref(), request.password.as_deref());
    if needs_mfa(username.unwrap_or_default(), password.unwrap_or_default()) {
        match request.mfa.as_deref() {
            None => return ok(json!({"mfa": "device"})),
            Some(MFA_CODE) => {}
            Some(_) => {
                return Err(PlaidError::item("INVALID_MFA", "the provided MFA response(s) were not correct"));
            }
        }
    }
    match session.update.clone() {
        Some(update) => repair(call, request, &update),
        None => add(call, &request, session),
    }
}

/// A new item.
fn add(call: &mut Call<'_>, request: &LinkSubmit, session: LinkSession) -> Answer {
    let missing = |name| PlaidError::request("MISSING_FIELDS", &format!("missing field `{name}`"));
    if request.selects() {
        let why = "accounts are chosen in update mode with account selection";
        return Err(PlaidError::request("INVALID_FIELD", why));
    }
    let new = NewItem {
        institution_id: request.institution_id.as_deref().ok_or_else(|| missing("institution_id"))?,
        username: request.username.as_deref().ok_or_else(|| missing("username"))?,
        password: request.password.as_deref().ok_or_else(|| missing("password"))?,
        products: session.products,
        webhook: session.webhook,
        days_requested: session.days_requested,
    };
    let institution = call.world.institution(new.institution_id)?.clone();
    let (token, accounts) = call.world.log_in(new, call.now)?;
    let end = End::Linked { public_token: &token, accounts: &accounts, institution: &institution };
    call.world.end_link(&request.link_token, &end);
    ok(json!({"public_token": token, "metadata": metadata(&accounts, &institution)}))
}

/// Update mode: the item that is there is in order again. The token that comes of it is not to be exchanged.
fn repair(call: &mut Call<'_>, request: LinkSubmit, update: &Update) -> Answer {
    if let Some(code) = request.password.as_deref().and_then(|password| password.strip_prefix("error_")) {
        return Err(PlaidError::of_code(code));
    }
    if request.selects() && !update.selects_accounts {
        return Err(PlaidError::request("INVALID_FIELD", "the link token is not one with account selection"));
    }
    let link_token = request.link_token.clone();
    let item = call.world.update(update, &request.selection())?;
    let institution = call.world.institution(&item.institution_id)?.clone();
    let token = call.world.public_token();
    let end = End::Linked { public_token: &token, accounts: &item.accounts, institution: &institution };
    call.world.end_link(&link_token, &end);
    ok(json!({"public_token": token, "metadata": metadata(&item.accounts, &institution)}))
}
