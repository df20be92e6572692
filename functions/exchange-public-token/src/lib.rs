//! `POST /api/v1/plaid/link/exchange` — turns the public token of a finished Link session into a connection.
//!
//! Order of effects: membership → duplicate check → intent row → rehearsal of the sealing → exchange at Plaid → seal →
//! store the item, in the place of one to the same accounts that no longer works → queue its first sync → save its accounts →
//! forget the intent (`domain::link`).
//!
//! A crash before the exchange leaves an intent row and nothing else; the same request goes on from there. A crash after
//! the item is stored leaves a connection whose accounts and transactions the first sync brings, or the same request. A
//! crash between Plaid's answer and the store leaves the intent row and an item at Plaid that nobody can open any more:
//! it is counted and listed, since no one can repair it.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use domain::{
    account::Account,
    bank::Meaning,
    household::{Membership, Memberships, Permission, one_household},
    ids::{HouseholdId, InstitutionId, ItemId, UserId, fingerprint},
    item::SyncState,
    limit::{EXCHANGES, MAX_ITEMS},
    link::{self, LinkError},
    money::{self, amount_text},
    secret::PublicToken,
    store::LinkSessions,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
    openapi::{Amount, Currency},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::IgnoredAny};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Who opened which Link.
    pub sessions: Arc<dyn LinkSessions>,
    /// What linking needs.
    pub link: link::Deps,
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    #[schemars(length(min = 1, max = LONGEST_TOKEN))]
    public_token: String,
    /// May be left out by whoever is in one household only.
    household_id: Option<HouseholdId>,
    institution: Option<LinkedInstitution>,
    #[schemars(length(max = MOST_ACCOUNTS))]
    accounts: Option<Vec<LinkedAccount>>,
    /// The token that Link was opened with. With it, a public token of another person's session is refused.
    #[serde(default)]
    #[schemars(length(min = 1, max = LONGEST_TOKEN))]
    link_token: Option<String>,
    /// Connects accounts that are connected already.
    #[serde(default)]
    allow_duplicate: Option<bool>,
    #[serde(rename = "link_session_id")]
    _link_session_id: Option<Ignored>,
    #[serde(rename = "transfer_status")]
    _transfer_status: Option<Ignored>,
    #[serde(rename = "status")]
    _status: Option<Ignored>,
    #[serde(rename = "account")]
    _account: Option<Ignored>,
    #[serde(rename = "account_id")]
    _account_id: Option<Ignored>,
    #[serde(rename = "wallet")]
    _wallet: Option<Ignored>,
}

/// Part of the metadata of Link's `onSuccess` (<https://plaid.com/docs/link/web/#onsuccess>), which may be sent as it is.
/// It is not used.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Ignored(IgnoredAny);

impl JsonSchema for Ignored {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "Of the metadata of Link; not used."})
    }
}

/// The institution as Link named it. Fields that are not named here are not used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct LinkedInstitution {
    /// An empty one is none.
    institution_id: Option<String>,
    #[schemars(length(max = LONGEST_NAME))]
    name: Option<String>,
}

/// An account as Link named it. Fields that are not named here are not used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct LinkedAccount {
    #[schemars(length(max = LONGEST_NAME))]
    name: Option<String>,
    #[schemars(length(max = LONGEST_WORD))]
    mask: Option<String>,
    #[schemars(length(max = LONGEST_WORD))]
    subtype: Option<String>,
}

impl LinkedAccount {
    fn named(self) -> link::LinkedAccount {
        link::LinkedAccount { name: self.name, mask: self.mask, subtype: self.subtype }
    }
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    item_id: ItemId,
    institution: InstitutionView,
    accounts: Vec<AccountView>,
    accounts_added: usize,
}

#[derive(Serialize, JsonSchema)]
struct InstitutionView {
    institution_id: Option<InstitutionId>,
    name: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct AccountView {
    id: String,
    name: String,
    official_name: Option<String>,
    mask: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    #[schemars(with = "Option<Amount>")]
    current_balance: Option<String>,
    #[schemars(with = "Option<Amount>")]
    available_balance: Option<String>,
    #[schemars(with = "Option<Currency>")]
    currency: Option<String>,
}

const LONGEST_TOKEN: usize = 512;
const LONGEST_NAME: usize = 256;
const LONGEST_WORD: usize = 64;
const MOST_ACCOUNTS: usize = 100;

/// Connects a bank.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| connect(deps, request).await).await
}

async fn connect(deps: &Deps, request: Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    body.check()?;
    let household = body.household_id.as_ref();
    let Membership { household, .. } =
        one_household(&*deps.memberships, &request.user, household, Permission::Connect).await?;
    let institution_id = body.institution_id()?;
    deps.once.within(&EXCHANGES, &request.user).await?;
    if let Some(link_token) = &body.link_token {
        is_of_session(deps, (&request.user, &household), link_token, &body.public_token).await?;
    }
    let institution = body.institution;
    let session = link::Session {
        household,
        user: request.user,
        public_token: PublicToken::new(body.public_token),
        institution: institution_id,
        institution_name: institution.and_then(|institution| institution.name),
        accounts: body.accounts.map(|accounts| accounts.into_iter().map(LinkedAccount::named).collect()),
        allow_duplicate: body.allow_duplicate == Some(true),
        deadline: request.deadline,
    };
    match link::link(&deps.link, &session).await {
        Ok(linked) => Ok(Reply::json(201, &answer(&linked))?.of(linked.item.at.household)),
        Err(error) => Err(problem(error)),
    }
}

