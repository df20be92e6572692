//! Queries of one month of one household: which part of it, and what DynamoDB can leave out by itself.
//!
//! What it leaves out is examined and paid for all the same, but does not travel. The filter looks at all that comes, again:
//! here is no second truth.

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use domain::{
    ids::HouseholdId,
    search::{Fields, Filter, Hidden, Position, Sort},
    transaction::Month,
};

use crate::{
    Store,
    keys::{self, BY_MONTH},
    row::text,
};

/// Sort before and after every date, since dates begin with a digit.
const BEFORE_ALL: &str = "0";
const AFTER_ALL: &str = ":";
/// Sorts after every id of a day: `#` divides the day from the id.
const AFTER_THE_DAY: char = '$';

/// What of a month is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    lowest: String,
    highest: String,
}

impl Range {
    /// The days of a filter; from a place on, where that lies in an order by date.
    pub(super) fn new(filter: &Filter, after: Option<(&Position, Sort)>) -> Self {
        let mut range = Self {
            lowest: filter.from.map_or_else(|| BEFORE_ALL.to_owned(), |date| date.to_string()),
            highest: filter.to.map_or_else(|| AFTER_ALL.to_owned(), |date| format!("{date}{AFTER_THE_DAY}")),
        };
        if let Some((after, sort)) = after {
            let place = keys::place(after.date, &after.transaction);
            if sort.is_ascending() {
                range.lowest = range.lowest.max(place);
            } else {
                range.highest = range.highest.min(place);
            }
        }
        range
    }

    /// Whether nothing can be in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lowest > self.highest
    }
}

/// What sums and groups are made of.
const OF_SUMS: &str = "pk, sk, id, ms, ac, am, cu, nm, mn, pe, cp, cd, ma, uc, uh, us, ux, gu, gk";

fn projection(filter: &Filter, fields: Fields) -> Option<String> {
    match fields {
        Fields::All => None,
        Fields::Sums => {
            let more = [
                (filter.words.is_some(), ", un"),
                (filter.tag.is_some(), ", ut"),
                (filter.field.is_some(), ", uf"),
            ];
            let more = more.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, name)| name);
            Some(std::iter::once(OF_SUMS).chain(more).collect())
        }
    }
}

/// Conditions that a row has to meet, and the values in them.
#[derive(Default)]
struct Conditions {
    all: Vec<String>,
    values: Vec<(String, AttributeValue)>,
}

impl Conditions {
    fn of(filter: &Filter) -> Self {
        let mut conditions = Self::default();
        conditions.flag("pe", filter.pending);
        conditions.flag("ma", filter.manual);
        // What a guess brought hides nothing.
        let hidden = match filter.hidden {
            Hidden::LeftOut => "(attribute_not_exists(uh) OR attribute_exists(gu))",
            Hidden::Only => "attribute_exists(uh)",
            Hidden::Any => "",
        };
        conditions.all.extend(Some(hidden.to_owned()).filter(|condition| !condition.is_empty()));
        // Which tag it is, is compared folded.
        conditions.flag("ut", filter.tag.as_ref().map(|_| true));
        if !filter.accounts.is_empty() {
            let names: Vec<_> = (0..filter.accounts.len()).map(|number| format!(":ac{number}")).collect();
            conditions.all.push(format!("ac IN ({})", names.join(", ")));
            let tails = filter.accounts.iter().map(|account| text(account.tail()));
            conditions.values.extend(names.into_iter().zip(tails));
        }
        conditions
    }

    /// A flag is there or is not.
    fn flag(&mut self, name: &str, wanted: Option<bool>) {
        match wanted {
            None => {}
            Some(true) => self.all.push(format!("attribute_exists({name})")),
            Some(false) => self.all.push(format!("attribute_not_exists({name})")),
        }
    }
}

impl Store {
    /// The query of a month of a household.
    pub(super) fn month_query(
        &self,
        (household, month): (&HouseholdId, Month),
        filter: &Filter,
        fields: Fields,
        range: &Range,
        is_ascending: bool,
    ) -> QueryFluentBuilder {
        let conditions = Conditions::of(filter);
        let mut query = self
            .client
            .query()
            .table_name(&self.data)
            .index_name(BY_MONTH)
            .scan_index_forward(is_ascending)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_projection_expression(projection(filter, fields))
            .key_condition_expression("mp = :mp AND ms BETWEEN :lowest AND :highest")
            .expression_attribute_values(":mp", text(keys::month(household, month)))
            .expression_attribute_values(":lowest", text(&range.lowest))
            .expression_attribute_values(":highest", text(&range.highest));
        if !conditions.all.is_empty() {
            query = query.filter_expression(conditions.all.join(" AND "));
        }
        for (name, value) in conditions.values {
            query = query.expression_attribute_values(name, value);
        }
        query
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

    #[test]
    fn the_place_before_a_month_is_before_all_of_it_and_reads_no_other() {
        let household = "hh_0000000000000000".parse().unwrap();
        let month: Month = "2026-02".parse().unwrap();
        let of_month = |id: &str, day| {
            let date = jiff::civil::date(2026, 2, day);
            Position {
                amount: None,
                date,
                transaction: id.parse().unwrap(),
                household: "hh_zzzzzzzzzzzzzzzz".parse().unwrap(),
            }
        };
        for sort in [Sort::Newest, Sort::Oldest] {
            let before = sort.before_month(month, &household).unwrap();
            for place in [of_month("!", 1), of_month("zz", 28), of_month("\u{10fffe}", 28)] {
                assert!(sort.is_after(&place, &before), "{sort:?} {place:?}");
            }
            assert_eq!(Month::of(before.date), month);
        }
    }
}
