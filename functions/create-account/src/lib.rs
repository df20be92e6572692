//! `POST /api/v1/plaid/accounts` — an account that is kept by hand.
//!
//! Effects: one transaction. With an `Idempotency-Key` the same request makes the same account however often it comes. It is
//! removed as any other account is.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    account::{AccountEdits, AccountKind, AccountState, NewManualAccount},
    household::{Memberships, Permission, one_household},
    ids::{Entropy, HouseholdId, ItemId, ItemRef},
    limit::{ACCOUNTS, MAX_MANUAL_ACCOUNTS},
    store::{Connections, OneConnection},
    time::Clock,
};
use edge::{
    Problem,
    account::{AccountView, LONGEST_NAME},
    body::{CurrencyCode, DecimalText, Line},
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The account, once it is there.
    pub connections: Arc<dyn OneConnection>,
    /// All accounts of the household.
    pub all: Arc<dyn Connections>,
    /// Makes accounts.
    pub accounts: Arc<dyn AccountEdits>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

/// The longest subtype: Plaid's are shorter.
const LONGEST_SUBTYPE: usize = 50;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Where it belongs; may be left out by whoever is in one household.
    household_id: Option<HouseholdId>,
    name: Line<LONGEST_NAME>,
    /// `other`, if it is left out.
    #[serde(rename = "type")]
    kind: Option<KindBody>,
    /// In one's own words, or Plaid's, such as `cash management`.
    subtype: Option<Line<LONGEST_SUBTYPE>>,
    /// The currency of its balance, and of its transactions.
    currency: CurrencyCode,
    /// What is on it; of credit and loans, what is owed.
    current_balance: Option<DecimalText>,
}

/// Plaid's types of accounts.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum KindBody {
    Depository,
    Credit,
    Loan,
    Investment,
    Brokerage,
    Other,
}

/// Makes an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, entropy| create(deps, &request, entropy).await).await
}

async fn create(deps: &Deps, request: &Request, entropy: Entropy) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    let named = body.household_id.as_ref();
    let place = one_household(&*deps.memberships, &request.user, named, Permission::Edit).await?;
    let at = ItemRef { household: place.household, item: ItemId::from_entropy(entropy) };
    has_room(deps, &at).await?;
    deps.once.within(&ACCOUNTS, &request.user).await?;
    let new = NewManualAccount {
        at: at.clone(),
        user: request.user.clone(),
        name: body.name.0,
        kind: kind(body.kind.unwrap_or(KindBody::Other)),
        subtype: body.subtype.map(|line| line.0),
        currency: body.currency.0,
        balance: body.current_balance.map(|balance| balance.0),
        now: deps.clock.now(),
    };
    let gone = || Problem::not_found("household_not_found", "household");
    if !deps.accounts.open(&new).await? {
        return Err(gone());
    }
    let mut connection = deps.connections.connection(&at).await?.ok_or_else(gone)?;
    let account = connection.accounts.pop().ok_or_else(gone)?;
    let revision = account.half.rev;
    Ok(Reply::json(201, &AccountView::new(&connection.item, account))?.tagged(revision).of(at.household))
}

/// Whether the household may have one more account that is kept by hand. The one that an earlier attempt made counts not.
async fn has_room(deps: &Deps, at: &ItemRef) -> Result<(), Problem> {
    let all = deps.all.connections(&at.household).await?;
    let others = all.iter().filter(|connection| connection.item.at != *at);
    let accounts = others.flat_map(|connection| &connection.accounts);
    if accounts.filter(|account| account.state == AccountState::Manual).count() < MAX_MANUAL_ACCOUNTS {
        return Ok(());
    }
    let words = format!(
        "The household has reached its limit of {MAX_MANUAL_ACCOUNTS} manual accounts. Remove one first."
    );
    Err(Problem::new(422, "too_many_accounts", words))
}

fn kind(kind: KindBody) -> AccountKind {
    match kind {
        KindBody::Depository => AccountKind::Depository,
        KindBody::Credit => AccountKind::Credit,
        KindBody::Loan => AccountKind::Loan,
        KindBody::Investment => AccountKind::Investment,
        KindBody::Brokerage => AccountKind::Brokerage,
        KindBody::Other => AccountKind::Other("other".to_owned()),
    }
}
