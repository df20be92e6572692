//! What to look for.

use std::{collections::BTreeSet, str::FromStr};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    Listed,
    share::{Share, shares},
    words::{Words, are_same},
};
use crate::{
    category::{Kind, Tree},
    edit::{FieldValue, Note, Splits},
    ids::{AccountId, CategoryId, IdError, Tag},
    money::parse_amount,
    text::folded,
    transaction::parse_date,
};

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the account.
    In,
    /// Out of it.
    Out,
}

/// What of the hidden is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hidden {
    /// Nothing.
    #[default]
    LeftOut,
    /// Nothing else.
    Only,
    /// It counts as the others.
    Any,
}

/// What of the accounts is looked at, by whether they count in budgets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Budget {
    /// All.
    #[default]
    Any,
    /// Those that count.
    In,
    /// Those that do not.
    Out,
}

/// What is looked for. All that is said has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In name, merchant or note.
    pub words: Option<Words>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// The least amount, whichever way it went.
    pub least: Option<Decimal>,
    /// The largest amount, whichever way it went.
    pub most: Option<Decimal>,
    /// Which way.
    pub direction: Option<Direction>,
    /// One of these with all that is below it, none for what has none. A transaction in parts is found by any of them.
    pub categories: BTreeSet<Option<CategoryId>>,
    /// What it counts as. A transaction in parts is found by any of them.
    pub kind: Option<Kind>,
    /// One of these.
    pub accounts: BTreeSet<AccountId>,
    /// On accounts that count in budgets, or that do not.
    pub budget: Budget,
    /// With this tag.
    pub tag: Option<Tag>,
    /// Whether it may still change or vanish.
    pub pending: Option<bool>,
    /// Whether a person has entered it.
    pub manual: Option<bool>,
    /// What of the hidden.
    pub hidden: Hidden,
    /// With this field of the household's own.
    pub field: Option<FieldChoice>,
}

/// A field of the household's own: `name` for whatever has it, `name:value` for what has this value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChoice {
    /// A name, folded.
    name: String,
    /// Names, folded, each with a value: one for each colon.
    values: Vec<(String, String)>,
}

const LONGEST_FIELD: usize = 200;
/// A name has no more of them.
const MAX_COLONS: usize = 50;

impl FromStr for FieldChoice {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let is_long = text.chars().count() > LONGEST_FIELD;
        if folded(text).is_empty() || is_long || text.chars().any(char::is_control) {
            return Err(IdError::new("a field's name, or name:value, of 1 to 200 characters"));
        }
        let colons = text.match_indices(':').map(|(place, _)| place).take(MAX_COLONS);
        let parts = colons.filter_map(|place| Some((text.get(..place)?, text.get(place + 1..)?)));
        let values = parts.map(|(name, value)| (folded(name), value.to_owned())).collect();
        Ok(Self { name: folded(text), values })
    }
}

impl FieldChoice {
    /// A name may have a colon in it: what has this one is known only from the field.
    fn holds(&self, name: &str, value: &FieldValue) -> bool {
        let name = folded(name);
        self.name == name || self.values.iter().any(|(own, wanted)| *own == name && is_value(wanted, value))
    }
}

fn is_value(wanted: &str, value: &FieldValue) -> bool {
    match value {
        FieldValue::Text(text) => are_same(wanted, text.as_str()),
        FieldValue::Number(number) => parse_amount(wanted) == Some(*number),
        FieldValue::Date(date) => parse_date(wanted) == Some(*date),
        FieldValue::Flag(flag) => wanted.parse() == Ok(*flag),
    }
}

impl Filter {
    /// Whether it lets nearly everything pass that is in its days.
    pub fn is_open(&self) -> bool {
        let bare = Self { from: self.from, to: self.to, ..Self::default() };
        let any = Self { hidden: Hidden::Any, ..bare.clone() };
        *self == bare || *self == any
    }
}

/// A filter, with one household's categories.
pub struct Matcher<'a> {
    filter: &'a Filter,
    tree: &'a Tree,
    /// The chosen ones with all that is below them.
    categories: BTreeSet<CategoryId>,
    /// The accounts that do not count in budgets.
    left_out: BTreeSet<AccountId>,
}

