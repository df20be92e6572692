//! What has lost its transaction, as answers show it.

use std::collections::BTreeMap;

use domain::{
    category::Tree,
    edit::{Orphan, Splits},
    ids::{AccountId, CategoryId, FieldName, HouseholdId, ItemId, ItemRef, Tag, TransactionId},
    money::amount_text,
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    openapi::{Amount, Currency},
    transaction::{FieldView, PartView, field, part_view, words},
};

/// What was written on a transaction that is no more, and what is still known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OrphanedEdit {
    /// The id of the transaction.
    pub id: TransactionId,
    /// The household.
    pub household_id: HouseholdId,
    /// The connection that it belonged to.
    pub item_id: ItemId,
    /// The account.
    pub account_id: Option<AccountId>,
    /// A decimal; positive has left the account.
    #[schemars(with = "Option<Amount>")]
    pub amount: Option<String>,
    /// ISO code, or Plaid's for what ISO does not name.
    #[schemars(with = "Option<Currency>")]
    pub currency: Option<String>,
    /// When it happened or posted.
    pub date: Option<Date>,
    /// The bank's text.
    pub name: Option<String>,
    /// The category that a person has chosen.
    pub category_id: Option<CategoryId>,
    /// Whether it was hidden.
    pub hidden: bool,
    /// A person's words.
    pub note: Option<String>,
    /// What people found it by.
    pub tags: Vec<Tag>,
    /// Fields of the household's own.
    pub custom_fields: BTreeMap<FieldName, FieldView>,
    /// Its parts, if it had any.
    pub splits: Vec<PartView>,
    /// Counts what people have changed.
    pub revision: u64,
}

impl OrphanedEdit {
    /// The view of what was written, by its household's categories.
    pub fn new(at: ItemRef, orphan: Orphan, tree: &Tree) -> Self {
        let half = orphan.half;
        let currency = orphan.currency.as_deref();
        let parts = half.splits.as_ref().map(Splits::parts).unwrap_or_default();
        Self {
            id: orphan.key,
            household_id: at.household,
            item_id: at.item,
            account_id: orphan.account,
            amount: orphan.amount.map(|amount| amount_text(amount, currency)),
            date: orphan.date,
            name: orphan.name,
            category_id: half
                .category
                .as_ref()
                .and_then(|id| tree.resolve(id))
                .map(|category| category.id.clone()),
            hidden: half.hidden,
            note: half.note.as_ref().map(words),
            tags: half.tags.into_iter().collect(),
            custom_fields: half.fields.into_iter().map(|(name, value)| (name, field(value))).collect(),
            splits: parts.iter().map(|part| part_view(part, currency, tree)).collect(),
            revision: half.rev,
            currency: orphan.currency,
        }
    }
}