/// Whether the link token was made for this person and household and, as far as Plaid tells, the public token came of it.
/// The answer does not say which household holds it.
async fn is_of_session(
    deps: &Deps,
    (user, household): (&UserId, &HouseholdId),
    link_token: &str,
    public_token: &str,
) -> Result<(), Problem> {
    let refused = || {
        let words = "The public token is not of this Link session of yours. Open Link again.";
        Problem::new(422, "link_session_mismatch", words)
    };
    let session = deps.sessions.session(&fingerprint(link_token)).await?;
    if !session.is_some_and(|session| session.user == *user && session.household == *household) {
        return Err(refused());
    }
    match deps.link.bank.public_tokens(link_token).await {
        Ok(tokens) if tokens.is_empty() || tokens.iter().any(|token| token.expose() == public_token) => {
            Ok(())
        }
        Ok(_) => Err(refused()),
        Err(error) if matches!(error.meaning, Meaning::Later { .. }) => Err(error.into()),
        // A Plaid that does not tell of sessions.
        Err(_) => Ok(()),
    }
}

/// What the caller is told. What nobody can repair is counted, and rings an alarm.
fn problem(error: LinkError) -> Problem {
    match error {
        LinkError::Duplicate { item, account } => {
            let detail = format!(
                "{account} is connected already as item {item}. Repair that connection instead; if it is another account, open Link again \
                 and send allow_duplicate."
            );
            Problem::new(409, "duplicate_connection", detail)
        }
        LinkError::AlreadyConnected => Problem::new(
            409,
            "duplicate_connection",
            "This bank log-in is connected already. Repair that connection instead of linking it again.",
        ),
        LinkError::TooMany => Problem::new(
            422,
            "too_many_items",
            format!(
                "The household has {MAX_ITEMS} connections, and may not have more. Disconnect one first."
            ),
        ),
        LinkError::NoHousehold => Problem::not_found("household_not_found", "household"),
        LinkError::TooSlow => {
            Problem::later("too_slow", "Everything is slow right now. Nothing was done; try again.", 5)
        }
        LinkError::Unfinished => Problem::later(
            "link_unfinished",
            "The bank is connected; its accounts are still being read. Send the same request again in a moment.",
            3,
        ),
        LinkError::Bank(error) => error.into(),
        LinkError::FateUnknown(error) => {
            edge::metrics::emit(&[], &[("ExchangeFateUnknown", "Count", 1)]);
            error.into()
        }
        LinkError::Lost => {
            edge::metrics::emit(&[], &[("ItemsLost", "Count", 1)]);
            let words = "The bank cannot be connected right now. Open Link again in a moment.";
            Problem::later("store_unavailable", words, 5).because(error)
        }
        LinkError::Store(error) => error.into(),
        LinkError::Vault(error) => error.into(),
        LinkError::Queue(error) => error.into(),
    }
}

impl Body {
    fn institution_id(&self) -> Result<Option<InstitutionId>, Problem> {
        let institution = self.institution.as_ref();
        let id = institution.and_then(|institution| institution.institution_id.as_deref());
        let id = id.filter(|id| !id.is_empty()).map(str::parse).transpose();
        id.map_err(|_bad| Problem::field("institution.institution_id", "must be an id of Plaid's"))
    }

    fn check(&self) -> Result<(), Problem> {
        for (field, token) in
            [("public_token", Some(&self.public_token)), ("link_token", self.link_token.as_ref())]
        {
            if token.is_some_and(|token| token.is_empty() || token.chars().count() > LONGEST_TOKEN) {
                return Err(Problem::field(field, "must have 1 to 512 characters"));
            }
        }
        let name = self.institution.as_ref().and_then(|institution| institution.name.as_ref());
        bounded(name, "institution.name", LONGEST_NAME)?;
        let accounts = self.accounts.as_deref().unwrap_or_default();
        if accounts.len() > MOST_ACCOUNTS {
            return Err(Problem::field("accounts", "must have at most 100 entries"));
        }
        for (index, account) in accounts.iter().enumerate() {
            let LinkedAccount { name, mask, subtype } = account;
            bounded(name.as_ref(), &format!("accounts[{index}].name"), LONGEST_NAME)?;
            bounded(mask.as_ref(), &format!("accounts[{index}].mask"), LONGEST_WORD)?;
            bounded(subtype.as_ref(), &format!("accounts[{index}].subtype"), LONGEST_WORD)?;
        }
        Ok(())
    }
}

fn bounded(text: Option<&String>, field: &str, most: usize) -> Result<(), Problem> {
    match text {
        Some(text) if text.chars().count() > most => {
            Err(Problem::field(field, format!("must have at most {most} characters")))
        }
        _ => Ok(()),
    }
}

fn answer(linked: &SyncState) -> Answer {
    let text = |account: &Account, amount: Option<rust_decimal::Decimal>| {
        amount.map(|amount| amount_text(amount, account.bank.currency.as_ref().map(money::Currency::code)))
    };
    let view = |account: &Account| AccountView {
        id: account.id.to_string(),
        name: account.name().to_owned(),
        official_name: account.bank.official_name.clone(),
        mask: account.bank.mask.clone(),
        kind: account.bank.kind.as_str().to_owned(),
        subtype: account.bank.subtype.clone(),
        current_balance: text(account, account.bank.balances.current),
        available_balance: text(account, account.bank.balances.available),
        currency: account.bank.currency.as_ref().map(|currency| currency.code().to_owned()),
    };
    let listed: Vec<_> = linked.accounts.iter().filter(|account| account.state.is_listed()).collect();
    Answer {
        item_id: linked.item.at.item.clone(),
        institution: InstitutionView {
            institution_id: linked.item.institution.clone(),
            name: linked.item.institution_name.clone(),
        },
        accounts: listed.iter().map(|account| view(account)).collect(),
        accounts_added: listed.len(),
    }
}
