//! `GET /api/v1/transactions` — the transactions of a household, or of all households of the caller, that a filter lets pass, by
//! date or amount, in pages; with totals of all of them, where they are asked for. Or what was written on transactions that
//! are no more.
//!
//! Reads only: the memberships, where there is anything, and the months in range. A page may be shorter than its limit
//! and still have a next one.

mod api;
pub mod config;
mod orphaned;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    edit::Orphans,
    household::Memberships,
    search::{
        Budget, Filter, FoundPage, History, PAGE_BYTES, Position, Search, SearchScope, Sort,
        TransactionSearch, page,
    },
    store::Connections,
};
use edge::{
    Problem,
    http::{Reply, Request},
    search::{Asked, Binding, CurrencyTotals, FLAG, OrphanedEdit, SORT, count, flag, sort, totals},
    transaction::TransactionView,
};
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub search: Arc<dyn TransactionSearch>,
    /// The items of a household.
    pub connections: Arc<dyn Connections>,
    /// What has lost its transaction.
    pub orphans: Arc<dyn Orphans>,
}

const DEFAULT_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 500;

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Answer {
    /// What was found.
    Found {
        /// In order.
        transactions: Vec<TransactionView>,
        /// The `cursor` of the next page, if there may be one.
        next_cursor: Option<String>,
        /// What all that is found comes to, by currency, if `totals` asks for it.
        totals: Option<Vec<CurrencyTotals>>,
        /// `coming` while a bank's history is still being fetched: then there is more than is found.
        history: History,
    },
    /// What was written on transactions that are no more, if `orphaned` asks for it.
    Orphaned {
        /// By item and id.
        orphaned: Vec<OrphanedEdit>,
        /// The `cursor` of the next page, if there may be one.
        next_cursor: Option<String>,
    },
}

/// What the caller asked for, in its types.
struct Question {
    asked: Asked,
    sort: Sort,
    with_totals: bool,
    orphaned: bool,
    cursor: Option<String>,
    limit: usize,
}

/// Lists transactions.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let question = Question::read(&request)?;
    let households = question.asked.households(&*deps.memberships, &request.user).await?;
    if question.orphaned {
        return Reply::json(200, &orphaned::answer(deps, &question, &households).await?);
    }
    let filter = question.asked.filter.clone();
    let binding = Binding::new(&("list", &households, &filter, question.sort));
    let after = binding.place::<Position>(question.cursor.as_deref())?;
    let scope = question.asked.scope(&*deps.search, &households).await?;
    let search = Search { filter, sort: question.sort, limit: question.limit, after, bytes: PAGE_BYTES };
    let (found, sums) = page(&*deps.search, &search, &scope, question.with_totals).await?;
    let next_cursor = found.next.as_ref().map(|place| binding.cursor(place));
    let transactions = views(found, &scope)?;
    let history = scope.history(&search.filter.accounts);
    let answer = Answer::Found { transactions, next_cursor, totals: sums.as_ref().map(totals), history };
    Reply::json(200, &answer)
}

fn views(found: FoundPage, scope: &SearchScope) -> Result<Vec<TransactionView>, Problem> {
    let view = |listed: domain::search::Listed| {
        let tree = scope.tree(&listed.household)?;
        Ok(TransactionView::new(listed, tree))
    };
    found.transactions.into_iter().map(view).collect()
}

impl Question {
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut query = request.query();
        let limit = |text: &str| count(text, LARGEST_LIMIT);
        let question = Self {
            asked: Asked::read(&mut query, Budget::Any),
            sort: query.read("sort", SORT, sort).unwrap_or_default(),
            with_totals: query.read("totals", FLAG, flag).unwrap_or_default(),
            orphaned: query.read("orphaned", FLAG, flag).unwrap_or_default(),
            cursor: query.text("cursor"),
            limit: query.read("limit", "must be a number from 1 to 500", limit).unwrap_or(DEFAULT_LIMIT),
        };
        let is_narrowed = question.asked.filter != Filter::default() || question.sort != Sort::default();
        if question.orphaned && (is_narrowed || question.with_totals) {
            query.fault("orphaned", "goes with household_id, limit and cursor only");
        }
        query.finish().map(|()| question)
    }
}
