//! What the transactions of two accounts tell of whether they are one: the same amounts on the same days.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Unit, civil::Date};
use rust_decimal::Decimal;

use crate::{
    ids::{ItemRef, TransactionId},
    money::Currency,
};

/// A bank's new side may date a transaction otherwise.
const DAYS_APART: i32 = 3;
/// Fewer equal transactions than this prove nothing.
const LEAST: usize = 5;
/// Fewer equal transactions than this are not worth a question.
const LEAST_ASKED: usize = 3;

/// A row of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The item that it is kept with.
    pub at: ItemRef,
    /// Its key.
    pub key: TransactionId,
    /// The amount. `None` if it could not be read.
    pub amount: Option<Decimal>,
    /// Its currency.
    pub currency: Option<Currency>,
    /// When it happened or posted.
    pub date: Date,
    /// The bank's text.
    pub name: String,
    /// Whether its transaction is there.
    pub presence: Presence,
    /// Whether people have written on it.
    pub is_edited: bool,
    /// Whether another row goes on for it already.
    pub is_superseded: bool,
}

/// Whether a row's transaction is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has posted.
    Posted,
    /// It is pending.
    Pending,
    /// It went away: the row waits with what people wrote on it, or expires.
    Gone,
}

impl AccountRow {
    fn day(&self) -> (Option<Decimal>, Option<&str>, Date) {
        (self.amount, self.currency.as_ref().map(Currency::code), self.date)
    }
}

/// How much of two histories is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// Equal transactions by amount and day, per thousand of the common span.
    per_mille: usize,
    /// How many are equal.
    equal: usize,
}

impl Overlap {
    /// Compares what is posted on days that both histories reach.
    pub fn of(old: &[AccountRow], new: &[AccountRow]) -> Self {
        let (Some(old_days), Some(new_days)) = (span(old), span(new)) else {
            return Self { per_mille: 0, equal: 0 };
        };
        let (first, last) = (old_days.0.max(new_days.0), old_days.1.min(new_days.1));
        let counts = |rows: &[AccountRow]| {
            let mut counts = BTreeMap::new();
            let within = rows.iter().filter(|row| is_posted(row) && first <= row.date && row.date <= last);
            for row in within {
                let (amount, currency, date) = row.day();
                *counts.entry((amount, currency.map(str::to_owned), date)).or_insert(0_usize) += 1;
            }
            counts
        };
        let (old, new) = (counts(old), counts(new));
        let equal: usize =
            old.iter().map(|(day, count)| new.get(day).map_or(0, |other| (*count).min(*other))).sum();
        let all = old.values().sum::<usize>().max(new.values().sum());
        Self { per_mille: (equal * 1_000).checked_div(all).unwrap_or_default(), equal }
    }

    /// Whether it proves that the accounts are one: nine of ten are equal, and not only a few.
    pub fn is_proof(self) -> bool {
        self.equal >= LEAST && self.per_mille >= 900
    }

    /// Whether all is equal, however little it is.
    pub fn is_whole(self) -> bool {
        self.equal > 0 && self.per_mille == 1_000
    }

    /// Whether a person should be asked.
    pub fn is_hint(self) -> bool {
        self.equal >= LEAST_ASKED && self.per_mille >= 500
    }
}

fn is_posted(row: &AccountRow) -> bool {
    row.presence != Presence::Pending && row.amount.is_some()
}

fn span(rows: &[AccountRow]) -> Option<(Date, Date)> {
    let dates = || rows.iter().filter(|row| is_posted(row)).map(|row| row.date);
    Some((dates().min()?, dates().max()?))
}

/// For rows of an account that is not kept up to date any more, the rows of the other one that are the same transactions. As
/// multisets, so that two equal ones stay two: first what is equal to the name, then to the day, then what is nearest.
pub fn same_rows<'a>(old: &'a [AccountRow], new: &'a [AccountRow]) -> Vec<(&'a AccountRow, &'a AccountRow)> {
    let counts = |row: &&AccountRow| !row.is_superseded && row.amount.is_some();
    let mut old: Vec<_> =
        old.iter().filter(counts).filter(|row| row.presence != Presence::Gone || row.is_edited).collect();
    let mut new: Vec<_> = new.iter().filter(counts).filter(|row| row.presence != Presence::Gone).collect();
    // What people have written finds its transaction first.
    old.sort_by_key(|row| (!row.is_edited, row.date, row.key.clone()));
    new.sort_by_key(|row| (row.date, row.key.clone()));
    let mut pairs = Vec::new();
    take(&mut old, &mut new, &mut pairs, |one, other| one.day() == other.day() && one.name == other.name);
    take(&mut old, &mut new, &mut pairs, |one, other| one.day() == other.day());
    for days in 1..=DAYS_APART {
        take(&mut old, &mut new, &mut pairs, |one, other| {
            (one.amount, &one.currency) == (other.amount, &other.currency)
                && days_apart(one.date, other.date) == days
        });
    }
    pairs
}

fn take<'a>(
    old: &mut Vec<&'a AccountRow>,
    new: &mut Vec<&'a AccountRow>,
    pairs: &mut Vec<(&'a AccountRow, &'a AccountRow)>,
    is_same: impl Fn(&AccountRow, &AccountRow) -> bool,
) {
    let mut taken = BTreeSet::new();
    old.retain(|row| {
        let free = new.iter().enumerate().filter(|(place, _)| !taken.contains(place));
        let Some((place, other)) = free.into_iter().find(|(_, other)| is_same(row, other)) else {
            return true;
        };
        taken.insert(place);
        pairs.push((row, other));
        false
    });
    let mut place = 0;
    new.retain(|_| {
        place += 1;
        !taken.contains(&(place - 1))
    });
}

fn days_apart(one: Date, other: Date) -> i32 {
    one.since((Unit::Day, other)).map_or(i32::MAX, |span| span.get_days().abs())
}
