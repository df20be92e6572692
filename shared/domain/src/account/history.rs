//! Comparison of the transactions of two accounts: equal amounts on equal days show that they are the same account.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::{
    ids::{ItemRef, TransactionId},
    money::Currency,
    sync::DAYS_APART,
    time::days_apart,
};

/// Equal transactions that a proof needs.
const MIN_EQUAL_PROOF: usize = 5;
/// The share of equal transactions that a proof needs.
const MIN_PROOF_PER_MILLE: usize = 900;
/// Equal transactions that a hint needs.
const MIN_EQUAL_HINT: usize = 3;
/// The share of equal transactions that a hint needs.
const MIN_HINT_PER_MILLE: usize = 500;

/// A row of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The item of the row.
    pub at: ItemRef,
    /// The key of the row.
    pub key: TransactionId,
    /// The amount. `None` if it could not be read.
    pub amount: Option<Decimal>,
    /// The currency of the amount.
    pub currency: Option<Currency>,
    /// The date of the transaction or of its posting.
    pub date: Date,
    /// The bank's text.
    pub name: String,
    /// Whether the row has a transaction.
    pub presence: Presence,
    /// Whether the row has edits.
    pub is_edited: bool,
    /// Whether the row has a successor already.
    pub is_superseded: bool,
}

/// Whether a row has a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A posted transaction.
    Posted,
    /// A pending transaction.
    Pending,
    /// None: the row is a tombstone.
    Gone,
}

/// The common part of two histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// The share of equal transactions in the common span.
    per_mille: usize,
    /// The number of equal transactions.
    equal: usize,
}

impl Overlap {
    /// Compares posted transactions by amount and date, as multisets, in the span of days that both histories cover.
    pub fn of(old: &[AccountRow], new: &[AccountRow]) -> Self {
        let (Some(old_span), Some(new_span)) = (span(old), span(new)) else {
            return Self { per_mille: 0, equal: 0 };
        };
        let (first, last) = (old_span.0.max(new_span.0), old_span.1.min(new_span.1));
        let counts = |rows: &[AccountRow]| {
            let mut counts = BTreeMap::new();
            for row in rows.iter().filter(|row| is_posted(row) && first <= row.date && row.date <= last) {
                *counts.entry((money(row), row.date)).or_insert(0_usize) += 1;
            }
            counts
        };
        let (old, new) = (counts(old), counts(new));
        let equal: usize =
            old.iter().map(|(day, count)| new.get(day).map_or(0, |other| (*count).min(*other))).sum();
        let all = old.values().sum::<usize>().max(new.values().sum());
        Self { per_mille: (equal * 1_000).checked_div(all).unwrap_or_default(), equal }
    }

    /// Whether the accounts are certainly the same.
    pub fn is_proof(self) -> bool {
        self.equal >= MIN_EQUAL_PROOF && self.per_mille >= MIN_PROOF_PER_MILLE
    }

    /// Whether all transactions of the common span are equal, at least one.
    pub fn is_whole(self) -> bool {
        self.equal > 0 && self.per_mille == 1_000
    }

    /// Whether the accounts may be the same.
    pub fn is_hint(self) -> bool {
        self.equal >= MIN_EQUAL_HINT && self.per_mille >= MIN_HINT_PER_MILLE
    }
}

fn is_posted(row: &AccountRow) -> bool {
    row.presence != Presence::Pending && row.amount.is_some()
}

fn span(rows: &[AccountRow]) -> Option<(Date, Date)> {
    let dates = || rows.iter().filter(|row| is_posted(row)).map(|row| row.date);
    Some((dates().min()?, dates().max()?))
}

/// Amount and currency.
type Money = (Option<Decimal>, Option<String>);

fn money(row: &AccountRow) -> Money {
    (row.amount, row.currency.as_ref().map(|currency| currency.code().to_owned()))
}

