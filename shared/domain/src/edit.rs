//! What people write on a transaction: the half of its row that no sync ever touches.

mod found;
mod manual;
mod moving;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use async_trait::async_trait;
use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

pub use found::{Found, OneTransaction, Whole, one_transaction};
pub use manual::{Deleted, Entered, Facts, FactsChange, ManualTransactions, NewTransaction};
pub use moving::{EditMoves, Moved};

use crate::{
    ids::{AccountId, CategoryId, FieldName, IdError, ItemRef, Tag, TransactionId},
    store::StoreError,
    sync::Edit,
    text,
};

/// Words on a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

const LONGEST_NOTE: usize = 2_000;

impl FromStr for Note {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let must = "a note of 1 to 2,000 characters that can be seen";
        text::words(text, LONGEST_NOTE).map(Self).ok_or(IdError::new(must))
    }
}

impl Note {
    /// The note as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Note {
    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text::words_schema(LONGEST_NOTE)
    }
}

/// The value of a field of the household's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Text.
    Text(Note),
    /// An exact number.
    Number(Decimal),
    /// A day.
    Date(Date),
    /// Yes or no.
    Flag(bool),
}

/// A part of a transaction, with a category of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// How much of it. Never zero.
    pub amount: Decimal,
    /// What it was for; none for what the transaction is for.
    pub category: Option<CategoryId>,
    /// Words on it.
    pub note: Option<Note>,
}

/// A transaction in parts, which add up to it exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    of: Decimal,
    parts: Vec<Part>,
}

/// A transaction in one part is whole.
pub const FEWEST_PARTS: usize = 2;
/// A transaction has so many parts at most.
pub const MOST_PARTS: usize = 20;

/// Why parts do not make a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SplitError {
    /// Too few or too many.
    #[error("must have 2 to 20 parts")]
    Number,
    /// One is nothing.
    #[error("has a part of zero")]
    Zero,
    /// They are more or less than the whole.
    #[error("must add up to the transaction's amount exactly")]
    Sum,
}

impl Splits {
    /// The parts of an amount.
    ///
    /// # Errors
    /// If they are not that.
    pub fn new(of: Decimal, parts: Vec<Part>) -> Result<Self, SplitError> {
        if !(FEWEST_PARTS..=MOST_PARTS).contains(&parts.len()) {
            return Err(SplitError::Number);
        }
        if parts.iter().any(|part| part.amount.is_zero()) {
            return Err(SplitError::Zero);
        }
        // A sum that has to be rounded, or that does not fit, is not the whole.
        let sum = parts.iter().try_fold(Decimal::ZERO, |sum, part| exact_sum(sum, part.amount));
        if sum == Some(of) { Ok(Self { of, parts }) } else { Err(SplitError::Sum) }
    }

    /// The amount that they add up to.
    pub fn of(&self) -> Decimal {
        self.of
    }

    /// The parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What they leave over of the transaction, now that it is about `amount`: the bank may have changed it since. It counts
    /// as what the transaction is for.
    pub fn rest(&self, amount: Decimal) -> Decimal {
        amount.checked_sub(self.of).unwrap_or_default()
    }

    /// Whether the bank has changed the amount since.
    pub fn is_stale(&self, amount: Option<Decimal>) -> bool {
        amount != Some(self.of)
    }
}

fn exact_sum(left: Decimal, right: Decimal) -> Option<Decimal> {
    let sum = left.checked_add(right)?;
    (sum.checked_sub(left)? == right && sum.checked_sub(right)? == left).then_some(sum)
}

/// A person's half.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserHalf {
    /// Counts its changes; 0 as long as nobody has written anything.
    pub rev: u64,
    /// The category, in place of the bank's.
    pub category: Option<CategoryId>,
    /// The note.
    pub note: Option<Note>,
    /// The tags.
    pub tags: BTreeSet<Tag>,
    /// The fields.
    pub fields: BTreeMap<FieldName, FieldValue>,
    /// Whether it is left out of lists and sums: what people do with one that they would delete.
    pub hidden: bool,
    /// Its parts.
    pub splits: Option<Splits>,
}

/// What a person changes. Writing the same twice is writing it once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// The category.
    pub category: Edit<CategoryId>,
    /// The note.
    pub note: Edit<Note>,
    /// All tags.
    pub tags: Edit<BTreeSet<Tag>>,
    /// Single fields; the others stay.
    pub fields: BTreeMap<FieldName, Edit<FieldValue>>,
    /// Whether it is left out.
    pub hidden: Option<bool>,
    /// Its parts.
    pub splits: Edit<Splits>,
}

impl Change {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl UserHalf {
    /// Whether nothing stands there, however often it was changed.
    pub fn is_empty(&self) -> bool {
        *self == Self { rev: self.rev, ..Self::default() }
    }

    /// The half after a change.
    #[must_use]
    pub fn with(mut self, change: &Change) -> Self {
        change.category.apply(&mut self.category);
        change.note.apply(&mut self.note);
        let mut tags = Some(std::mem::take(&mut self.tags));
        change.tags.apply(&mut tags);
        self.tags = tags.unwrap_or_default();
        for (name, edit) in &change.fields {
            let mut value = self.fields.remove(name);
            edit.apply(&mut value);
            self.fields.extend(value.map(|value| (name.clone(), value)));
        }
        self.hidden = change.hidden.unwrap_or(self.hidden);
        change.splits.apply(&mut self.splits);
        self.rev += 1;
        self
    }
}

/// What fits on one transaction besides its note: the row has to hold the bank's half too.
pub const MOST_TAGS: usize = 20;
/// So many fields of the household's own fit on one transaction.
pub const MOST_FIELDS: usize = 20;

impl UserHalf {
    /// The categories on it and on its parts.
    pub fn categories(&self) -> impl Iterator<Item = &CategoryId> {
        let parts = self.splits.iter().flat_map(Splits::parts);
        self.category.iter().chain(parts.filter_map(|part| part.category.as_ref()))
    }

