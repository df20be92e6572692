//! `GET /api/v1/transactions` — the transactions of a household, or of all households of the caller, newest first, by date
//! and account, in pages.
//!
//! Reads only: the memberships, where there is anything, and the months in range. A page may be shorter than its limit
//! and still have a next one.

mod api;
pub mod config;
mod cursor;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Memberships, readable_households},
    ids::{AccountId, HouseholdId, ItemId, TransactionId},
    store::{Listed, Search, TransactionSearch},
    transaction::{PaymentMeta, parse_date},
};
use edge::{
    Problem,
    http::{Reply, Request},
    openapi::{Amount, Currency},
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub search: Arc<dyn TransactionSearch>,
}

const DEFAULT_LIMIT: u16 = 100;
const LARGEST_LIMIT: u16 = 500;

#[derive(Serialize, JsonSchema)]
struct Answer {
    transactions: Vec<View>,
    next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct View {
    id: TransactionId,
    account_id: AccountId,
    item_id: ItemId,
    household_id: HouseholdId,
    date: Date,
    authorized_date: Option<Date>,
    #[schemars(with = "Option<Amount>")]
    amount: Option<String>,
    #[schemars(with = "Option<Currency>")]
    currency: Option<String>,
    name: String,
    merchant_name: Option<String>,
    pending: bool,
    payment_channel: Option<String>,
    payment_meta: PaymentMetaView,
    category: Option<CategoryView>,
    check_number: Option<String>,
    transaction_code: Option<String>,
    logo_url: Option<String>,
}

/// All fields, set or not, so that a client need not ask which are there.
#[derive(Serialize, JsonSchema)]
struct PaymentMetaView {
    reference_number: Option<String>,
    ppd_id: Option<String>,
    payee: Option<String>,
    by_order_of: Option<String>,
    payer: Option<String>,
    payment_method: Option<String>,
    payment_processor: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct CategoryView {
    primary: String,
    detailed: String,
    confidence_level: Option<String>,
}

/// What the caller asked for, in its types.
struct Asked {
    household: Option<HouseholdId>,
    from: Option<Date>,
    to: Option<Date>,
    account: Option<AccountId>,
    cursor: Option<String>,
    limit: u16,
}

/// Lists transactions.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let asked = Asked::read(&request)?;
    let households = readable_households(&*deps.memberships, &request.user, asked.household.as_ref()).await?;
    let binding = cursor::Binding::new(&households, asked.from, asked.to, asked.account.as_ref());
    let after = asked.cursor.as_deref().map(|text| cursor::decode(text, &binding)).transpose()?;
    let scope = deps.search.scope(&households, asked.account.as_ref()).await?;
    if asked.account.is_some() && scope.account_household.is_none() {
        return Err(Problem::not_found("account_not_found", "account"));
    }
    let search = Search {
        households,
        from: asked.from,
        to: asked.to,
        account: asked.account,
        limit: asked.limit,
        after,
    };
    let page = deps.search.find(&search, &scope).await?;
    let next_cursor = page.next.as_ref().map(|position| cursor::encode(position, &binding));
    Reply::json(200, &Answer { transactions: page.transactions.into_iter().map(view).collect(), next_cursor })
}

impl Asked {
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut query = request.query();
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let limit = |text: &str| digits(text).filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
        let asked = Self {
            household: query.value("household_id"),
            from: query.read("from", "must be a date, YYYY-MM-DD", parse_date),
            to: query.read("to", "must be a date, YYYY-MM-DD", parse_date),
            account: query.value("account_id"),
            cursor: query.text("cursor"),
            limit: query.read("limit", "must be a number from 1 to 500", limit).unwrap_or(DEFAULT_LIMIT),
        };
        if asked.from.zip(asked.to).is_some_and(|(from, to)| from > to) {
            query.fault("to", "must not be before from");
        }
        query.finish().map(|()| asked)
    }
}

fn view(listed: Listed) -> View {
    View {
        id: listed.id,
        account_id: listed.account,
        item_id: listed.item,
        household_id: listed.household,
        date: listed.date,
        authorized_date: listed.authorized_date,
        amount: listed.amount.map(|amount| amount.to_string()),
        currency: listed.currency,
        name: listed.name,
        merchant_name: listed.merchant_name,
        pending: listed.pending,
        payment_channel: listed.payment_channel,
        payment_meta: payment_meta(listed.payment_meta),
        category: listed.category.map(|category| CategoryView {
            primary: category.primary,
            detailed: category.detailed,
            confidence_level: category.confidence,
        }),
        check_number: listed.check_number,
        transaction_code: listed.code,
        logo_url: listed.logo_url,
    }
}

fn payment_meta(meta: PaymentMeta) -> PaymentMetaView {
    PaymentMetaView {
        reference_number: meta.reference_number,
        ppd_id: meta.ppd_id,
        payee: meta.payee,
        by_order_of: meta.by_order_of,
        payer: meta.payer,
        payment_method: meta.payment_method,
        payment_processor: meta.payment_processor,
        reason: meta.reason,
    }
}
