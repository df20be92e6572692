//! A transaction as answers show it: one shape, whichever endpoint answers.

use std::collections::BTreeMap;

use domain::{
    category::{Kind, Source, Tree},
    edit::{FieldValue, Note, Part, Splits, Whole},
    ids::{AccountId, CategoryId, FieldName, HouseholdId, ItemId, Tag, TransactionId},
    money::amount_text,
    search::Listed,
    transaction::PaymentMeta,
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    Problem,
    openapi::{Amount, Currency},
};

/// A transaction. All fields are there, set or not, so that a client need not ask which are.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself: they are no states of one thing")]
pub struct TransactionView {
    /// The id under which it was first seen. It never changes.
    pub id: TransactionId,
    /// The account.
    pub account_id: AccountId,
    /// The connection that the account belongs to.
    pub item_id: ItemId,
    /// The household.
    pub household_id: HouseholdId,
    /// When it happened (pending) or posted.
    pub date: Date,
    /// When it was authorized.
    pub authorized_date: Option<Date>,
    /// A decimal; positive leaves the account.
    #[schemars(with = "Option<Amount>")]
    pub amount: Option<String>,
    /// ISO code, or Plaid's for what ISO does not name.
    #[schemars(with = "Option<Currency>")]
    pub currency: Option<String>,
    /// The bank's text, or the person's who entered it.
    pub name: String,
    /// The merchant.
    pub merchant_name: Option<String>,
    /// Whether it may still change or vanish.
    pub pending: bool,
    /// `online`, `in store`, `other`.
    pub payment_channel: Option<String>,
    /// How it was paid.
    pub payment_meta: PaymentMetaView,
    /// What it was for.
    pub category: Option<EffectiveCategoryView>,
    /// The number of the cheque.
    pub check_number: Option<String>,
    /// The bank's kind of transaction.
    pub transaction_code: Option<String>,
    /// A picture of the merchant.
    pub logo_url: Option<String>,
    /// Whether a person has entered it: no bank knows of it.
    pub manual: bool,
    /// Whether it is left out of lists and sums that do not ask for it.
    pub hidden: bool,
    /// A person's words.
    pub note: Option<String>,
    /// What people find it by.
    pub tags: Vec<Tag>,
    /// Fields of the household's own.
    pub custom_fields: BTreeMap<FieldName, FieldView>,
    /// Its parts, if it has any.
    pub splits: Vec<PartView>,
    /// Whether the bank has changed the amount since it was split; the difference counts under `category`.
    pub splits_stale: bool,
    /// Whether what people wrote was written on a pending transaction that the bank did not link to this one: same
    /// account, amount and name, and authorized at the same time. An edit confirms it, `move-edits` takes it back.
    pub edits_guessed: bool,
    /// Counts what people have changed; its entity tag.
    pub revision: u64,
}

/// How it was paid.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PaymentMetaView {
    /// The bank's reference.
    pub reference_number: Option<String>,
    /// The ACH PPD id.
    pub ppd_id: Option<String>,
    /// Who is paid.
    pub payee: Option<String>,
    /// Who ordered it.
    pub by_order_of: Option<String>,
    /// Who pays.
    pub payer: Option<String>,
    /// Such as `ACH`.
    pub payment_method: Option<String>,
    /// The processor.
    pub payment_processor: Option<String>,
    /// The payer's words.
    pub reason: Option<String>,
}

/// The category that counts, who has said so, and what the bank says beside it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EffectiveCategoryView {
    /// The category.
    pub id: CategoryId,
    /// Its name.
    pub name: String,
    /// Income, expense or transfer.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Who has chosen it.
    pub source: Source,
    /// Plaid's primary code, such as `FOOD_AND_DRINK`.
    pub primary: Option<String>,
    /// Plaid's detailed code, such as `FOOD_AND_DRINK_COFFEE`.
    pub detailed: Option<String>,
    /// How sure Plaid is.
    pub confidence_level: Option<String>,
}

/// The value of a field of the household's own.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
pub enum FieldView {
    /// Text.
    Text(String),
    /// An exact decimal.
    Number(String),
    /// A day.
    Date(Date),
    /// Yes or no.
    Boolean(bool),
}

/// A part of a transaction.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartView {
    /// A decimal; the parts add up to the transaction's amount.
    #[schemars(with = "Amount")]
    pub amount: String,
    /// What it was for; none for what the transaction is for.
    pub category_id: Option<CategoryId>,
    /// Words on it.
    pub note: Option<String>,
}

