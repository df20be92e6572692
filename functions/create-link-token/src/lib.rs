//! `POST /api/v1/plaid/link/token` — a token to open Link with: for a new connection or, given an item, in update mode.
//!
//! With an `Idempotency-Key` the token is made once, and shown once: it opens Link for hours only, and is kept nowhere.
//!
//! Effects: one call of Plaid; who opened a hosted Link is remembered, since its end comes by a webhook. A crash before that
//! leaves a link token that nobody has.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    bank::{BankError, LinkPurpose, LinkRequest, LinkToken, Linking, Meaning, UpdateMode},
    household::{Memberships, Permission, one_household, one_item},
    ids::{HouseholdId, ItemId, fingerprint},
    limit::LINK_TOKENS,
    store::{Hints, LinkSession, LinkSessions, OneConnection},
    sync::SyncReads,
    time::Clock,
    vault::TokenOpener,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{Once, once_with_a_secret},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item that is to be repaired.
    pub connections: Arc<dyn OneConnection>,
    /// What the sync is told of items.
    pub hints: Arc<dyn Hints>,
    /// The item with its token.
    pub reads: Arc<dyn SyncReads>,
    /// Opens the token.
    pub vault: Arc<dyn TokenOpener>,
    /// Who opened which Link.
    pub sessions: Arc<dyn LinkSessions>,
    /// Plaid.
    pub bank: Arc<dyn Linking>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

/// Products that may be asked for: what this system can use, and what Plaid takes in a link token.
const PRODUCTS: [&str; 1] = ["transactions"];
const MOST_PRODUCTS: usize = 10;
const LONGEST_URI: usize = 2048;
/// What [`redirect_uri`] takes, for the description.
const URI: &str = concat!(
    r"^(https://[^/?#@\s\u0000-\u001F\u007F-\u009F][^?#@\s\u0000-\u001F\u007F-\u009F]*",
    r"|http://(localhost|127\.0\.0\.1)([:/][^?#@\s\u0000-\u001F\u007F-\u009F]*)?)$",
);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// May be left out by whoever is in one household only.
    household_id: Option<HouseholdId>,
    #[schemars(length(min = 1, max = MOST_PRODUCTS), extend("items" = {"type": "string", "enum": PRODUCTS}))]
    products: Option<Vec<String>>,
    /// One that the Plaid dashboard allows.
    #[schemars(length(max = LONGEST_URI), regex(pattern = URI))]
    redirect_uri: Option<String>,
    /// The item to be repaired: update mode.
    item_id: Option<ItemId>,
    /// In update mode: whether the user chooses the accounts anew. By default if there are new ones, or none is shared. After
    /// `/repaired` all selected accounts are synced, including stopped ones.
    select_accounts: Option<bool>,
    /// Whether Plaid shows Link on a page of its own.
    hosted_link: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    link_token: String,
    expiration: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_link_url: Option<String>,
}

/// Creates a link token.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once_with_a_secret(&deps.once, request, async |request, _| create(deps, request).await).await
}

async fn create(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    let redirect_uri = body.redirect_uri.clone().map(redirect_uri).transpose()?;
    let (household, purpose) = match &body.item_id {
        Some(item) => update(deps, &request, &body, item).await?,
        None => connect(deps, &request, &body).await?,
    };
    deps.once.within(&LINK_TOKENS, &request.user).await?;
    let hosted = body.hosted_link == Some(true);
    let wanted = LinkRequest { user: request.user, purpose, redirect_uri, hosted };
    let token =
        deps.bank.link_token(&wanted).await.map_err(|error| refusal(error, wanted.redirect_uri.is_some()))?;
    let session = LinkSession {
        token_hash: fingerprint(&token.link_token),
        household,
        user: wanted.user,
        item: body.item_id,
        is_hosted: hosted,
        began: deps.clock.now(),
    };
    deps.sessions.remember(&session).await?;
    let LinkToken { link_token, expiration, hosted_url } = token;
    Reply::json(200, &Answer { link_token, expiration, hosted_link_url: hosted_url })
}

