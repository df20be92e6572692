//! `POST /api/v1/plaid/link/exchange` — turns the public token of a finished Link session into a connection.
//!
//! Order of effects: membership → duplicate check → intent row → rehearsal of the sealing → exchange at Plaid → seal →
//! store the item → queue its first sync → save its accounts → forget the intent.
//!
//! A crash before the exchange leaves an intent row and nothing else; the same request goes on from there. A crash after
//! the item is stored leaves a connection whose accounts and transactions the first sync brings, or the same request. A
//! crash between Plaid's answer and the store leaves the intent row and an item at Plaid that nobody can open any more:
//! it is counted and listed, since no one can repair it.

pub mod config;
mod link;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::Account,
    bank::{AccountFeed, Exchange, Institutions},
    household::{Membership, Memberships, Permission, one_household},
    ids::{HouseholdId, InstitutionId, ItemId},
    item::SyncState,
    secret::PublicToken,
    store::{Connections, Intents, NewConnections},
    sync::{SyncQueue, SyncReads},
    time::{Clock, Random},
    vault::TokenSealer,
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use serde::{Deserialize, Serialize};

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The household's connections, to find a duplicate.
    pub connections: Arc<dyn Connections>,
    /// Exchanges under way.
    pub intents: Arc<dyn Intents>,
    /// Where new connections go.
    pub items: Arc<dyn NewConnections>,
    /// Reads them back, as the sync does.
    pub reads: Arc<dyn SyncReads>,
    /// Seals the token.
    pub vault: Arc<dyn TokenSealer>,
    /// Plaid's exchange.
    pub bank: Arc<dyn Exchange>,
    /// Plaid's accounts.
    pub accounts: Arc<dyn AccountFeed>,
    /// Plaid's banks.
    pub institutions: Arc<dyn Institutions>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    public_token: String,
    household_id: Option<HouseholdId>,
    institution: Option<LinkedInstitution>,
    accounts: Option<Vec<LinkedAccount>>,
    #[serde(default)]
    allow_duplicate: Option<bool>,
}

/// The institution as Link named it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkedInstitution {
    institution_id: Option<InstitutionId>,
    name: Option<String>,
}

/// An account as Link named it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkedAccount {
    name: Option<String>,
    mask: Option<String>,
    subtype: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    item_id: ItemId,
    institution: InstitutionView,
    accounts: Vec<AccountView>,
    accounts_added: usize,
}

#[derive(Serialize)]
struct InstitutionView {
    institution_id: Option<InstitutionId>,
    name: Option<String>,
}

#[derive(Serialize)]
struct AccountView {
    id: String,
    name: String,
    official_name: Option<String>,
    mask: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    current_balance: Option<String>,
    available_balance: Option<String>,
    currency: Option<String>,
}

const LONGEST_TOKEN: usize = 512;
const LONGEST_NAME: usize = 256;
const MOST_ACCOUNTS: usize = 100;

/// Connects a bank.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    body.check()?;
    let household = body.household_id.as_ref();
    let Membership { household, .. } =
        one_household(&*deps.memberships, &request.user, household, Permission::Connect).await?;
    if body.allow_duplicate != Some(true) {
        refuse_duplicate(deps, &household, &body).await?;
    }
    let session = link::Session {
        household,
        user: request.user,
        public_token: PublicToken::new(body.public_token),
        institution: body.institution.as_ref().and_then(|institution| institution.institution_id.clone()),
        institution_name: body.institution.and_then(|institution| institution.name),
        deadline: request.deadline,
    };
    let linked = link::link(deps, &session).await?;
    Reply::json(201, &answer(&linked))
}

impl Body {
    fn check(&self) -> Result<(), Problem> {
        if self.public_token.is_empty() || self.public_token.len() > LONGEST_TOKEN {
            return Err(Problem::field("public_token", "must have 1 to 512 characters"));
        }
        if self.accounts.as_ref().is_some_and(|accounts| accounts.len() > MOST_ACCOUNTS) {
            return Err(Problem::field("accounts", "must have at most 100 entries"));
        }
        let name = self.institution.as_ref().and_then(|institution| institution.name.as_ref());
        if name.is_some_and(|name| name.len() > LONGEST_NAME) {
            return Err(Problem::field("institution.name", "must have at most 256 characters"));
        }
        Ok(())
    }
}

/// A second connection to the same accounts would double every transaction. Two log-ins at one bank are no duplicate:
/// one account in common is.
async fn refuse_duplicate(deps: &Deps, household: &HouseholdId, body: &Body) -> Result<(), Problem> {
    let institution = body.institution.as_ref().and_then(|institution| institution.institution_id.as_ref());
    let (Some(institution), Some(linked)) = (institution, body.accounts.as_ref()) else { return Ok(()) };
    for connection in deps.connections.connections(household).await? {
        if connection.item.institution.as_ref() != Some(institution) || !connection.item.health.may_sync() {
            continue;
        }
        if let Some(twin) =
            connection.accounts.iter().find(|account| linked.iter().any(|new| is_same(new, account)))
        {
            let detail = format!(
                "{} is connected already as item {}. Repair that connection instead, or send allow_duplicate.",
                twin.name(),
                connection.item.at.item
            );
            return Err(Problem::new(409, "duplicate_connection", detail));
        }
    }
    Ok(())
}

/// By name, mask and subtype. A mask alone is not unique, and nothing at all says nothing.
fn is_same(new: &LinkedAccount, stored: &Account) -> bool {
    let bank = &stored.bank;
    let agrees = |new: &Option<String>, old: Option<&String>| new.is_none() || new.as_ref() == old;
    new.mask.is_some()
        && new.name.is_some()
        && new.mask == bank.mask
        && agrees(&new.name, Some(&bank.name))
        && agrees(&new.subtype, bank.subtype.as_ref())
}

fn answer(linked: &SyncState) -> Answer {
    let text = |amount: Option<rust_decimal::Decimal>| amount.map(|amount| amount.to_string());
    let view = |account: &Account| AccountView {
        id: account.id.to_string(),
        name: account.name().to_owned(),
        official_name: account.bank.official_name.clone(),
        mask: account.bank.mask.clone(),
        kind: account.bank.kind.as_str().to_owned(),
        subtype: account.bank.subtype.clone(),
        current_balance: text(account.bank.balances.current),
        available_balance: text(account.bank.balances.available),
        currency: account.bank.currency.as_ref().map(|currency| currency.code().to_owned()),
    };
    Answer {
        item_id: linked.item.at.item.clone(),
        institution: InstitutionView {
            institution_id: linked.item.institution.clone(),
            name: linked.item.institution_name.clone(),
        },
        accounts: linked.accounts.iter().map(view).collect(),
        accounts_added: linked.accounts.len(),
    }
}