/// A transaction with what is rarely read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WholeView {
    /// What lists show.
    #[serde(flatten)]
    pub transaction: TransactionView,
    /// What else the bank says, in Plaid's words: `location`, `counterparties`, `website`, `datetime`, ….
    #[schemars(with = "Option<Map<String, Value>>")]
    pub detail: Option<Box<RawValue>>,
}

impl WholeView {
    /// The view of a transaction, by its household's categories.
    ///
    /// # Errors
    /// If the stored detail is no JSON, which is ours to mend.
    pub fn new(whole: Whole, tree: &Tree) -> Result<Self, Problem> {
        let detail = whole.detail.map(RawValue::from_string).transpose().map_err(|error| {
            Problem::new(500, "internal_error", "Something is wrong on our side.").because(error)
        })?;
        Ok(Self { transaction: TransactionView::new(whole.listed, tree), detail })
    }
}

impl TransactionView {
    /// The view of a transaction, by its household's categories.
    pub fn new(listed: Listed, tree: &Tree) -> Self {
        let account_id = tree.merges().visible_id(&listed.account).clone();
        let half = listed.half;
        let category = effective(tree, half.category.as_ref(), listed.category);
        let splits_stale = half.splits.as_ref().is_some_and(|splits| splits.is_stale(listed.amount));
        let currency = listed.currency.as_deref();
        let edits_guessed = listed.is_guessed && !half.is_empty();
        let parts = half.splits.as_ref().map(Splits::parts).unwrap_or_default();
        Self {
            id: listed.id,
            account_id,
            item_id: listed.item,
            household_id: listed.household,
            date: listed.date,
            authorized_date: listed.authorized_date,
            amount: listed.amount.map(|amount| amount_text(amount, currency)),
            name: listed.name,
            merchant_name: listed.merchant_name,
            pending: listed.pending,
            payment_channel: listed.payment_channel,
            payment_meta: payment_meta(listed.payment_meta),
            category,
            check_number: listed.check_number,
            transaction_code: listed.code,
            logo_url: listed.logo_url,
            manual: listed.is_manual,
            hidden: half.hidden,
            note: half.note.as_ref().map(words),
            tags: half.tags.into_iter().collect(),
            custom_fields: half.fields.into_iter().map(|(name, value)| (name, field(value))).collect(),
            splits: parts.iter().map(|part| part_view(part, currency, tree)).collect(),
            splits_stale,
            edits_guessed,
            revision: half.rev,
            currency: listed.currency,
        }
    }
}

fn effective(
    tree: &Tree,
    persons: Option<&CategoryId>,
    bank: Option<domain::transaction::BankCategory>,
) -> Option<EffectiveCategoryView> {
    let effective = tree.effective(persons, bank.as_ref())?;
    let (primary, detailed, confidence_level) = match bank {
        Some(bank) => (Some(bank.primary), bank.detailed, bank.confidence),
        None => (None, None, None),
    };
    Some(EffectiveCategoryView {
        id: effective.category.id.clone(),
        name: effective.category.name.to_string(),
        kind: effective.category.kind,
        source: effective.source,
        primary,
        detailed,
        confidence_level,
    })
}

pub(crate) fn words(note: &Note) -> String {
    note.as_str().to_owned()
}

pub(crate) fn field(value: FieldValue) -> FieldView {
    match value {
        FieldValue::Text(note) => FieldView::Text(words(&note)),
        FieldValue::Number(number) => FieldView::Number(number.to_string()),
        FieldValue::Date(date) => FieldView::Date(date),
        FieldValue::Flag(flag) => FieldView::Boolean(flag),
    }
}

/// A part under a category that was merged into another shows that one.
pub(crate) fn part_view(part: &Part, currency: Option<&str>, tree: &Tree) -> PartView {
    let category = part.category.as_ref().and_then(|category| tree.resolve(category));
    PartView {
        amount: amount_text(part.amount, currency),
        category_id: category.map(|category| category.id.clone()),
        note: part.note.as_ref().map(words),
    }
}

fn payment_meta(meta: PaymentMeta) -> PaymentMetaView {
    PaymentMetaView {
        reference_number: meta.reference_number,
        ppd_id: meta.ppd_id,
        payee: meta.payee,
        by_order_of: meta.by_order_of,
        payer: meta.payer,
        payment_method: meta.payment_method,
        payment_processor: meta.payment_processor,
        reason: meta.reason,
    }
}