/// Pairs of an old and a new row with the same transaction. No row is in two pairs. Rows with equal date and name are paired
/// first, then rows with equal dates, then rows with near dates.
pub fn same_rows<'a>(old: &'a [AccountRow], new: &'a [AccountRow]) -> Vec<(&'a AccountRow, &'a AccountRow)> {
    let mut by_money: BTreeMap<Money, [Vec<&AccountRow>; 2]> = BTreeMap::new();
    let can_be_paired = |row: &&AccountRow| !row.is_superseded && row.amount.is_some();
    for row in old.iter().filter(can_be_paired) {
        if row.presence != Presence::Gone || row.is_edited {
            by_money.entry(money(row)).or_default()[0].push(row);
        }
    }
    for row in new.iter().filter(can_be_paired).filter(|row| row.presence != Presence::Gone) {
        by_money.entry(money(row)).or_default()[1].push(row);
    }
    let mut pairs = Vec::new();
    for [mut old, mut new] in by_money.into_values() {
        // Edited rows choose first, so that no edit is left without a transaction.
        old.sort_by_key(|row| (!row.is_edited, row.date, row.key.clone()));
        new.sort_by_key(|row| (row.date, row.key.clone()));
        pair(&mut old, &mut new, &mut pairs, |one, other| one.date == other.date && one.name == other.name);
        for days in 0..=DAYS_APART {
            pair(&mut old, &mut new, &mut pairs, |one, other| days_apart(one.date, other.date) == days);
        }
    }
    pairs
}

fn pair<'a>(
    old: &mut Vec<&'a AccountRow>,
    new: &mut Vec<&'a AccountRow>,
    pairs: &mut Vec<(&'a AccountRow, &'a AccountRow)>,
    is_same: impl Fn(&AccountRow, &AccountRow) -> bool,
) {
    old.retain(|row| match new.iter().position(|other| is_same(row, other)) {
        Some(place) => {
            pairs.push((row, new.remove(place)));
            false
        }
        None => true,
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn rows(side: &str, facts: &[(i64, i8, bool)]) -> Vec<AccountRow> {
        let at = ItemRef {
            household: "hh_0000000000000000".parse().unwrap(),
            item: "itm_0000000000000000".parse().unwrap(),
        };
        let row = |(number, (cents, day, is_edited)): (usize, &(i64, i8, bool))| AccountRow {
            at: at.clone(),
            key: format!("{side}{number}").parse().unwrap(),
            amount: Some(Decimal::new(*cents, 2)),
            currency: None,
            date: jiff::civil::date(2026, 1, *day),
            name: format!("shop {cents}"),
            presence: Presence::Posted,
            is_edited: *is_edited,
            is_superseded: false,
        };
        facts.iter().enumerate().map(row).collect()
    }

    fn facts() -> impl Strategy<Value = Vec<(i64, i8, bool)>> {
        prop::collection::vec((0_i64..6, 1_i8..28, any::<bool>()), 0..30)
    }

    proptest! {
        #[test]
        fn equal_histories_are_paired_whole(mut all in facts(), seed in any::<prop::sample::Index>()) {
            let old = rows("o", &all);
            if !all.is_empty() {
                let middle = seed.index(all.len());
                all.rotate_left(middle);
            }
            let new = rows("n", &all);
            let pairs = same_rows(&old, &new);
            prop_assert_eq!(pairs.len(), all.len());
            prop_assert!(pairs.iter().all(|(one, other)| (one.amount, one.date) == (other.amount, other.date)));
            let overlap = Overlap::of(&old, &new);
            prop_assert_eq!(overlap.is_whole(), !all.is_empty());
            prop_assert_eq!(overlap.is_proof(), all.len() >= MIN_EQUAL_PROOF);
        }

        #[test]
        fn no_row_is_in_two_pairs_and_pairs_agree(old in facts(), new in facts()) {
            let (old, new) = (rows("o", &old), rows("n", &new));
            let pairs = same_rows(&old, &new);
            let keys: BTreeSet<_> = pairs.iter().flat_map(|(one, other)| [&one.key, &other.key]).collect();
            prop_assert_eq!(keys.len(), 2 * pairs.len());
            for (one, other) in pairs {
                prop_assert_eq!(one.amount, other.amount);
                prop_assert!(days_apart(one.date, other.date) <= DAYS_APART);
            }
            prop_assert_eq!(Overlap::of(&old, &new), Overlap::of(&new, &old));
        }
    }

    #[test]
    fn few_equal_rows_are_no_proof() {
        let few = rows("o", &[(1, 1, false), (2, 2, false), (3, 3, false), (4, 4, false)]);
        let overlap = Overlap::of(&few, &few);
        assert!(overlap.is_whole() && overlap.is_hint() && !overlap.is_proof());
    }
}
