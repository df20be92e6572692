//! Reading months: one after the other until a page is full, or all at once.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use domain::{
    ids::HouseholdId,
    search::{Fields, Listed, Matcher, Position, Search},
    store::StoreError,
    transaction::Month,
};
use futures::{Stream, stream};

use super::{
    listed::{key_position, listed},
    query::Range,
};
use crate::{Store, outcome::unavailable, row::Row};

/// What one query examines at most: then DynamoDB stops, and says where.
pub(super) const QUERY_BYTES: u64 = 1 << 20;
/// Half a read unit, the price of an eventually consistent read, is 4 KB.
const BYTES_OF_UNIT: f64 = 8192.0;
/// Where nearly everything passes, so many more rows than are missing are examined: some may be hidden.
const SPARE_ROWS: usize = 64;

/// What was read of one household's month.
pub(super) struct Part {
    pub(super) rows: Vec<Listed>,
    /// Everything up to here was read; `None` when all was.
    pub(super) stopped_at: Option<Position>,
    pub(super) examined: u64,
}

/// How much may be read of a month.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    /// So many that match are enough.
    pub(super) rows: usize,
    /// So many bytes may be examined, those of the first query at least.
    pub(super) bytes: u64,
}

/// A page of a query.
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    pub(super) examined: u64,
    scanned: usize,
    next: Option<Row>,
}

impl Store {
    /// Reads a month from where the search goes on until there is enough. Each query but the last examines a whole megabyte:
    /// so all of them together are as many as the month has megabytes, at most.
    pub(super) async fn read_month(
        &self,
        search: &Search,
        matcher: &Matcher<'_>,
        (household, month): (&HouseholdId, Month),
        allowance: Allowance,
    ) -> Result<Part, StoreError> {
        let sort = search.sort;
        let range = Range::new(&search.filter, search.after.as_ref().map(|after| (after, sort)));
        let mut part = Part { rows: Vec::new(), stopped_at: None, examined: 0 };
        if range.is_empty() {
            return Ok(part);
        }
        let query =
            self.month_query((household, month), &search.filter, Fields::All, &range, sort.is_ascending());
        // The row at the place to go on from is read again.
        let mut examinable = search.filter.is_open().then_some(allowance.rows + 1 + SPARE_ROWS);
        let mut start = None;
        loop {
            let limit = examinable.map(|rows| i32::try_from(rows).unwrap_or(i32::MAX));
            let page = read(query.clone().set_limit(limit), start).await?;
            part.examined += page.examined;
            for row in &page.rows {
                let listed = matcher.with_visible_account(listed(household, row)?);
                let is_new =
                    search.after.as_ref().is_none_or(|after| sort.is_after(&sort.position(&listed), after));
                if is_new && matcher.matches(&listed) {
                    part.rows.push(listed);
                }
            }
            start = page.next;
            let Some(last) = &start else { return Ok(part) };
            examinable = examinable.map(|rows| rows.saturating_sub(page.scanned));
            // Another query of fewer rows than a megabyte holds would be one more than the month has megabytes.
            let is_enough = part.rows.len() >= allowance.rows || examinable == Some(0);
            if is_enough || part.examined + QUERY_BYTES > allowance.bytes {
                part.stopped_at = Some(key_position(household, last)?);
                return Ok(part);
            }
        }
    }

    /// All pages of a month's range.
    pub(super) fn pages(query: QueryFluentBuilder) -> impl Stream<Item = Result<Page, StoreError>> + Send {
        stream::try_unfold(Some(None::<Row>), move |start| {
            let query = query.clone();
            async move {
                let Some(start) = start else { return Ok(None) };
                let mut page = read(query, start).await?;
                let next = page.next.take().map(Some);
                Ok(Some((page, next)))
            }
        })
    }
}

async fn read(query: QueryFluentBuilder, start: Option<Row>) -> Result<Page, StoreError> {
    let page = query.set_exclusive_start_key(start).send().await.map_err(|error| unavailable(&error))?;
    let units = page.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default();
    Ok(Page {
        rows: page.items.unwrap_or_default(),
        examined: examined(units),
        scanned: usize::try_from(page.scanned_count).unwrap_or_default(),
        next: page.last_evaluated_key.filter(|key| !key.is_empty()),
    })
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    reason = "DynamoDB reports capacity as a float; it is a measure of work, not of money"
)]
fn examined(units: f64) -> u64 {
    (units * BYTES_OF_UNIT) as u64
}
