//! Link: tokens to open it with, and what is made of those that it hands over.

use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, ok};
use crate::{
    errors::PlaidError,
    link::{LIVES, LIVES_SHORTLY, LinkSession, Update},
    world::{NewItem, OAUTH},
};

/// The history that is asked for where nobody says, and the most there is.
const DEFAULT_DAYS: u16 = 90;
const MOST_DAYS: u16 = 730;
/// How long a page of Plaid's may be there.
const LONGEST_PAGE: Duration = Duration::from_hours(24 * 21);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkTokenRequest {
    client_name: String,
    language: String,
    country_codes: Vec<String>,
    user: Option<LinkUser>,
    #[serde(default)]
    products: Vec<String>,
    #[serde(default)]
    additional_consented_products: Vec<String>,
    transactions: Option<LinkTransactions>,
    webhook: Option<String>,
    redirect_uri: Option<String>,
    access_token: Option<String>,
    #[serde(default)]
    update: LinkUpdate,
    account_filters: Option<Value>,
    hosted_link: Option<HostedLink>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LinkUpdate {
    #[serde(default)]
    account_selection_enabled: bool,
    #[serde(rename = "reauthorization_enabled")]
    _reauthorization_enabled: Option<bool>,
}

/// Plaid takes any other field too.
#[derive(Deserialize)]
struct HostedLink {
    url_lifetime_seconds: Option<u64>,
}

impl HostedLink {
    fn lives(&self) -> Result<Duration, PlaidError> {
        let lives = self.url_lifetime_seconds.map_or(LIVES_SHORTLY, Duration::from_secs);
        if lives.is_zero() || lives > LONGEST_PAGE {
            let why = "hosted_link.url_lifetime_seconds must be positive and at most 21 days";
            return Err(PlaidError::request("INVALID_FIELD", why));
        }
        Ok(lives)
    }
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
    let update = match (&request.access_token, request.products.is_empty()) {
        (None, true) => return field("products must not be empty"),
        (Some(_), false) => return field("products must be omitted in update mode"),
        (Some(token), true) => {
            let item = call.item(token)?;
            // A bank with its own page for it has people choose each time.
            let selects_accounts = request.update.account_selection_enabled || item.institution_id == OAUTH;
            let consents = request.additional_consented_products.clone();
            Some(Update { item_id: item.item_id.clone(), selects_accounts, consents })
        }
        (None, false) => None,
    };
    if request.account_filters.is_some() && update.as_ref().is_some_and(|update| !update.selects_accounts) {
        return field("account_filters in update mode need update.account_selection_enabled");
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
    let lives = match &request.hosted_link {
        Some(hosted) => hosted.lives()?,
        None if update.is_some() => LIVES_SHORTLY,
        None => LIVES,
    };
    let hosted_at = request.hosted_link.map(|_| call.world.hosted_page());
    let session = LinkSession {
        products: request.products,
        webhook: request.webhook,
        days_requested: days(request.transactions.and_then(|t| t.days_requested))?,
        update,
        hosted_at: hosted_at.clone(),
        ..LinkSession::new(call.now, lives)
    };
    let expires = session.expires;
    let token = call.world.open_link(session);
    let mut answer = json!({"link_token": token, "expiration": format!("{expires:.0}")});
    if let (Some(fields), Some(url)) = (answer.as_object_mut(), hosted_at) {
        fields.insert("hosted_link_url".to_owned(), json!(url));
    }
    ok(answer)
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