    /// Whether it fits on a transaction.
    pub fn fits(&self) -> bool {
        self.tags.len() <= MOST_TAGS && self.fields.len() <= MOST_FIELDS
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Edited {
    /// It is written.
    Done {
        /// The id under which the transaction is kept.
        key: TransactionId,
        /// The half as it is now.
        half: UserHalf,
        /// All of the transaction; none if it went right after.
        whole: Option<Box<Whole>>,
    },
    /// There is no such transaction, or it is no more.
    NotFound,
    /// It would have more than 20 tags or 20 fields.
    TooMuch,
    /// Somebody has written since: this is what stands there now.
    Stale(UserHalf),
}

/// Writes what people write.
#[async_trait]
pub trait TransactionEdits: Send + Sync {
    /// Changes the person's half of a transaction, by any id it has had; only if it has `if_rev`, where that is given.
    /// Neither waits for a sync nor disturbs one. Sending the same again after a lost answer is safe.
    async fn edit(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        change: &Change,
        if_rev: Option<u64>,
    ) -> Result<Edited, StoreError>;
}

/// A person's half whose transaction is no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// The id under which the transaction was kept.
    pub key: TransactionId,
    /// What was written on it.
    pub half: UserHalf,
    /// The account.
    pub account: Option<AccountId>,
    /// The amount.
    pub amount: Option<Decimal>,
    /// ISO code, or Plaid's for what ISO does not name.
    pub currency: Option<String>,
    /// The date.
    pub date: Option<Date>,
    /// The bank's text.
    pub name: Option<String>,
}

/// Some of an item's orphans.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SomeOrphans {
    /// In the order of their ids.
    pub orphans: Vec<Orphan>,
    /// Where to go on, if there may be more.
    pub next: Option<TransactionId>,
}

/// Lists what has lost its transaction.
#[async_trait]
pub trait Orphans: Send + Sync {
    /// People's halves whose transactions are no more, for 90 days after those went: of a megabyte of the item, from its
    /// beginning or after an id.
    async fn some_orphans(
        &self,
        at: &ItemRef,
        after: Option<&TransactionId>,
    ) -> Result<SomeOrphans, StoreError>;

    /// All of the item's.
    async fn orphans(&self, at: &ItemRef) -> Result<Vec<Orphan>, StoreError> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let some = self.some_orphans(at, next.as_ref()).await?;
            all.extend(some.orphans);
            next = some.next;
            if next.is_none() {
                return Ok(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_what_it_does_not_speak_of() {
        let field = |name: &str| name.parse::<FieldName>().unwrap();
        let first = Change {
            note: Edit::Set("tea".parse().unwrap()),
            fields: [(field("for"), Edit::Set(FieldValue::Flag(true)))].into(),
            ..Change::default()
        };
        let second = Change {
            tags: Edit::Set(["x".parse().unwrap()].into()),
            fields: [(field("for"), Edit::Clear), (field("of"), Edit::Set(FieldValue::Number(Decimal::ONE)))]
                .into(),
            ..Change::default()
        };
        let half = UserHalf::default().with(&first).with(&second);
        assert_eq!((half.rev, half.note.as_ref().map(Note::as_str)), (2, Some("tea")));
        assert_eq!(half.tags.len(), 1);
        assert_eq!(half.fields.keys().map(FieldName::as_str).collect::<Vec<_>>(), ["of"]);
    }

    fn parts(cents: &[i64]) -> Vec<Part> {
        cents
            .iter()
            .map(|cents| Part { amount: Decimal::new(*cents, 2), category: None, note: None })
            .collect()
    }

    #[test]
    fn parts_add_up_exactly() {
        let whole = Decimal::new(10_00, 2);
        let splits = Splits::new(whole, parts(&[3_33, 3_33, 3_34])).unwrap();
        assert!(!splits.is_stale(Some(whole)) && splits.rest(whole).is_zero());
        // A refund within a purchase.
        assert!(Splits::new(whole, parts(&[12_00, -2_00])).is_ok());
        let changed = Decimal::new(12_50, 2);
        assert!(splits.is_stale(Some(changed)) && splits.is_stale(None));
        assert_eq!(splits.rest(changed), Decimal::new(2_50, 2));
        for (cents, error) in [
            (&[10_00][..], SplitError::Number),
            (&[1; 21], SplitError::Number),
            (&[10_00, 0], SplitError::Zero),
            (&[3_33, 3_33, 3_33], SplitError::Sum),
            (&[-3_33, -6_67], SplitError::Sum),
        ] {
            assert_eq!(Splits::new(whole, parts(cents)), Err(error), "{cents:?}");
        }
        let mut huge = parts(&[1, 1]);
        for part in &mut huge {
            part.amount = Decimal::MAX;
        }
        assert_eq!(Splits::new(whole, huge), Err(SplitError::Sum));
        // 28 digits would be rounded away.
        let mut lost = parts(&[1, 1]);
        lost[0].amount = Decimal::MAX;
        lost[1].amount = Decimal::new(1, 28);
        assert_eq!(Splits::new(Decimal::MAX, lost), Err(SplitError::Sum));
    }

    #[test]
    fn a_note_has_a_bound() {
        assert!("x".repeat(2_000).parse::<Note>().is_ok());
        assert!("x".repeat(2_001).parse::<Note>().is_err() && "".parse::<Note>().is_err());
    }
}
