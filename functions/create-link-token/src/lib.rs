//! `POST /api/v1/plaid/link/token` — a token to open Link with, for a new connection.
//!
//! Effects: one call of Plaid. Nothing is stored, so a crash leaves nothing.

pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    bank::{BankError, LinkRequest, Linking, Meaning},
    household::{Memberships, Permission, one_household},
    ids::HouseholdId,
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Plaid.
    pub bank: Arc<dyn Linking>,
}

/// Products that may be asked for: what this system can use, and what Plaid takes in a link token.
const PRODUCTS: [&str; 1] = ["transactions"];
const LONGEST_URI: usize = 2048;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    household_id: Option<HouseholdId>,
    products: Option<Vec<String>>,
    redirect_uri: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    link_token: String,
    expiration: Timestamp,
}

/// Creates a link token.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    let products = products(body.products)?;
    let redirect_uri = body.redirect_uri.map(redirect_uri).transpose()?;
    let household = body.household_id.as_ref();
    one_household(&*deps.memberships, &request.user, household, Permission::Connect).await?;
    let wanted = LinkRequest { user: request.user, products, redirect_uri };
    let token =
        deps.bank.link_token(&wanted).await.map_err(|error| refusal(error, wanted.redirect_uri.is_some()))?;
    Reply::json(200, &Answer { link_token: token.link_token, expiration: token.expiration })
}

fn products(asked: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let Some(asked) = asked else { return Ok(PRODUCTS.map(str::to_owned).to_vec()) };
    let is_known = |product: &String| PRODUCTS.contains(&product.as_str());
    if asked.is_empty() || !asked.iter().all(is_known) {
        return Err(Problem::field("products", format!("must be a list of: {}", PRODUCTS.join(", "))));
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

/// Plaid takes no query and no fragment in it.
fn redirect_uri(uri: String) -> Result<String, Problem> {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if !has_host
        || uri.contains(char::is_whitespace)
        || uri.contains(['?', '#'])
        || uri.len() > LONGEST_URI
        || uri.chars().any(char::is_control)
    {
        let must = "must be an http or https URL of at most 2048 characters, without query or fragment";
        return Err(Problem::field("redirect_uri", must));
    }
    Ok(uri)
}
