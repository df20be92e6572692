//! What answers look like.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    item::{History, Item},
    ledger::Transaction,
    people::Account,
};

/// A decimal as a JSON number, digit by digit.
struct Amount(Decimal);

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[derive(Serialize)]
pub(crate) struct WireTransaction {
    transaction_id: String,
    account_id: String,
    amount: Amount,
    iso_currency_code: String,
    unofficial_currency_code: Option<String>,
    date: String,
    authorized_date: Option<String>,
    datetime: Option<String>,
    authorized_datetime: Option<String>,
    name: String,
    merchant_name: Option<String>,
    pending: bool,
    pending_transaction_id: Option<String>,
    account_owner: Option<String>,
    payment_channel: String,
    transaction_code: Option<String>,
    transaction_type: &'static str,
    category: Option<Value>,
    category_id: Option<Value>,
    check_number: Option<String>,
    personal_finance_category: Value,
    personal_finance_category_icon_url: String,
    location: Value,
    payment_meta: Value,
    counterparties: Value,
    logo_url: Option<String>,
    website: Option<String>,
    merchant_entity_id: Option<String>,
}

pub(crate) fn transaction(t: Transaction) -> WireTransaction {
    let (primary, detailed) = t.category;
    let slug = t.merchant_name.as_ref().map(|name| name.to_lowercase().replace([' ', '\''], ""));
    let counterparties = t.merchant_name.as_ref().map_or(json!([]), |name| {
        json!([{
            "name": name,
            "type": "merchant",
            "website": slug.as_ref().map(|slug| format!("{slug}.com")),
            "logo_url": slug.as_ref().map(|slug| format!("https://plaid-merchant-logos.plaid.com/{slug}.png")),
            "entity_id": slug.as_ref().map(|slug| format!("entity{slug}")),
            "confidence_level": "VERY_HIGH",
        }])
    });
    WireTransaction {
        transaction_id: t.id,
        account_id: t.account_id,
        amount: Amount(t.amount),
        iso_currency_code: t.currency,
        unofficial_currency_code: None,
        date: t.date.to_string(),
        authorized_date: t.authorized_date.map(|date| date.to_string()),
        datetime: None,
        authorized_datetime: None,
        name: t.name,
        merchant_name: t.merchant_name,
        pending: t.pending,
        pending_transaction_id: t.pending_transaction_id,
        account_owner: None,
        transaction_type: match t.payment_channel.as_str() {
            "online" => "digital",
            "in store" => "place",
            _ => "unresolved",
        },
        payment_channel: t.payment_channel,
        transaction_code: None,
        category: None,
        category_id: None,
        check_number: None,
        personal_finance_category_icon_url: format!(
            "https://plaid-category-icons.plaid.com/PFC_{primary}.png"
        ),
        personal_finance_category: json!({
            "primary": primary, "detailed": detailed, "confidence_level": "VERY_HIGH", "version": "v2",
        }),
        location: json!({
            "address": null, "city": null, "region": null, "postal_code": null, "country": null, "lat": null,
            "lon": null, "store_number": null,
        }),
        payment_meta: json!({
            "reference_number": t.reference_number, "ppd_id": null, "payee": null, "by_order_of": null, "payer": null,
            "payment_method": null, "payment_processor": null, "reason": null,
        }),
        counterparties,
        logo_url: slug.as_ref().map(|slug| format!("https://plaid-merchant-logos.plaid.com/{slug}.png")),
        website: slug.as_ref().map(|slug| format!("{slug}.com")),
        merchant_entity_id: slug.map(|slug| format!("entity{slug}")),
    }
}

#[derive(Serialize)]
struct WireBalances {
    available: Option<Amount>,
    current: Option<Amount>,
    limit: Option<Amount>,
    iso_currency_code: String,
    unofficial_currency_code: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct WireAccount {
    account_id: String,
    balances: WireBalances,
    mask: Option<String>,
    name: String,
    official_name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    holder_category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistent_account_id: Option<String>,
}

pub(crate) fn account(account: &Account) -> WireAccount {
    let account = account.clone();
    WireAccount {
        account_id: account.account_id,
        balances: WireBalances {
            available: account.available.map(Amount),
            current: account.current.map(Amount),
            limit: account.limit.map(Amount),
            iso_currency_code: account.currency,
            unofficial_currency_code: None,
        },
        mask: account.mask,
        name: account.name,
        official_name: account.official_name,
        kind: account.kind,
        subtype: account.subtype,
        holder_category: "personal",
        persistent_account_id: account.persistent_id,
    }
}

pub(crate) fn item(item: &Item, institution_name: &str) -> Value {
    let error = item.usable().err().map(|error| error.body(""));
    json!({
        "item_id": item.item_id,
        "institution_id": item.institution_id,
        "institution_name": institution_name,
        "webhook": item.webhook,
        "error": error,
        "available_products": ["balance"],
        "billed_products": item.products,
        "products": item.products,
        "consented_products": item.products,
        "consent_expiration_time": item.consent_ends,
        "update_type": "background",
        "auth_method": null,
    })
}

pub(crate) fn status(history: History) -> &'static str {
    match history {
        History::NotReady => "NOT_READY",
        History::Initial => "INITIAL_UPDATE_COMPLETE",
        History::Complete => "HISTORICAL_UPDATE_COMPLETE",
    }
}
