//! One transaction of Plaid's. Never dropped: what cannot be read is kept as it came.

use domain::{
    ids::{PlaidAccountId, TransactionId},
    money::{Currency, parse_amount},
    transaction::{BankCategory, BankFacts, PaymentMeta, parse_date},
};
use jiff::civil::Date;
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
    primary: Option<String>,
    detailed: Option<String>,
    confidence_level: Option<String>,
    version: Option<String>,
}

impl Category {
    /// With its more general code, or with the other one in its place.
    fn read(self) -> Option<BankCategory> {
        let code = |text: Option<String>| text.filter(|code| !code.is_empty()).map(bounded);
        let (primary, detailed) = (code(self.primary), code(self.detailed));
        Some(BankCategory {
            primary: primary.or_else(|| detailed.clone())?,
            detailed,
            confidence: self.confidence_level.map(bounded),
            version: self.version.map(bounded),
        })
    }
}

/// What is rarely read, as it is packed into the row. Plaid's names, so that it can be shown as it is.
#[derive(Serialize, Default)]
struct Detail<'a> {
    /// Where the date is from, if not from `date`. Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    date_source: Option<&'static str>,
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

/// Reads a transaction from its JSON text; `None` if it names neither itself nor its account.
pub(crate) fn read_transaction(text: &str) -> Option<BankFacts> {
    if let Ok(wire) = serde_json::from_str::<Wire<'_>>(text) {
        return facts(wire, text, false);
    }
    let fields = Fields::of(text)?;
    let wire = Wire {
        transaction_id: fields.id("transaction_id"),
        account_id: fields.id("account_id"),
        amount: fields.raw("amount"),
        date: fields.read("date"),
        pending: fields.read("pending"),
        pending_transaction_id: fields.id("pending_transaction_id"),
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

fn facts(wire: Wire<'_>, text: &str, is_damaged: bool) -> Option<BankFacts> {
    let amount = wire.amount.and_then(amount);
    let authorized_date = wire.authorized_date.as_deref().and_then(day);
    let dated = dated(&wire);
    let is_named = |id: &&str| !id.is_empty();
    let (id, account) = (wire.transaction_id.as_deref(), wire.account_id.as_deref());
    let (id, account) = (id.filter(is_named), account.filter(is_named));
    if id.is_none() && account.is_none() {
        return None;
    }
    let has_ids = id.is_some_and(|id| id.parse::<TransactionId>().is_ok())
        && account.is_some_and(|account| account.parse::<PlaidAccountId>().is_ok());
    let has_date = wire.date.as_deref().and_then(parse_date).is_some();
    let is_whole = amount.is_some() && has_date && has_ids && !is_damaged;
    let pending_of = wire.pending_transaction_id.as_deref().filter(is_named);
    Some(BankFacts {
        id: id.map_or_else(|| TransactionId::stand_in(text), TransactionId::of_text),
        account: account.map_or_else(|| PlaidAccountId::stand_in(""), PlaidAccountId::of_text),
        pending_of: pending_of.map(TransactionId::of_text),
        pending: wire.pending.unwrap_or_default(),
        amount,
        currency: Currency::from_codes(
            wire.iso_currency_code.map(bounded).as_deref(),
            wire.unofficial_currency_code.map(bounded).as_deref(),
        ),
        date: dated.map_or(Date::ZERO, |(day, _)| day),
        is_undated: dated.is_none(),
        authorized_date,
        name: bounded(wire.name.unwrap_or_default()),
        merchant_name: wire.merchant_name.map(bounded),
        payment_channel: wire.payment_channel.map(bounded),
        category: wire.personal_finance_category.and_then(Category::read),
        payment_meta: payment_meta(wire.payment_meta.unwrap_or_default()),
        check_number: wire.check_number.map(bounded),
        code: wire.transaction_code.map(bounded),
        logo_url: wire.logo_url.filter(|url| url.len() <= MAX_TEXT_BYTES),
        detail: pack(Detail {
            date_source: dated.map_or(Some("first_seen"), |(_, source)| source),
            datetime: wire.datetime,
            authorized_datetime: wire.authorized_datetime,
            original_description: wire.original_description.map(bounded),
            account_owner: wire.account_owner.map(bounded),
            merchant_entity_id: wire.merchant_entity_id.map(bounded),
            merchant_category_code: wire.merchant_category_code.map(bounded),
            website: wire.website.map(bounded),
            location: wire.location.and_then(location),
            counterparties: wire.counterparties.filter(|list| list.get() != "[]"),
            running_balance: wire.running_balance,
        }),
        raw: (!is_whole).then(|| beginning(text)),
    })
}

/// The beginning of what could not be read whole.
pub(crate) fn beginning(text: &str) -> String {
    cut(text.to_owned(), MAX_RAW_BYTES)
}

/// Plaid promises no length. These are far above what banks send, and keep any page of rows writable.
const MAX_TEXT_BYTES: usize = 1_000;
const MAX_DETAIL_BYTES: usize = 8_000;
const MAX_RAW_BYTES: usize = 8_000;

/// The beginning of a text that is too long.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

fn bounded(text: String) -> String {
    cut(text, MAX_TEXT_BYTES)
}

fn payment_meta(meta: PaymentMeta) -> PaymentMeta {
    let bounded = |text: Option<String>| text.map(bounded);
    PaymentMeta {
        reference_number: bounded(meta.reference_number),
        ppd_id: bounded(meta.ppd_id),
        payee: bounded(meta.payee),
        by_order_of: bounded(meta.by_order_of),
        payer: bounded(meta.payer),
        payment_method: bounded(meta.payment_method),
        payment_processor: bounded(meta.payment_processor),
        reason: bounded(meta.reason),
    }
}

/// The day of a transaction, and the field it is from where that is not `date`.
fn dated(wire: &Wire<'_>) -> Option<(Date, Option<&'static str>)> {
    let fields = [
        (&wire.date, None),
        (&wire.datetime, Some("datetime")),
        (&wire.authorized_date, Some("authorized_date")),
        (&wire.authorized_datetime, Some("authorized_datetime")),
    ];
    fields.into_iter().find_map(|(text, source)| Some((day(text.as_deref()?)?, source)))
}

/// The calendar day that a date, or a date with a time, names; also without leading zeros.
fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    let (date, _) = text.split_once(['T', 't', ' ']).unwrap_or((text, ""));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    parse_date(&format!("{year}-{month:0>2}-{day:0>2}"))
}

