//! `POST /api/v1/transactions` — a transaction that a person enters, on an account that is kept by hand or by a bank.
//!
//! Effects: one transaction, on the condition that the account takes new ones. With an `Idempotency-Key` the same request makes
//! the same transaction however often it comes.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    category::{Categories, Tree},
    edit::{Entered, Facts, ManualTransactions, NewTransaction, Note, UserHalf, Whole},
    household::{Memberships, Permission, one_item},
    ids::{AccountId, CategoryId, Entropy, ItemRef, Tag, TransactionId},
    item::Connection,
    money::Currency,
    store::OneConnection,
    sync::Edit,
};
use edge::{
    Problem,
    body::{CurrencyCode, Day, DecimalText, Line},
    edits::{Fields, LONGEST_NAME, PartBody, Written},
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
    transaction::WholeView,
    waiting::ask,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The accounts.
    pub connections: Arc<dyn OneConnection>,
    /// The categories.
    pub categories: Arc<dyn Categories>,
    /// Enters transactions.
    pub manual: Arc<dyn ManualTransactions>,
    /// Requests with a key.
    pub once: Once,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    account_id: AccountId,
    date: Day,
    /// Positive leaves the account.
    amount: DecimalText,
    /// What for, in a few words.
    name: Line<LONGEST_NAME>,
    /// With whom.
    merchant_name: Option<Line<LONGEST_NAME>>,
    /// The account's, if it is left out.
    currency: Option<CurrencyCode>,
    category_id: Option<CategoryId>,
    note: Option<Note>,
    #[schemars(length(max = domain::edit::MOST_TAGS))]
    tags: Option<Vec<Tag>>,
    /// Fields of the household's own.
    custom_fields: Option<Fields>,
    /// Its parts, which add up to its amount exactly.
    #[schemars(length(min = domain::edit::FEWEST_PARTS, max = domain::edit::MOST_PARTS))]
    splits: Option<Vec<PartBody>>,
    /// Whether it has yet to happen.
    pending: Option<bool>,
}

/// Enters a transaction.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, entropy| create(deps, &request, entropy).await).await
}

async fn create(deps: &Deps, request: &Request, entropy: Entropy) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let body: Body = request.json()?;
    let (at, currency) = account(deps, request, &body).await?;
    let tree = deps.categories.tree(&at.household).await?;
    let facts = Facts {
        account: body.account_id,
        date: body.date.0,
        amount: body.amount.0,
        currency: Some(currency),
        name: body.name.0,
        merchant_name: body.merchant_name.map(|line| line.0),
        pending: body.pending.unwrap_or_default(),
    };
    let written = Written {
        category: given(body.category_id),
        note: given(body.note),
        tags: given(body.tags),
        fields: body.custom_fields.unwrap_or_default(),
        hidden: None,
        splits: given(body.splits),
    };
    let nothing = UserHalf::default();
    let change = written.read(Some(facts.amount), &tree, &nothing)?;
    let half = nothing.with(&change);
    let household = at.household.clone();
    let new = NewTransaction { at, id: TransactionId::from_entropy(entropy), facts, half };
    match ask(&*deps.once.clock, async || deps.manual.enter(&new).await).await? {
        Entered::Done(whole) => Ok(answer(*whole, &tree)?.of(household)),
        Entered::NoAccount => Err(no_account()),
        Entered::Closed => Err(Problem::account_closed()),
    }
}

fn answer(whole: Whole, tree: &Tree) -> Result<Reply, Problem> {
    let revision = whole.listed.half.rev;
    let path = format!("/api/v1/transactions/{}", whole.listed.id);
    Ok(Reply::json(201, &WholeView::new(whole, tree)?)?.located(path).tagged(revision))
}

fn no_account() -> Problem {
    Problem::not_found("account_not_found", "account")
}

fn given<T>(value: Option<T>) -> Edit<T> {
    value.map_or(Edit::Keep, Edit::Set)
}

/// Where the account is, and the currency that counts on it.
async fn account(deps: &Deps, request: &Request, body: &Body) -> Result<(ItemRef, Currency), Problem> {
    let (memberships, connections) = (&*deps.memberships, &*deps.connections);
    let item = body.account_id.item();
    let found = one_item(memberships, connections, &request.user, &item, Permission::Edit).await;
    let no_access = |error| Problem::no_access(error, "account_not_found", "account");
    let Connection { item, accounts } = found.map_err(no_access)?;
    let listed =
        accounts.into_iter().find(|account| account.id == body.account_id && account.state.is_listed());
    let account = listed.ok_or_else(no_account)?;
    if account.half.closed {
        return Err(Problem::account_closed());
    }
    let given = body.currency.as_ref().map(|code| &code.0);
    // A code that ISO does not name stays one.
    let own = account.bank.currency.filter(|own| given.is_none_or(|given| given.code() == own.code()));
    let currency = own.or_else(|| given.cloned());
    let missing = || Problem::field("currency", "is required, since the account has none");
    Ok((item.at, currency.ok_or_else(missing)?))
}
