//! Counts and sums, by currency.

use std::collections::BTreeMap;

use super::{Listed, Share, Sum, share::together};
use crate::category::Kind;

/// What transactions of one currency come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// How many transactions. One without an amount that could be read is counted, and adds nothing.
    pub count: u64,
    /// What came in, transfers too; never negative.
    pub incoming: Sum,
    /// What went out, transfers too; never negative.
    pub outgoing: Sum,
    /// What was earned. What of it was given back lessens it.
    pub income: Sum,
    /// What was spent. A refund lessens it.
    pub expense: Sum,
    /// What came from other accounts of one's own, or as a loan; never negative.
    pub transfers_in: Sum,
    /// What went to other accounts of one's own, or paid a loan; never negative.
    pub transfers_out: Sum,
}

impl Amounts {
    /// What was earned less what was spent. Transfers are neither.
    pub fn net(&self) -> Sum {
        self.income - self.expense
    }

    /// What moved, whichever way.
    pub fn turnover(&self) -> Sum {
        self.incoming + self.outgoing
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.incoming += other.incoming;
        self.outgoing += other.outgoing;
        self.income += other.income;
        self.expense += other.expense;
        self.transfers_in += other.transfers_in;
        self.transfers_out += other.transfers_out;
    }

    /// Adds the parts of one transaction.
    fn add(&mut self, shares: &[Share<'_>]) {
        self.count += 1;
        let amount = together(shares).unwrap_or_default();
        *(if amount.is_positive() { &mut self.outgoing } else { &mut self.incoming }) += amount.abs();
        for share in shares {
            let amount = share.amount.unwrap_or_default();
            match share.kind() {
                Some(Kind::Income) => self.income += -amount,
                Some(Kind::Expense) => self.expense += amount,
                Some(Kind::Transfer) if amount.is_positive() => self.transfers_out += amount,
                Some(Kind::Transfer) => self.transfers_in += -amount,
                None => {}
            }
        }
    }
}

/// What transactions come to, by the code of their currency; none is a currency of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Option<String>, Amounts>);

impl Totals {
    /// By currency.
    pub fn by_currency(&self) -> impl Iterator<Item = (Option<&str>, &Amounts)> {
        self.0.iter().map(|(currency, amounts)| (currency.as_deref(), amounts))
    }

    /// The largest turnover of a currency.
    pub fn turnover(&self) -> Sum {
        self.0.values().map(Amounts::turnover).max().unwrap_or_default()
    }

    /// Counts parts of one transaction: what they come to together is what came in or went out.
    pub fn add(&mut self, listed: &Listed, shares: &[Share<'_>]) {
        let currency = listed.currency.as_deref().map(str::to_owned);
        self.0.entry(currency).or_default().add(shares);
    }

    /// Adds what others come to.
    pub fn join(&mut self, other: &Self) {
        for (currency, amounts) in &other.0 {
            self.0.entry(currency.clone()).or_default().join(amounts);
        }
    }
}
