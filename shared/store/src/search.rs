//! Searching a household's transactions, newest first, by the index of months.

use std::{cmp::Reverse, collections::BTreeSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::{
    ids::{AccountId, HouseholdId, ItemId},
    store::{FoundPage, Listed, Position, Search, SearchScope, StoreError, TransactionSearch},
    transaction::{BankCategory, Month, PaymentMeta},
};
use futures::future::try_join_all;

use crate::{
    Store,
    edits::user_half,
    encode,
    keys::{self, BY_MONTH, META},
    outcome::unavailable,
    row::{Reader, Row, key, text},
};

/// What one page may examine at most, in bytes.
const LARGEST_READ: u64 = 5 << 20;
/// Half a read unit, the price of an eventually consistent read, is 4 KB.
const BYTES_OF_UNIT: f64 = 8192.0;
/// Sort before and after every date, since dates begin with a digit.
const BEFORE_ALL: &str = "0";
const AFTER_ALL: &str = ":";
/// Sorts after every id of a day: `#` divides the day from the id.
const AFTER_THE_DAY: char = '$';

#[async_trait]
impl TransactionSearch for Store {
    async fn scope(
        &self,
        households: &[HouseholdId],
        account: Option<&AccountId>,
    ) -> Result<SearchScope, StoreError> {
        let mut wanted: Vec<Row> = households.iter().map(|id| key(keys::household(id), META)).collect();
        if let Some(account) = account {
            wanted.extend(households.iter().map(|id| key(keys::household(id), keys::account(account))));
        }
        let rows = self.batch_get(wanted, None, false).await?;
        let find = |id: &HouseholdId, is_meta: bool| {
            let pk = keys::household(id);
            rows.iter().find(|row| {
                let row = Reader(row);
                row.maybe_text("pk") == Some(&pk) && (row.maybe_text("sk") == Some(META)) == is_meta
            })
        };
        let months = |id| find(id, true).map(|row| Reader(row).set("mo")).unwrap_or_default();
        Ok(SearchScope {
            months: households.iter().map(months).collect(),
            account_household: households.iter().find(|id| find(id, false).is_some()).cloned(),
        })
    }

    async fn find(&self, search: &Search, scope: &SearchScope) -> Result<FoundPage, StoreError> {
        let mut found = FoundPage { transactions: Vec::new(), next: None };
        let mut budget = LARGEST_READ;
        let limit = usize::from(search.limit);
        let mut months = months_in_range(search, scope).peekable();
        while let Some(month) = months.next() {
            let missing = limit - found.transactions.len();
            let here =
                search.households.iter().zip(&scope.months).filter(|(_, months)| months.contains(&month));
            let reads =
                here.map(|(household, _)| self.read_month(search, household, month, missing + 1, budget));
            let parts = try_join_all(reads).await?;
            budget = budget.saturating_sub(parts.iter().map(|part| part.examined).sum());
            let more = merge(parts, &mut found, limit);
            if more {
                break;
            }
            if budget == 0
                && let Some(next) = months.peek()
            {
                found.next = before_all_of(*next, &search.households);
                break;
            }
        }
        Ok(found)
    }
}

/// What was read of one household's month.
struct Part {
    rows: Vec<Listed>,
    /// Everything down to here was read; `None` when all was.
    stopped_at: Option<Position>,
    examined: u64,
}

/// Puts the parts of a month in order behind what was found. True if the page ends within this month.
fn merge(parts: Vec<Part>, found: &mut FoundPage, limit: usize) -> bool {
    // Only what lies before the first place where a part stopped is complete.
    let bound = parts.iter().filter_map(|part| part.stopped_at.clone()).max();
    let mut rows: Vec<Listed> = parts.into_iter().flat_map(|part| part.rows).collect();
    rows.sort_by_cached_key(|row| Reverse(position(row)));
    if let Some(bound) = &bound {
        rows.retain(|row| position(row) >= *bound);
    }
    let room = limit - found.transactions.len();
    let is_cut = rows.len() > room;
    rows.truncate(room);
    found.transactions.extend(rows);
    if is_cut {
        found.next = found.transactions.last().map(position);
        return true;
    }
    found.next.clone_from(&bound);
    bound.is_some()
}

/// The place right before a month: where to go on when all that is later has been read.
fn before_all_of(month: Month, households: &[HouseholdId]) -> Option<Position> {
    Some(Position {
        date: month.last_day(),
        // Sorts after every id, since ids have no such character.
        transaction: "\u{10ffff}".parse().ok()?,
        household: households.last()?.clone(),
    })
}

fn position(row: &Listed) -> Position {
    Position { date: row.date, transaction: row.id.clone(), household: row.household.clone() }
}

/// The months that exist and are in range, newest first.
fn months_in_range(search: &Search, scope: &SearchScope) -> impl Iterator<Item = Month> + use<> {
    let first = search.from.map(Month::of);
    let last =
        [search.to, search.after.as_ref().map(|after| after.date)].into_iter().flatten().min().map(Month::of);
    let all: BTreeSet<Month> = scope.months.iter().flatten().copied().collect();
    all.into_iter()
        .filter(move |month| {
            first.is_none_or(|first| *month >= first) && last.is_none_or(|last| *month <= last)
        })
        .rev()
}

impl Store {
    async fn read_month(
        &self,
        search: &Search,
        household: &HouseholdId,
        month: Month,
        wanted: usize,
        budget: u64,
    ) -> Result<Part, StoreError> {
        let lowest = search.from.map_or_else(|| BEFORE_ALL.to_owned(), |date| date.to_string());
        let last_day = search.to.map(|date| format!("{date}{AFTER_THE_DAY}"));
        let after = search.after.as_ref().map(|after| keys::place(after.date, &after.transaction));
        let highest = [last_day, after].into_iter().flatten().min().unwrap_or_else(|| AFTER_ALL.to_owned());
        if lowest > highest {
            return Ok(Part { rows: Vec::new(), stopped_at: None, examined: 0 });
        }
        let mut query = self
            .client
            .query()
            .table_name(&self.data)
            .index_name(BY_MONTH)
            .scan_index_forward(false)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .key_condition_expression("mp = :mp AND ms BETWEEN :lowest AND :highest")
            .expression_attribute_values(":mp", text(keys::month(household, month)))
            .expression_attribute_values(":lowest", text(lowest))
            .expression_attribute_values(":highest", text(highest));
        if let Some(account) = &search.account {
            query = query
                .filter_expression("begins_with(pk, :pk) AND ac = :ac")
                .expression_attribute_values(":pk", text(format!("H#{household}#I#{}", account.item())))
                .expression_attribute_values(":ac", text(account.tail()));
        } else {
            // One more, since the row at `after` itself is read again.
            query = query.limit(i32::try_from(wanted + 1).unwrap_or(i32::MAX));
        }
        let mut part = Part { rows: Vec::new(), stopped_at: None, examined: 0 };
        let mut start: Option<Row> = None;
        loop {
            let request = query.clone().set_exclusive_start_key(start.take());
            let page = request.send().await.map_err(|error| unavailable(&error))?;
            let units =
                page.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default();
            part.examined += examined(units);
            for row in page.items.unwrap_or_default() {
                let listed = listed(household, &row)?;
                if search.after.as_ref().is_none_or(|after| position(&listed) < *after) {
                    part.rows.push(listed);
                }
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            let Some(last) = &start else { return Ok(part) };
            if part.rows.len() >= wanted || part.examined >= budget {
                part.stopped_at = Some(key_position(household, last)?);
                return Ok(part);
            }
        }
    }
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

fn key_position(household: &HouseholdId, row: &Row) -> Result<Position, StoreError> {
    let place = Reader(row).text("ms")?;
    let (date, id) = place.split_once('#').ok_or(StoreError::Corrupt("ms"))?;
    Ok(Position {
        date: date.parse().map_err(|_bad| StoreError::Corrupt("ms"))?,
        transaction: id.parse().map_err(|_bad| StoreError::Corrupt("ms"))?,
        household: household.clone(),
    })
}

/// A row as lists show it.
pub(crate) fn listed(household: &HouseholdId, row: &Row) -> Result<Listed, StoreError> {
    let place = key_position(household, row)?;
    let row = Reader(row);
    let item: ItemId = row
        .text("pk")?
        .rsplit_once("#I#")
        .and_then(|(_, item)| item.parse().ok())
        .ok_or(StoreError::Corrupt("pk"))?;
    let tail = row.text("ac")?;
    let account = AccountId::of(&item, tail).map_err(|_bad| StoreError::Corrupt("ac"))?;
    let category = row.maybe_text("cp").zip(row.maybe_text("cd")).map(|(primary, detailed)| BankCategory {
        primary: primary.to_owned(),
        detailed: detailed.to_owned(),
        confidence: row.owned("cc"),
        version: row.owned("cv"),
    });
    Ok(Listed {
        household: household.clone(),
        account,
        item,
        id: place.transaction,
        amount: row.decimal("am"),
        currency: row.maybe_text("cu").map(|code| encode::read_currency(code).code().to_owned()),
        date: place.date,
        authorized_date: row.maybe_parsed("ad"),
        name: row.text("nm")?.to_owned(),
        merchant_name: row.owned("mn"),
        pending: row.flag("pe"),
        payment_channel: row.owned("ch"),
        payment_meta: row.map("pm").map(payment_meta).unwrap_or_default(),
        category,
        check_number: row.owned("ck"),
        code: row.owned("co"),
        logo_url: row.owned("lo"),
        is_manual: row.flag("ma"),
        half: user_half(row)?,
    })
}

fn payment_meta(row: Reader<'_>) -> PaymentMeta {
    PaymentMeta {
        reference_number: row.owned("reference_number"),
        ppd_id: row.owned("ppd_id"),
        payee: row.owned("payee"),
        by_order_of: row.owned("by_order_of"),
        payer: row.owned("payer"),
        payment_method: row.owned("payment_method"),
        payment_processor: row.owned("payment_processor"),
        reason: row.owned("reason"),
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::TransactionId;

    use super::*;

    #[test]
    fn a_day_ends_after_its_last_id() {
        let id: TransactionId = "zzzz".parse().unwrap();
        let date = jiff::civil::date(2026, 3, 1);
        assert!(keys::place(date, &id) < format!("{date}{AFTER_THE_DAY}"));
        assert!(format!("{date}{AFTER_THE_DAY}") < keys::place(jiff::civil::date(2026, 3, 2), &id));
    }
}
