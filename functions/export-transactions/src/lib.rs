//! `GET /api/v1/transactions/export` — the transactions that a filter lets pass as CSV (RFC 4180), in parts of 5 MB: a `Link` header
//! leads from one to the next. All parts together, one after the other, are one file.
//!
//! Effects: one write, which counts the export. Reads the memberships, where there is anything, and the months in range.

mod api;
pub mod config;
mod sheet;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::Memberships,
    idempotency::RequestRecords,
    limit::EXPORTS,
    search::{Budget, History, Position, Search, Sort, TransactionSearch, page},
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::within,
    search::{Asked, Binding, FLAG, SORT, flag, next_link, sort},
};
use sheet::Sheet;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The transactions.
    pub search: Arc<dyn TransactionSearch>,
    /// Counts exports.
    pub records: Arc<dyn RequestRecords>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

const PATH: &str = "/api/v1/transactions/export";

/// What one part may hold.
struct Bounds {
    /// Rows: they are in memory together.
    rows: usize,
    /// Bytes of the store that are examined.
    examined: u64,
    /// Bytes of the answer. Lambda takes 6 MB, with the text as a JSON string.
    answer: usize,
}

const BOUNDS: Bounds = Bounds { rows: 20_000, examined: 16 << 20, answer: 5 << 20 };

/// Exports transactions.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    part(deps, request, &BOUNDS).await
}

async fn part(deps: &Deps, request: Request, bounds: &Bounds) -> Result<Reply, Problem> {
    let Question { asked, sort, cursor, has_bom } = read(&request)?;
    let households = asked.households(&*deps.memberships, &request.user).await?;
    let binding = Binding::new(&("export", &households, &asked.filter, sort));
    let after = binding.place::<Position>(cursor.as_deref())?;
    let scope = asked.scope(&*deps.search, &households).await?;
    if after.is_none() {
        within(&*deps.records, &*deps.clock, &EXPORTS, &request.user).await?;
    }
    let history = scope.history(&asked.filter.accounts);
    let mut sheet = Sheet::new(bounds.answer, after.is_none(), has_bom)?;
    let search = Search { filter: asked.filter, sort, limit: bounds.rows, after, bytes: bounds.examined };
    let (found, _) = page(&*deps.search, &search, &scope, false).await?;
    let mut last = search.after;
    let mut next = found.next;
    for listed in found.transactions {
        let place = sort.position(&listed);
        let account = scope.account(&listed.account);
        if !sheet.add(listed, account, scope.tree(&place.household)?)? {
            next = last;
            break;
        }
        last = Some(place);
    }
    let link = next.map(|place| next_link(PATH, &request.raw_query, &binding.cursor(&place)));
    Ok(reply(sheet, link, history))
}

/// What the caller asked for, in its types.
struct Question {
    asked: Asked,
    sort: Sort,
    cursor: Option<String>,
    has_bom: bool,
}

fn read(request: &Request) -> Result<Question, Problem> {
    let mut query = request.query();
    let asked = Asked::read(&mut query, Budget::Any);
    let sort = query.read("sort", SORT, sort).unwrap_or_default();
    let cursor = query.text("cursor");
    let has_bom = query.read("bom", FLAG, flag).unwrap_or_default();
    query.finish().map(|()| Question { asked, sort, cursor, has_bom })
}

fn reply(sheet: Sheet, link: Option<String>, history: History) -> Reply {
    let content_type = if sheet.has_header() {
        "text/csv; charset=utf-8; header=present"
    } else {
        "text/csv; charset=utf-8; header=absent"
    };
    let mut reply = Reply::text(content_type, sheet.text());
    reply.headers.push(("content-disposition", "attachment; filename=\"transactions.csv\"".to_owned()));
    let history = match history {
        History::Complete => "complete",
        History::Coming => "coming",
    };
    reply.headers.push(("x-history", history.to_owned()));
    reply.headers.extend(link.map(|link| ("link", link)));
    reply
}