impl<'a> Matcher<'a> {
    /// The filter as it is in a household.
    pub fn new(filter: &'a Filter, tree: &'a Tree) -> Self {
        let chosen = filter.categories.iter().flatten();
        let categories = chosen.flat_map(|id| tree.with_children(id)).collect();
        Self { filter, tree, categories, left_out: BTreeSet::new() }
    }

    /// The filter in a household with these accounts that do not count in budgets.
    #[must_use]
    pub fn with_left_out(self, left_out: BTreeSet<AccountId>) -> Self {
        Self { left_out, ..self }
    }

    /// The household's categories.
    pub fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// The transaction with the account that merged accounts are visible as.
    #[must_use]
    pub fn with_visible_account(&self, listed: Listed) -> Listed {
        let account = self.tree.merges().visible_id(&listed.account).clone();
        Listed { account, ..listed }
    }

    /// Whether a category is among the chosen ones: all are, if none was chosen.
    pub fn includes(&self, category: Option<&CategoryId>) -> bool {
        if self.filter.categories.is_empty() {
            return true;
        }
        match category {
            Some(id) => self.categories.contains(id),
            None => self.filter.categories.contains(&None),
        }
    }

    /// Those parts of a transaction that are of a chosen category and kind.
    pub fn shares(&self, listed: &Listed) -> Vec<Share<'a>> {
        let mut shares = shares(listed, self.tree);
        shares.retain(|share| {
            self.includes(share.category.map(|category| &category.id))
                && self.filter.kind.is_none_or(|kind| share.kind() == Some(kind))
        });
        shares
    }

    /// Whether a transaction is what is looked for.
    pub fn matches(&self, listed: &Listed) -> bool {
        let Filter { words, from, to, tag, pending, manual, field, accounts, .. } = self.filter;
        let is_of_any_part = self.filter.categories.is_empty() && self.filter.kind.is_none();
        let half = &listed.half;
        let is = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        from.is_none_or(|from| listed.date >= from)
            && to.is_none_or(|to| listed.date <= to)
            && is(*pending, listed.pending)
            && is(*manual, listed.is_manual)
            && self.is_shown(half.hidden)
            && (accounts.is_empty() || accounts.contains(&listed.account))
            && self.is_in_budget(&listed.account)
            && tag.as_ref().is_none_or(|tag| half.tags.contains(tag))
            && self.has_amount(listed.amount)
            && field
                .as_ref()
                .is_none_or(|field| half.fields.iter().any(|(name, value)| field.holds(name.as_str(), value)))
            && words.as_ref().is_none_or(|words| words.are_in(texts(listed)))
            && (is_of_any_part || !self.shares(listed).is_empty())
    }

    fn is_in_budget(&self, account: &AccountId) -> bool {
        match self.filter.budget {
            Budget::Any => true,
            Budget::In => !self.left_out.contains(account),
            Budget::Out => self.left_out.contains(account),
        }
    }

    fn is_shown(&self, is_hidden: bool) -> bool {
        match self.filter.hidden {
            Hidden::LeftOut => !is_hidden,
            Hidden::Only => is_hidden,
            Hidden::Any => true,
        }
    }

    /// What has no amount that could be read is of none.
    fn has_amount(&self, amount: Option<Decimal>) -> bool {
        let Filter { least, most, direction, .. } = self.filter;
        if least.is_none() && most.is_none() && direction.is_none() {
            return true;
        }
        let Some(amount) = amount else { return false };
        let goes = match direction {
            None => true,
            Some(Direction::In) => amount < Decimal::ZERO,
            Some(Direction::Out) => amount > Decimal::ZERO,
        };
        goes && least.is_none_or(|least| amount.abs() >= least)
            && most.is_none_or(|most| amount.abs() <= most)
    }
}

fn texts(listed: &Listed) -> impl Iterator<Item = &str> {
    let note = listed.half.note.as_ref().map(Note::as_str);
    let parts = listed.half.splits.iter().flat_map(Splits::parts);
    let of_parts = parts.filter_map(|part| part.note.as_ref()).map(Note::as_str);
    [Some(listed.name.as_str()), listed.merchant_name.as_deref(), note].into_iter().flatten().chain(of_parts)
}
