//! The shapes of Plaid's answers, as far as we read them. Unknown fields are ignored, known ones may be missing.

use std::borrow::Cow;

use domain::{
    account::{AccountKind, Balances, BankAccount},
    bank::BankItem,
    ids::{PlaidAccountId, TransactionId},
    money::{Currency, parse_amount},
};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::errors;

#[derive(Deserialize)]
pub(crate) struct SyncPage<'a> {
    #[serde(borrow)]
    pub(crate) added: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) modified: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) removed: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) accounts: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) next_cursor: Option<Cow<'a, str>>,
    pub(crate) has_more: Option<bool>,
    #[serde(borrow)]
    pub(crate) transactions_update_status: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) request_id: Option<&'a RawValue>,
}

/// The id of a removed transaction; without one it belongs to nothing that is stored.
pub(crate) fn removed_id(raw: &RawValue) -> Option<TransactionId> {
    Fields::of(raw.get())?.id("transaction_id").map(|id| TransactionId::of_text(&id))
}

/// A text, if it is one.
pub(crate) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[derive(Deserialize)]
pub(crate) struct Accounts<'a> {
    #[serde(borrow)]
    pub(crate) accounts: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) item: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct ItemAnswer<'a> {
    #[serde(borrow)]
    pub(crate) item: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) status: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct RangePage<'a> {
    #[serde(borrow)]
    pub(crate) transactions: Vec<&'a RawValue>,
    pub(crate) total_transactions: u32,
}

#[derive(Deserialize)]
pub(crate) struct Institution {
    pub(crate) institution_id: String,
    pub(crate) name: String,
}

/// The fields of one JSON object, each read by itself: one that is not as expected does not spoil the others.
pub(crate) struct Fields<'a> {
    fields: std::collections::HashMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// `None` if the text is no object.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Object<'a>(#[serde(borrow)] std::collections::HashMap<Cow<'a, str>, &'a RawValue>);
        let Object(fields) = serde_json::from_str(text).ok()?;
        Some(Self { fields })
    }

    pub(crate) fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let raw = *self.fields.get(name)?;
        serde_json::from_str::<Option<T>>(raw.get()).ok().flatten()
    }

    /// An id as text: what is no text stands for itself.
    pub(crate) fn id(&self, name: &str) -> Option<String> {
        let raw = self.raw(name)?;
        let text = self.read::<String>(name).unwrap_or_else(|| raw.get().to_owned());
        (!text.is_empty()).then_some(text)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    pub(crate) fn amount(&self, name: &str) -> Option<Decimal> {
        parse_amount(self.raw(name)?.get().trim_matches('"'))
    }

    pub(crate) fn object(&self, name: &str) -> Option<Fields<'a>> {
        Fields::of(self.fields.get(name)?.get())
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied().filter(|raw| raw.get() != "null")
    }
}

/// An account; `None` without an id, since nothing can refer to it.
pub(crate) fn read_account(text: &str) -> Option<BankAccount> {
    let fields = Fields::of(text)?;
    let id = PlaidAccountId::of_text(&fields.id("account_id")?);
    let balances = fields.object("balances");
    let amount = |name| balances.as_ref().and_then(|fields| fields.amount(name));
    let on_account =
        Balances { current: amount("current"), available: amount("available"), limit: amount("limit") };
    let code = |name| balances.as_ref().and_then(|fields| fields.read::<String>(name));
    let (iso, unofficial) = (code("iso_currency_code"), code("unofficial_currency_code"));
    Some(BankAccount {
        id,
        persistent_id: fields.read("persistent_account_id"),
        name: fields.read::<String>("name").unwrap_or_else(|| "Account".to_owned()),
        official_name: fields.read("official_name"),
        mask: fields.read("mask"),
        kind: AccountKind::from(fields.read::<String>("type").unwrap_or_default().as_str()),
        subtype: fields.read("subtype"),
        balances: on_account,
        currency: Currency::from_codes(iso.as_deref(), unofficial.as_deref()),
    })
}

/// An item; what cannot be read is left out.
pub(crate) fn read_item(text: &str) -> BankItem {
    let Some(fields) = Fields::of(text) else { return BankItem::default() };
    BankItem {
        institution: fields.read::<String>("institution_id").and_then(|id| id.parse().ok()),
        institution_name: fields.read("institution_name"),
        error: fields.raw("error").and_then(|error| errors::of_item(error.get())),
        webhook: fields.has("webhook").then(|| fields.read("webhook")),
        consent_expires: fields.read("consent_expiration_time"),
        last_successful_update: None,
    }
}

/// The last contact with the bank, from `/item/get`'s `status`.
pub(crate) fn last_update(text: &str) -> Option<jiff::Timestamp> {
    Fields::of(text)?.object("transactions")?.read("last_successful_update")
}
