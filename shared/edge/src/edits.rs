//! What people write on transactions, as bodies have it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    category::Tree,
    edit::{
        Change, FEWEST_PARTS, FactsChange, FieldValue, MOST_FIELDS, MOST_PARTS, MOST_TAGS, Note, Part,
        Splits, UserHalf, Whole,
    },
    household::AccessError,
    ids::{AccountId, CategoryId, FieldName, Tag},
    sync::Edit,
};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Problem,
    body::{ByName, CurrencyCode, Day, DecimalText, Line, Words, edit, some, without_default},
    problem::FieldError,
};

/// The longest name of a transaction that a person enters.
pub const LONGEST_NAME: usize = 200;
/// The longest text in a field of the household's own: twenty of them and the note stand on one row.
const LONGEST_TEXT: usize = 500;
/// The longest words on a part: likewise.
const LONGEST_PART_NOTE: usize = 200;

/// Fields of the household's own; null takes one away.
pub type Fields = ByName<FieldName, Option<FieldBody>, MOST_FIELDS>;

/// The value of a field of the household's own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "lowercase", deny_unknown_fields)]
pub enum FieldBody {
    /// Text.
    Text(Words<LONGEST_TEXT>),
    /// An exact decimal.
    Number(DecimalText),
    /// A day.
    Date(Day),
    /// Yes or no.
    Boolean(bool),
}

/// A part of a transaction.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartBody {
    /// Not zero; the parts add up to the transaction's amount.
    amount: DecimalText,
    /// What it was for; none for what the transaction is for.
    category_id: Option<CategoryId>,
    /// Words on it.
    note: Option<Words<LONGEST_PART_NOTE>>,
}

/// What a person changes of a transaction. What is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionPatch {
    /// The category in place of the bank's; null for the bank's again.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<CategoryId>")]
    category_id: Edit<CategoryId>,
    /// Words; null for none.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<Note>")]
    note: Edit<Note>,
    /// All tags; null for none.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<Vec<Tag>>", length(max = MOST_TAGS))]
    tags: Edit<Vec<Tag>>,
    /// Fields of the household's own; those that are not named stay, null takes one away.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Fields")]
    custom_fields: Option<Fields>,
    /// Whether it is left out of lists and sums that do not ask for it.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    hidden: Option<bool>,
    /// Its parts, which add up to its amount exactly; null for none.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<Vec<PartBody>>", length(min = FEWEST_PARTS, max = MOST_PARTS))]
    splits: Edit<Vec<PartBody>>,
    /// When it happened: only of one that a person has entered, as all that follows.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Day")]
    date: Option<Day>,
    /// The amount; positive leaves the account.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "DecimalText")]
    amount: Option<DecimalText>,
    /// Its currency.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "CurrencyCode")]
    currency: Option<CurrencyCode>,
    /// What for, in a few words.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "Line<LONGEST_NAME>")]
    name: Option<Line<LONGEST_NAME>>,
    /// With whom; null for nobody.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<Line<LONGEST_NAME>>")]
    merchant_name: Edit<Line<LONGEST_NAME>>,
    /// Whether it has yet to happen.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool", transform = without_default)]
    pending: Option<bool>,
    /// Never changes: it is read so that whoever sends it is told so.
    #[serde(default, deserialize_with = "some")]
    #[schemars(skip)]
    account_id: Option<AccountId>,
}

impl TransactionPatch {
    /// The change that this makes of a transaction, in a household with these categories.
    ///
    /// # Errors
    /// All fields that are wrong, or that are the bank's to say.
    pub fn read(self, whole: &Whole, tree: &Tree) -> Result<(Change, FactsChange), Problem> {
        let listed = &whole.listed;
        self.is_allowed(listed.is_manual)?;
        let amount = self.amount.map(|amount| amount.0).or(listed.amount);
        let change = Written {
            category: self.category_id,
            note: self.note,
            tags: self.tags,
            fields: self.custom_fields.unwrap_or_default(),
            hidden: self.hidden,
            splits: self.splits,
        };
        let currency = self.currency.map(|code| code.0);
        let facts = FactsChange {
            date: self.date.map(|day| day.0),
            amount: self.amount.map(|amount| amount.0),
            // What it is already may be a code that ISO does not name.
            currency: currency.filter(|currency| Some(currency.code()) != listed.currency.as_deref()),
            name: self.name.map(|line| line.0),
            merchant_name: self.merchant_name.map(|line| line.0),
            pending: self.pending,
        };
        Ok((change.read(amount, tree, &listed.half)?, facts))
    }

    fn is_allowed(&self, is_manual: bool) -> Result<(), Problem> {
        let facts = [
            ("date", self.date.is_some()),
            ("amount", self.amount.is_some()),
            ("currency", self.currency.is_some()),
            ("name", self.name.is_some()),
            ("merchant_name", self.merchant_name != Edit::Keep),
            ("pending", self.pending.is_some()),
            ("account_id", self.account_id.is_some()),
        ];
        let sent = facts.into_iter().filter(|(_, is_sent)| *is_sent).map(|(name, _)| name);
        let sent: Vec<_> = sent.filter(|name| !is_manual || *name == "account_id").collect();
        let fault = |message: &str, name: &&str| FieldError {
            field: (*name).to_owned(),
            message: message.to_owned(),
        };
        match (sent.as_slice(), is_manual) {
            ([], _) => Ok(()),
            (_, true) => {
                let words = "cannot be changed: delete the transaction, and enter it with the other account";
                Err(Problem::fields("invalid_field", sent.iter().map(|name| fault(words, name)).collect()))
            }
            (_, false) => {
                let words = "is the bank's to say: a note, a category or splits are yours";
                Err(Problem::of_bank(sent.iter().map(|name| fault(words, name)).collect()))
            }
        }
    }
}

