//! Link: tokens to open it with, what somebody types into it, and what it hands over.

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, ok};
use crate::{
    errors::PlaidError,
    people::{MFA_CODE, needs_mfa},
    world::{LinkSession, NewItem},
};

/// The history that is asked for where nobody says, and the most there is.
const DEFAULT_DAYS: u16 = 90;
const MOST_DAYS: u16 = 730;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkTokenRequest {
    client_name: String,
    language: String,
    country_codes: Vec<String>,
    user: Option<LinkUser>,
    #[serde(default)]
    products: Vec<String>,
    transactions: Option<LinkTransactions>,
    webhook: Option<String>,
    redirect_uri: Option<String>,
    access_token: Option<String>,
    #[serde(rename = "update")]
    _update: Option<Value>,
    #[serde(rename = "account_filters")]
    _account_filters: Option<Value>,
    #[serde(rename = "hosted_link")]
    _hosted_link: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkUser {
    client_user_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTransactions {
    days_requested: Option<u16>,
}

fn days(requested: Option<u16>) -> Result<u16, PlaidError> {
    match requested.unwrap_or(DEFAULT_DAYS) {
        days @ 1..=MOST_DAYS => Ok(days),
        _ => Err(PlaidError::request("INVALID_FIELD", "days_requested must be between 1 and 730")),
    }
}

pub(super) fn link_token_create(call: &mut Call<'_>, request: LinkTokenRequest) -> Answer {
    let field = |why| Err(PlaidError::request("INVALID_FIELD", why));
    if request.client_name.is_empty() || request.language.is_empty() || request.country_codes.is_empty() {
        return field("client_name, language and country_codes must not be empty");
    }
    if request.user.as_ref().is_none_or(|user| user.client_user_id.is_empty()) {
        return field("user.client_user_id must be a non-empty string");
    }
    match (&request.access_token, request.products.is_empty()) {
        (None, true) => return field("products must not be empty"),
        (Some(_), false) => return field("products must be omitted in update mode"),
        (Some(token), true) => drop(call.item(token)?),
        (None, false) => {}
    }
    let refused = ["balance", "recurring_transactions", "transactions_refresh"];
    if let Some(product) = request.products.iter().find(|product| refused.contains(&product.as_str())) {
        return Err(PlaidError::input(
            "INVALID_PRODUCT",
            &format!("client is not authorized to access: {product}"),
        ));
    }
    if request.redirect_uri.as_ref().is_some_and(|uri| uri.contains(['?', '#'])) {
        return field("redirect_uri must not contain query parameters or fragments");
    }
    let session = LinkSession {
        products: request.products,
        webhook: request.webhook,
        days_requested: days(request.transactions.and_then(|t| t.days_requested))?,
        expires: call.now,
        created_at: call.now,
    };
    let (token, expires) = call.world.open_link(session, call.now);
    ok(json!({"link_token": token, "expiration": format!("{expires:.0}")}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkTokenGet {
    link_token: String,
}

pub(super) fn link_token_get(call: &mut Call<'_>, request: &LinkTokenGet) -> Answer {
    let session = session(call, &request.link_token)?;
    ok(json!({
        "link_token": request.link_token,
        "created_at": session.created_at,
        "expiration": session.expires,
        "link_sessions": [],
        "metadata": {
            "initial_products": session.products, "webhook": session.webhook, "country_codes": ["US"],
            "language": "en", "redirect_uri": null, "client_name": null,
        },
    }))
}

fn session(call: &Call<'_>, link_token: &str) -> Result<LinkSession, PlaidError> {
    let session = call.world.link_sessions.get(link_token).filter(|session| session.expires > call.now);
    session
        .cloned()
        .ok_or_else(|| PlaidError::input("INVALID_LINK_TOKEN", "the link token is expired or does not exist"))
}

/// What somebody types into Link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkSubmit {
    link_token: String,
    institution_id: String,
    username: String,
    password: String,
    mfa: Option<String>,
}

pub(super) fn link_submit(call: &mut Call<'_>, request: &LinkSubmit) -> Answer {
    let session = session(call, &request.link_token)?;
    if needs_mfa(&request.username, &request.password) {
        match request.mfa.as_deref() {
            None => return ok(json!({"mfa": "device"})),
            Some(MFA_CODE) => {}
            Some(_) => {
                return Err(PlaidError::item("INVALID_MFA", "the provided MFA response(s) were not correct"));
            }
        }
    }
    let new = NewItem {
        institution_id: &request.institution_id,
        username: &request.username,
        password: &request.password,
        products: session.products,
        webhook: session.webhook,
        days_requested: session.days_requested,
    };
    let (token, accounts) = call.world.log_in(new, call.now)?;
    let institution = call.world.institution(&request.institution_id)?.clone();
    let accounts: Vec<_> = accounts
        .iter()
        .map(|a| json!({"id": a.account_id, "name": a.name, "mask": a.mask, "type": a.kind, "subtype": a.subtype}))
        .collect();
    ok(json!({"public_token": token, "metadata": {"institution": institution, "accounts": accounts}}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicTokenCreate {
    institution_id: String,
    initial_products: Vec<String>,
    #[serde(default)]
    options: PublicTokenOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PublicTokenOptions {
    webhook: Option<String>,
    override_username: Option<String>,
    override_password: Option<String>,
    transactions: Option<TransactionOptions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionOptions {
    days_requested: Option<u16>,
    #[serde(rename = "start_date")]
    _start_date: Option<Date>,
    #[serde(rename = "end_date")]
    _end_date: Option<Date>,
}

pub(super) fn public_token_create(call: &mut Call<'_>, request: &PublicTokenCreate) -> Answer {
    if request.initial_products.is_empty() {
        return Err(PlaidError::request("INVALID_FIELD", "initial_products must not be empty"));
    }
    let options = &request.options;
    let new = NewItem {
        institution_id: &request.institution_id,
        username: options.override_username.as_deref().unwrap_or("user_good"),
        password: options.override_password.as_deref().unwrap_or("pass_good"),
        products: request.initial_products.clone(),
        webhook: options.webhook.clone(),
        days_requested: days(options.transactions.as_ref().and_then(|t| t.days_requested))?,
    };
    let (token, _) = call.world.log_in(new, call.now)?;
    ok(json!({"public_token": token}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeRequest {
    public_token: String,
}

pub(super) fn exchange(call: &mut Call<'_>, request: &ExchangeRequest) -> Answer {
    let (access_token, item_id) = call.world.exchange(&request.public_token, call.now)?;
    ok(json!({"access_token": access_token, "item_id": item_id}))
}
