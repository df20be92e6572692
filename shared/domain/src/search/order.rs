//! The orders of a search, and places in them.

use std::cmp::Ordering;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Listed;
use crate::{
    ids::{HouseholdId, TransactionId},
    transaction::Month,
};

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
    /// The largest amount, whichever way it went.
    Largest,
    /// The smallest amount, whichever way it went.
    Smallest,
}

/// A place in an order: by amount, where that is the order; then by date, id and household. What has no amount that could be
/// read is smaller than all that has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The amount without its sign; none in an order by date.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// The date.
    #[serde(rename = "d")]
    pub date: Date,
    /// The transaction.
    #[serde(rename = "t")]
    pub transaction: TransactionId,
    /// The household.
    #[serde(rename = "h")]
    pub household: HouseholdId,
}

impl Sort {
    /// All of them, with the names that they go by.
    pub const ALL: [(&'static str, Self); 4] = [
        ("-date", Self::Newest),
        ("date", Self::Oldest),
        ("-amount", Self::Largest),
        ("amount", Self::Smallest),
    ];

    /// Whether it is by date.
    pub fn is_by_date(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }

    /// Whether the least comes first.
    pub fn is_ascending(self) -> bool {
        matches!(self, Self::Oldest | Self::Smallest)
    }

    /// The place of a transaction.
    pub fn position(self, listed: &Listed) -> Position {
        Position {
            amount: if self.is_by_date() { None } else { listed.amount.map(|amount| amount.abs()) },
            date: listed.date,
            transaction: listed.id.clone(),
            household: listed.household.clone(),
        }
    }

    /// Which of two places comes first.
    pub fn compare(self, left: &Position, right: &Position) -> Ordering {
        let by_size = left.cmp(right);
        if self.is_ascending() { by_size } else { by_size.reverse() }
    }

    /// Whether a place comes after another.
    pub fn is_after(self, place: &Position, other: &Position) -> bool {
        self.compare(place, other) == Ordering::Greater
    }

    /// The place right before all of a month, in an order by date.
    pub fn before_month(self, month: Month, household: &HouseholdId) -> Option<Position> {
        // No id of a transaction is smaller than a space, since control characters are none; none begins with the last of all
        // characters.
        let (date, id) =
            if self.is_ascending() { (month.first_day(), " ") } else { (month.last_day(), "\u{10ffff}") };
        Some(Position { amount: None, date, transaction: id.parse().ok()?, household: household.clone() })
    }
}