fn amount(raw: &RawValue) -> Option<Decimal> {
    parse_amount(raw.get().trim_matches('"'))
}

fn location(raw: &RawValue) -> Option<std::collections::BTreeMap<&str, &RawValue>> {
    let mut fields: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    fields.retain(|_, value| value.get() != "null");
    (!fields.is_empty()).then_some(fields)
}

/// The detail as one JSON object, without its bulky parts if it is too long.
fn pack(mut detail: Detail<'_>) -> Option<String> {
    let mut bulky: [fn(&mut Detail<'_>); 3] = [
        |detail| detail.counterparties = None,
        |detail| detail.location = None,
        |detail| *detail = Detail { date_source: detail.date_source, ..Detail::default() },
    ];
    let mut json = serde_json::to_string(&detail).ok()?;
    for drop_part in &mut bulky {
        if json.len() <= MAX_DETAIL_BYTES {
            break;
        }
        drop_part(&mut detail);
        json = serde_json::to_string(&detail).ok()?;
    }
    (json != "{}").then_some(json)
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
        let facts = read_transaction(WHOLE).unwrap();
        assert_eq!(facts.amount.map(|a| a.to_string()).as_deref(), Some("-12.34"));
        assert_eq!(facts.payment_channel.as_deref(), Some("in space"));
        assert_eq!(facts.payment_meta.payee.as_deref(), Some("Ann"));
        assert_eq!(facts.detail.as_deref(), Some(r#"{"location":{"city":"Rome","lat":41.9}}"#));
        assert_eq!(facts.raw, None);
    }

    #[test]
    fn a_field_of_another_type_costs_only_itself() {
        let text = WHOLE.replace("\"Coffee\"", "{\"text\":\"Coffee\"}").replace("\"in space\"", "7");
        let facts = read_transaction(&text).unwrap();
        assert_eq!(facts.id.as_str(), "t1");
        assert_eq!(facts.amount.map(|a| a.to_string()).as_deref(), Some("-12.34"));
        assert_eq!((facts.name.as_str(), facts.payment_channel), ("", None));
        assert_eq!(facts.raw.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn what_names_itself_or_its_account_is_kept_however_damaged() {
        for text in [
            r#"{"account_id":"a1","amount":1e400,"date":"2026-02-30"}"#,
            r#"{"transaction_id":"a\nb","account_id":"a1"}"#,
            r#"{"transaction_id":7}"#,
        ] {
            let facts = read_transaction(text).unwrap();
            assert_eq!(facts.raw.as_deref(), Some(text));
            assert!(facts.id.as_str() == "7" || facts.id.as_str().starts_with("unreadable-"), "{text}");
        }
        for text in ["{}", "[]", "7", "\"x\"", "null", r#"{"transaction_id":"","name":"Tea"}"#] {
            assert_eq!(read_transaction(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_that_we_cannot_take_is_the_same_wherever_it_stands() {
        let long = "x".repeat(513);
        for id in [long.as_str(), "a\nb"] {
            let text = |name: &str| {
                serde_json::json!({"transaction_id": id, "account_id": "a1", "name": name}).to_string()
            };
            let (added, modified) =
                (read_transaction(&text("Tea")).unwrap(), read_transaction(&text("Bread")).unwrap());
            let removed = serde_json::value::RawValue::from_string(text("")).unwrap();
            assert_eq!(
                (&added.id, crate::wire::removed_id(&removed)),
                (&modified.id, Some(added.id.clone()))
            );
        }
    }

    fn dated_by(fields: &str) -> (String, bool, Option<String>) {
        let text = format!(r#"{{"transaction_id":"t1","account_id":"a1","amount":1,{fields}}}"#);
        let facts = read_transaction(&text).unwrap();
        let detail: serde_json::Value =
            serde_json::from_str(facts.detail.as_deref().unwrap_or("{}")).unwrap();
        (facts.date.to_string(), facts.is_undated, detail["date_source"].as_str().map(str::to_owned))
    }

    #[test]
    fn an_unreadable_date_is_taken_from_another_field_and_marked() {
        let cases = [
            (r#""date":"2026-08-03""#, "2026-08-03", None),
            (r#""date":"2026-08-03T23:59:59Z""#, "2026-08-03", None),
            (r#""date":"2026-8-3""#, "2026-08-03", None),
            (r#""datetime":"2026-08-03T01:00:00-07:00""#, "2026-08-03", Some("datetime")),
            (r#""date":null,"authorized_date":"2026-08-01""#, "2026-08-01", Some("authorized_date")),
            (r#""date":"soon","datetime":"2026-08-03 10:00""#, "2026-08-03", Some("datetime")),
            (r#""authorized_datetime":"2026-08-02T10:00:00Z""#, "2026-08-02", Some("authorized_datetime")),
        ];
        for (fields, expected, source) in cases {
            let expected = (expected.to_owned(), false, source.map(str::to_owned));
            assert_eq!(dated_by(fields), expected, "{fields}");
        }
        for fields in [r#""name":"x""#, r#""date":"2026-13-01""#, r#""date":17"#, r#""date":"""#] {
            let (_, is_undated, source) = dated_by(fields);
            assert!(is_undated && source.as_deref() == Some("first_seen"), "{fields}");
        }
    }

    #[test]
    fn a_category_without_its_detail_keeps_its_primary() {
        for detailed in ["", r#","detailed":null"#, r#","detailed":"""#] {
            let category = format!(r#"{{"primary":"TRANSPORTATION"{detailed}}}"#);
            let text = WHOLE.replace(r#"{"primary":"FOOD","detailed":"FOOD_X","new":1}"#, &category);
            let category = read_transaction(&text).unwrap().category.unwrap();
            assert_eq!((category.primary.as_str(), category.detailed), ("TRANSPORTATION", None));
        }
        let text = WHOLE.replace(r#""primary":"FOOD","#, "");
        assert_eq!(read_transaction(&text).unwrap().category.unwrap().primary, "FOOD_X");
    }

    #[test]
    fn bulky_detail_is_cut_and_the_rest_is_kept() {
        let many = (0..9_000).map(|n| format!(r#"{{"name":"party {n}","type":"merchant"}}"#));
        let many = many.collect::<Vec<_>>().join(",");
        let text = WHOLE.replace(r#""counterparties":[]"#, &format!(r#""counterparties":[{many}]"#));
        let facts = read_transaction(&text).unwrap();
        assert_eq!(facts.detail.as_deref(), Some(r#"{"location":{"city":"Rome","lat":41.9}}"#));
        assert_eq!((facts.name.as_str(), facts.raw), ("Coffee", None));
        let long = WHOLE.replace("Coffee", &"é".repeat(5_000)).replace("\"amount\":-12.340", "\"amount\":[]");
        let facts = read_transaction(&long).unwrap();
        assert_eq!(facts.name.len(), MAX_TEXT_BYTES);
        assert!(facts.raw.unwrap().len() <= MAX_RAW_BYTES);
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
