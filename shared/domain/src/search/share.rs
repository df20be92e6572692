//! What a transaction counts as: its parts, each under its category.

use super::{Listed, Sum};
use crate::category::{Category, Kind, Tree};

/// A part of a transaction, or all of one that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<'a> {
    /// What it counts as.
    pub category: Option<&'a Category>,
    /// How much. `None` if the transaction's amount could not be read.
    pub amount: Option<Sum>,
    /// What it counts as without a category.
    by_sign: Option<Kind>,
}

impl Share<'_> {
    /// What it counts as. Without a category, the sign of the transaction tells; nothing does of one without an amount.
    pub fn kind(&self) -> Option<Kind> {
        self.category.map(|category| category.kind).or(self.by_sign)
    }
}

/// What money counts as that went this way.
fn kind_by_sign(amount: Sum) -> Option<Kind> {
    match amount {
        amount if amount.is_zero() => None,
        amount if amount.is_positive() => Some(Kind::Expense),
        _ => Some(Kind::Income),
    }
}

/// The parts of a transaction, which add up to it: what they leave over, since the bank changed the amount, counts as what
/// the transaction is for.
pub(super) fn shares<'a>(listed: &Listed, tree: &'a Tree) -> Vec<Share<'a>> {
    let half = &listed.half;
    let whole =
        tree.effective(half.category.as_ref(), listed.category.as_ref()).map(|effective| effective.category);
    let amount = listed.amount.map(Sum::from);
    let of_whole = amount.and_then(kind_by_sign);
    let share = |category, amount: Option<Sum>| {
        // Parts of nothing go their own ways.
        let by_sign = of_whole.or_else(|| amount.and_then(kind_by_sign));
        Share { category, amount, by_sign }
    };
    let Some(splits) = &half.splits else { return vec![share(whole, amount)] };
    let mut shares: Vec<_> = splits
        .parts()
        .iter()
        .map(|part| {
            let category = part.category.as_ref().and_then(|id| tree.resolve(id)).or(whole);
            share(category, amount.map(|_| part.amount.into()))
        })
        .collect();
    let rest = amount.map(|amount| amount - splits.of().into()).filter(|rest| !rest.is_zero());
    shares.extend(rest.map(|rest| share(whole, Some(rest))));
    shares
}

/// What parts come to. `None` if none of them has an amount.
pub(super) fn together<'a>(shares: impl IntoIterator<Item = &'a Share<'a>>) -> Option<Sum> {
    shares.into_iter().filter_map(|share| share.amount).reduce(|sum, amount| sum + amount)
}
