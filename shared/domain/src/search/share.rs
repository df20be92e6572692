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
}

impl Share<'_> {
    /// What it counts as. Without a category, its sign tells.
    pub fn kind(&self) -> Kind {
        let is_spent = self.amount.is_some_and(Sum::is_positive);
        let by_sign = if is_spent { Kind::Expense } else { Kind::Income };
        self.category.map_or(by_sign, |category| category.kind)
    }
}

/// The parts of a transaction, which add up to it: what they leave over, since the bank changed the amount, counts as what
/// the transaction is for.
pub(super) fn shares<'a>(listed: &Listed, tree: &'a Tree) -> Vec<Share<'a>> {
    let half = &listed.half;
    let whole =
        tree.effective(half.category.as_ref(), listed.category.as_ref()).map(|effective| effective.category);
    let amount = listed.amount.map(Sum::from);
    let Some(splits) = &half.splits else { return vec![Share { category: whole, amount }] };
    let mut shares: Vec<_> = splits
        .parts()
        .iter()
        .map(|part| Share {
            category: part.category.as_ref().and_then(|id| tree.resolve(id)).or(whole),
            amount: amount.map(|_| part.amount.into()),
        })
        .collect();
    let rest = amount.map(|amount| amount - splits.of().into()).filter(|rest| !rest.is_zero());
    shares.extend(rest.map(|rest| Share { category: whole, amount: Some(rest) }));
    shares
}

/// What parts come to. `None` if none of them has an amount.
pub(super) fn together<'a>(shares: impl IntoIterator<Item = &'a Share<'a>>) -> Option<Sum> {
    shares.into_iter().filter_map(|share| share.amount).reduce(|sum, amount| sum + amount)
}