/// What is written on a transaction, before it is known whether it may be.
pub struct Written {
    /// The category.
    pub category: Edit<CategoryId>,
    /// Words.
    pub note: Edit<Note>,
    /// All tags.
    pub tags: Edit<Vec<Tag>>,
    /// Single fields.
    pub fields: Fields,
    /// Whether it is left out.
    pub hidden: Option<bool>,
    /// Its parts.
    pub splits: Edit<Vec<PartBody>>,
}

impl Written {
    /// The change of a transaction about `amount` that has this half, in a household with these categories.
    ///
    /// # Errors
    /// All fields that are wrong.
    pub fn read(self, amount: Option<Decimal>, tree: &Tree, half: &UserHalf) -> Result<Change, Problem> {
        let choice = Choice { tree, there: half.categories().collect() };
        let mut faults = Vec::new();
        let mut fault =
            |field: &str, message: String| faults.push(FieldError { field: field.to_owned(), message });
        let category = self.category.map(|id| match choice.of(&id) {
            Ok(id) => id,
            Err(words) => {
                fault("category_id", words.to_owned());
                id
            }
        });
        if matches!(&self.tags, Edit::Set(tags) if tags.len() > MOST_TAGS) {
            fault("tags", format!("must be at most {MOST_TAGS}"));
        }
        let splits = match self.splits {
            Edit::Keep => Edit::Keep,
            Edit::Clear => Edit::Clear,
            Edit::Set(parts) => splits(parts, amount, &choice, &mut fault).map_or(Edit::Keep, Edit::Set),
        };
        if !faults.is_empty() {
            return Err(Problem::fields("invalid_field", faults));
        }
        Ok(Change {
            category,
            note: self.note,
            tags: self.tags.map(|tags| tags.into_iter().collect()),
            fields: fields(self.fields),
            hidden: self.hidden,
            splits,
        })
    }
}

/// The parts of an amount; none if they are not that, which has been told by then.
fn splits(
    parts: Vec<PartBody>,
    amount: Option<Decimal>,
    choice: &Choice<'_>,
    fault: &mut impl FnMut(&str, String),
) -> Option<Splits> {
    let Some(amount) = amount else {
        fault("splits", "must wait until the bank says what the amount is".to_owned());
        return None;
    };
    let mut read = Vec::with_capacity(parts.len().min(MOST_PARTS));
    for (place, part) in parts.into_iter().enumerate() {
        let category = part.category_id.map(|id| {
            choice.of(&id).map_err(|words| {
                fault(&format!("splits[{place}].category_id"), words.to_owned());
            })
        });
        let category = category.transpose().ok().flatten();
        read.push(Part { amount: part.amount.0, category, note: part.note.map(|words| words.0) });
    }
    Splits::new(amount, read).map_err(|error| fault("splits", error.to_string())).ok()
}

/// The categories that may be chosen for a transaction: those that are active, and those that stand on it already.
struct Choice<'a> {
    tree: &'a Tree,
    there: BTreeSet<&'a CategoryId>,
}

impl Choice<'_> {
    /// The category that an id means, if it may be chosen.
    fn of(&self, id: &CategoryId) -> Result<CategoryId, &'static str> {
        let category = self.tree.resolve(id).ok_or("is no category of this household")?;
        let is_there = || self.there.iter().any(|there| self.tree.resolve(there) == Some(category));
        if category.is_active || is_there() {
            Ok(category.id.clone())
        } else {
            Err("is a category that is not active any more")
        }
    }
}

fn fields(fields: Fields) -> BTreeMap<FieldName, Edit<FieldValue>> {
    let value = |body: FieldBody| match body {
        FieldBody::Text(words) => FieldValue::Text(words.0),
        FieldBody::Number(number) => FieldValue::Number(number.0),
        FieldBody::Date(day) => FieldValue::Date(day.0),
        FieldBody::Boolean(flag) => FieldValue::Flag(flag),
    };
    let edit = |body: Option<FieldBody>| body.map_or(Edit::Clear, |body| Edit::Set(value(body)));
    fields.0.into_iter().map(|(name, body)| (name, edit(body))).collect()
}

impl Problem {
    /// 422: these fields of a linked transaction or account are the bank's.
    pub fn of_bank(errors: Vec<FieldError>) -> Self {
        let told: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        Self { errors, ..Self::new(422, "bank_field", told.join("; ")) }
    }

    /// 404: there is no such transaction, or none any more.
    pub fn no_transaction() -> Self {
        Self::not_found("transaction_not_found", "transaction")
    }

    /// What somebody is told who asks for a transaction that is not theirs, or who may not.
    pub fn no_transaction_access(error: AccessError) -> Self {
        Self::no_access(error, "transaction_not_found", "transaction")
    }

    /// 409: the account takes no new transactions.
    pub fn account_closed() -> Self {
        let words =
            "The account takes no new transactions: it was closed, or is being removed. Open it again.";
        Self::new(409, "account_closed", words)
    }

    /// 400: the transaction would have more fields of the household's own than fit on one.
    pub fn too_many_fields() -> Self {
        Self::field("custom_fields", format!("must be at most {MOST_FIELDS} on one transaction"))
    }
}
