//! Counts and sums, by currency.

use std::collections::BTreeMap;

use super::{Listed, Share, Sum, share::together};

/// What transactions of one currency come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// How many transactions. One without an amount that could be read is counted, and adds nothing.
    pub count: u64,
    /// What came in; never negative.
    pub incoming: Sum,
    /// What went out; never negative.
    pub outgoing: Sum,
}

impl Amounts {
    /// What came in less what went out.
    pub fn net(&self) -> Sum {
        self.incoming - self.outgoing
    }

    /// What moved, whichever way.
    pub fn turnover(&self) -> Sum {
        self.incoming + self.outgoing
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.incoming += other.incoming;
        self.outgoing += other.outgoing;
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
        self.count(listed.currency.as_deref(), together(shares));
    }

    pub(super) fn count(&mut self, currency: Option<&str>, amount: Option<Sum>) {
        let amounts = self.0.entry(currency.map(str::to_owned)).or_default();
        amounts.count += 1;
        let amount = amount.unwrap_or_default();
        if amount.is_positive() {
            amounts.outgoing += amount;
        } else {
            amounts.incoming += -amount;
        }
    }

    /// Adds what others come to.
    pub fn join(&mut self, other: &Self) {
        for (currency, amounts) in &other.0 {
            self.0.entry(currency.clone()).or_default().join(amounts);
        }
    }
}
