//! One transaction of Plaid's. Never dropped: what cannot be read is kept as it came.

use domain::{
    ids::{PlaidAccountId, TransactionId},
    money::{Currency, parse_amount},
    transaction::{BankCategory, BankFacts, PaymentMeta, parse_date},
};
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wire::Fields;

/// The fields that we read. The whole is parsed into this at once; when that fails, field by field.
#[derive(Deserialize, Default)]
struct Wire<'a> {
    transaction_id: Option<String>,
    account_id: Option<String>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    date: Option<String>,
    pending: Option<bool>,
    pending_transaction_id: Option<String>,
    iso_currency_code: Option<String>,
    unofficial_currency_code: Option<String>,
    authorized_date: Option<String>,
    name: Option<String>,
    merchant_name: Option<String>,
    payment_channel: Option<String>,
    personal_finance_category: Option<Category>,
    payment_meta: Option<PaymentMeta>,
    check_number: Option<String>,
    transaction_code: Option<String>,
    logo_url: Option<String>,
    #[serde(borrow)]
    location: Option<&'a RawValue>,
    #[serde(borrow)]
    counterparties: Option<&'a RawValue>,
    #[serde(borrow)]
    running_balance: Option<&'a RawValue>,
    datetime: Option<String>,
    authorized_datetime: Option<String>,
    original_description: Option<String>,
    account_owner: Option<String>,
    merchant_entity_id: Option<String>,
    merchant_category_code: Option<String>,
    website: Option<String>,
}

#[derive(Deserialize)]
struct Category {
    primary: String,
    detailed: String,
    confidence_level: Option<String>,
    version: Option<String>,
}

/// What is rarely read, as it is packed into the row. Plaid's names, so that it can be shown as it is.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    datetime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_datetime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_entity_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_category_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<std::collections::BTreeMap<&'a str, &'a RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterparties: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_balance: Option<&'a RawValue>,
}

/// Reads a transaction from its JSON text.
pub(crate) fn read_transaction(text: &str) -> BankFacts {
    if let Ok(wire) = serde_json::from_str::<Wire<'_>>(text) {
        return facts(wire, text, false);
    }
    let Some(fields) = Fields::of(text) else { return facts(Wire::default(), text, true) };
    let wire = Wire {
        transaction_id: fields.read("transaction_id"),
        account_id: fields.read("account_id"),
        amount: fields.raw("amount"),
        date: fields.read("date"),
        pending: fields.read("pending"),
        pending_transaction_id: fields.read("pending_transaction_id"),
        iso_currency_code: fields.read("iso_currency_code"),
        unofficial_currency_code: fields.read("unofficial_currency_code"),
        authorized_date: fields.read("authorized_date"),
        name: fields.read("name"),
        merchant_name: fields.read("merchant_name"),
        payment_channel: fields.read("payment_channel"),
        personal_finance_category: fields.read("personal_finance_category"),
        payment_meta: fields.read("payment_meta"),
        check_number: fields.read("check_number"),
        transaction_code: fields.read("transaction_code"),
        logo_url: fields.read("logo_url"),
        location: fields.raw("location"),
        counterparties: fields.raw("counterparties"),
        running_balance: fields.raw("running_balance"),
        datetime: fields.read("datetime"),
        authorized_datetime: fields.read("authorized_datetime"),
        original_description: fields.read("original_description"),
        account_owner: fields.read("account_owner"),
        merchant_entity_id: fields.read("merchant_entity_id"),
        merchant_category_code: fields.read("merchant_category_code"),
        website: fields.read("website"),
    };
    facts(wire, text, true)
}