/// A new connection.
async fn connect(deps: &Deps, request: &Request, body: &Body) -> Result<(HouseholdId, LinkPurpose), Problem> {
    if body.select_accounts.is_some() {
        return Err(Problem::field("select_accounts", "is for update mode: it needs an item_id"));
    }
    let products = products(body.products.clone())?;
    let household = body.household_id.as_ref();
    let membership = one_household(&*deps.memberships, &request.user, household, Permission::Connect).await?;
    Ok((membership.household, LinkPurpose::Connect(products)))
}

/// Update mode: the item keeps its token, and nothing is exchanged afterwards.
async fn update(
    deps: &Deps,
    request: &Request,
    body: &Body,
    item: &ItemId,
) -> Result<(HouseholdId, LinkPurpose), Problem> {
    if body.products.is_some() {
        return Err(Problem::field("products", "must be left out in update mode"));
    }
    let missing = || Problem::not_found("item_not_found", "item");
    let found =
        one_item(&*deps.memberships, &*deps.connections, &request.user, item, Permission::Connect).await;
    let item = found.map_err(|error| Problem::no_access(error, "item_not_found", "item"))?.item;
    if body.household_id.as_ref().is_some_and(|household| *household != item.at.household) {
        return Err(missing());
    }
    if !item.health.may_sync() || item.health.is_beyond_repair() {
        return Err(Problem::new(409, "item_gone", item.health.advice().unwrap_or_default()));
    }
    let state = deps.reads.state(&item.at).await?.ok_or_else(missing)?;
    let token = deps.vault.open(&item.at, &state.token).await?;
    let mut mode = UpdateMode::mending(item.health.reason.as_deref().unwrap_or_default());
    mode.select_accounts = body.select_accounts.unwrap_or(mode.select_accounts || item.new_accounts);
    if mode.select_accounts {
        deps.hints.mark_account_selection(&item.at, deps.clock.now()).await?;
    }
    Ok((item.at.household, LinkPurpose::Update { token, mode }))
}

fn products(asked: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let Some(asked) = asked else { return Ok(PRODUCTS.map(str::to_owned).to_vec()) };
    let is_known = |product: &String| PRODUCTS.contains(&product.as_str());
    if asked.is_empty() || asked.len() > MOST_PRODUCTS || !asked.iter().all(is_known) {
        return Err(Problem::field(
            "products",
            format!("must be a list of 1 to 10 of: {}", PRODUCTS.join(", ")),
        ));
    }
    let mut products = asked;
    products.dedup();
    Ok(products)
}

/// Of what we send, only the redirect URI is the caller's: it must be on the list in Plaid's dashboard.
fn refusal(error: BankError, has_redirect_uri: bool) -> Problem {
    let is_field = error.meaning == Meaning::OurFault && error.code == "INVALID_FIELD";
    if is_field && has_redirect_uri {
        return Problem::field("redirect_uri", "was refused by Plaid: is it allowed in the Plaid dashboard?");
    }
    error.into()
}

/// Hosts that are reached without TLS: an app under development on the same machine.
const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// Plaid takes no query and no fragment in it, and http in its Sandbox only.
fn redirect_uri(uri: String) -> Result<String, Problem> {
    let is_local = |rest: &&str| LOCAL.contains(&rest.split(['/', ':']).next().unwrap_or_default());
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://").filter(is_local));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if !has_host
        || uri.contains(char::is_whitespace)
        || uri.contains(['?', '#', '@'])
        || uri.chars().count() > LONGEST_URI
        || uri.chars().any(char::is_control)
    {
        let must = "must be an https URL, or an http URL of localhost, of at most 2048 characters, without query, fragment or @";
        return Err(Problem::field("redirect_uri", must));
    }
    Ok(uri)
}
