//! What people write on a transaction: the half of its row that no sync ever touches.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use async_trait::async_trait;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::{
    ids::{AccountId, CategoryId, FieldName, IdError, ItemRef, Tag, TransactionId},
    store::StoreError,
    sync::Edit,
};

/// Words on a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

const LONGEST_NOTE: usize = 2_000;

impl FromStr for Note {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > LONGEST_NOTE {
            return Err(IdError::new("a note of 1 to 2,000 bytes"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Note {
    /// The note as text.
    pub fn as_str(&self) -> &str {
        &self.0
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
}

impl UserHalf {
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
        self.rev += 1;
        self
    }
}

/// What fits on one transaction besides its note: the row has to hold the bank's half too.
const MOST_TAGS: usize = 20;
const MOST_FIELDS: usize = 20;

impl UserHalf {
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
    /// The date.
    pub date: Option<Date>,
    /// The bank's text.
    pub name: Option<String>,
}

/// Lists what has lost its transaction.
#[async_trait]
pub trait Orphans: Send + Sync {
    /// Every person's half of the item whose transaction is no more, for 90 days after it went.
    async fn orphans(&self, at: &ItemRef) -> Result<Vec<Orphan>, StoreError>;
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

    #[test]
    fn a_note_has_a_bound() {
        assert!("x".repeat(2_000).parse::<Note>().is_ok());
        assert!("x".repeat(2_001).parse::<Note>().is_err() && "".parse::<Note>().is_err());
    }
}