fn facts(wire: Wire<'_>, text: &str, is_damaged: bool) -> BankFacts {
    let amount = wire.amount.and_then(amount);
    let day = wire.date.as_deref().and_then(parse_date);
    let authorized_date = wire.authorized_date.as_deref().and_then(parse_date);
    let id: Option<TransactionId> = wire.transaction_id.as_deref().and_then(|id| id.parse().ok());
    let account: Option<PlaidAccountId> = wire.account_id.as_deref().and_then(|id| id.parse().ok());
    let is_whole = amount.is_some() && day.is_some() && id.is_some() && account.is_some() && !is_damaged;
    BankFacts {
        id: id.unwrap_or_else(|| TransactionId::stand_in(text)),
        account: account.unwrap_or_else(|| PlaidAccountId::stand_in("")),
        pending_of: wire.pending_transaction_id.and_then(|id| id.parse().ok()),
        pending: wire.pending.unwrap_or_default(),
        amount,
        currency: Currency::from_codes(
            wire.iso_currency_code.as_deref(),
            wire.unofficial_currency_code.as_deref(),
        ),
        date: day.or(authorized_date).unwrap_or(NO_DATE),
        authorized_date,
        name: wire.name.unwrap_or_default(),
        merchant_name: wire.merchant_name,
        payment_channel: wire.payment_channel,
        category: wire.personal_finance_category.map(|category| BankCategory {
            primary: category.primary,
            detailed: category.detailed,
            confidence: category.confidence_level,
            version: category.version,
        }),
        payment_meta: wire.payment_meta.unwrap_or_default(),
        check_number: wire.check_number,
        code: wire.transaction_code,
        logo_url: wire.logo_url,
        detail: pack(&Detail {
            datetime: wire.datetime,
            authorized_datetime: wire.authorized_datetime,
            original_description: wire.original_description,
            account_owner: wire.account_owner,
            merchant_entity_id: wire.merchant_entity_id,
            merchant_category_code: wire.merchant_category_code,
            website: wire.website,
            location: wire.location.and_then(location),
            counterparties: wire.counterparties.filter(|list| list.get() != "[]"),
            running_balance: wire.running_balance,
        }),
        raw: (!is_whole).then(|| text.to_owned()),
    }
}

/// Where a transaction goes whose dates could not be read.
const NO_DATE: Date = date(1970, 1, 1);

fn amount(raw: &RawValue) -> Option<Decimal> {
    parse_amount(raw.get().trim_matches('"'))
}

fn location(raw: &RawValue) -> Option<std::collections::BTreeMap<&str, &RawValue>> {
    let mut fields: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    fields.retain(|_, value| value.get() != "null");
    (!fields.is_empty()).then_some(fields)
}

fn pack(detail: &Detail<'_>) -> Option<String> {
    serde_json::to_string(detail).ok().filter(|json| json != "{}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::read_page;

    const WHOLE: &str = r#"{"transaction_id":"t1","account_id":"a1","amount":-12.340,"date":"2026-03-01",
        "pending":true,"iso_currency_code":"USD","unofficial_currency_code":null,"name":"Coffee",
        "payment_channel":"in space","personal_finance_category":{"primary":"FOOD","detailed":"FOOD_X","new":1},
        "location":{"city":"Rome","lat":41.9,"region":null},"payment_meta":{"payee":"Ann","reason":null,"new":2},
        "counterparties":[],"brand_new":{"deep":[1]}}"#;

    #[test]
    fn a_transaction_with_fields_never_seen_is_read_whole() {
        let facts = read_transaction(WHOLE);
        assert_eq!(facts.amount.map(|a| a.to_string()).as_deref(), Some("-12.34"));
        assert_eq!(facts.payment_channel.as_deref(), Some("in space"));
        assert_eq!(facts.payment_meta.payee.as_deref(), Some("Ann"));
        assert_eq!(facts.detail.as_deref(), Some(r#"{"location":{"city":"Rome","lat":41.9}}"#));
        assert_eq!(facts.raw, None);
    }

    #[test]
    fn a_field_of_another_type_costs_only_itself() {
        let text = WHOLE.replace("\"Coffee\"", "{\"text\":\"Coffee\"}").replace("\"in space\"", "7");
        let facts = read_transaction(&text);
        assert_eq!(facts.id.as_str(), "t1");
        assert_eq!(facts.amount.map(|a| a.to_string()).as_deref(), Some("-12.34"));
        assert_eq!((facts.name.as_str(), facts.payment_channel), ("", None));
        assert_eq!(facts.raw.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn nothing_is_dropped_however_damaged() {
        for text in
            ["{}", "[]", "7", "\"x\"", r#"{"transaction_id":null,"amount":1e400,"date":"2026-02-30"}"#]
        {
            let facts = read_transaction(text);
            assert_eq!(facts.raw.as_deref(), Some(text));
            assert!(facts.id.as_str().starts_with("unreadable-"), "{text}");
        }
    }

    #[test]
    fn a_page_with_an_empty_or_missing_cursor_has_none() {
        for cursor in ["\"\"", "null"] {
            let text = format!(
                r#"{{"added":[],"modified":[],"removed":[],"next_cursor":{cursor},"has_more":false,
                "transactions_update_status":"NOT_READY","accounts":[],"request_id":"r"}}"#
            );
            let page = read_page(&text).unwrap();
            assert_eq!(page.next_cursor, None);
            assert!(page.history.is_coming());
        }
    }
}
