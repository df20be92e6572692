//! Every filter alone, with another, and in every order, against a model that looks at the answers themselves.

use domain::{
    edit::{Change, Edited, FieldValue, Part, Splits, TransactionEdits},
    ids::{ItemRef, TransactionId},
    sync::Edit,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use testkit::World;

use super::{all, call, synced};

fn text<'a>(t: &'a Value, name: &str) -> &'a str {
    t[name].as_str().unwrap_or_default()
}

fn amount(t: &Value) -> Decimal {
    text(t, "amount").parse().unwrap()
}

async fn write(world: &World, at: &ItemRef, t: &Value, change: Change) {
    let id: TransactionId = text(t, "id").parse().unwrap();
    let edited = world.store.edit(at, &id, &change, None).await.unwrap();
    assert!(matches!(edited, Edited::Done { .. }), "{edited:?}");
}

fn part(amount: Decimal, category: Option<&str>) -> Part {
    Part { amount, category: category.map(|id| id.parse().unwrap()), note: None }
}

/// What people write on every few transactions, differently often, so that all meet.
async fn annotate(world: &World, at: &ItemRef, whole: &[Value]) {
    for (n, t) in whole.iter().enumerate() {
        let mut change = Change::default();
        if n % 5 == 0 {
            change.note = Edit::Set(if n % 2 == 0 { "Café with Zoë" } else { "TEA" }.parse().unwrap());
        }
        if n % 3 == 0 {
            change.tags = Edit::Set(["trip".parse().unwrap()].into());
        }
        if n % 7 == 0 {
            change.hidden = Some(true);
        }
        if n % 4 == 0 {
            let value = match n % 3 {
                0 => FieldValue::Text("Zürich".parse().unwrap()),
                1 => FieldValue::Number("12.5".parse().unwrap()),
                _ => FieldValue::Date(jiff::civil::date(2026, 2, 28)),
            };
            change.fields.insert("for:what".parse().unwrap(), Edit::Set(value));
        }
        if n % 6 == 0 {
            change.category = Edit::Set("s_travel_flights".parse().unwrap());
        }
        if n % 10 == 0 {
            let (whole, one) = (amount(t), Decimal::ONE);
            let parts = vec![part(whole - one, None), part(one, Some("s_medical_dental_care"))];
            change.splits = Edit::Set(Splits::new(whole, parts).unwrap());
        }
        if change != Change::default() {
            write(world, at, t, change).await;
        }
    }
}

type Model = Box<dyn Fn(&Value) -> bool>;

/// Parameters, and which transactions they let pass.
fn filters(whole: &[Value]) -> Vec<(String, Model)> {
    let (from, to) = (text(&whole[300], "date").to_owned(), text(&whole[60], "date").to_owned());
    let account = text(&whole[0], "account_id").to_owned();
    let (query_account, of_account) = (account.clone(), move |t: &Value| t["account_id"] == account);
    let says = |t: &Value, words: &[&str]| {
        let texts = ["name", "merchant_name", "note"]
            .map(|name| text(t, name).to_lowercase().replace(['é', 'ë'], "e"));
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    };
    let is_of = |t: &Value, prefix: &str| {
        let whole = text(&t["category"], "id");
        match t["splits"].as_array().map(Vec::as_slice) {
            Some([]) | None => whole.starts_with(prefix),
            Some(parts) => {
                parts.iter().any(|part| part["category_id"].as_str().unwrap_or(whole).starts_with(prefix))
            }
        }
    };
    let field = |t: &Value, value: Value| t["custom_fields"]["for:what"]["value"] == value;
    let ten = Decimal::TEN;
    vec![
        (format!("from={from}"), Box::new(move |t| text(t, "date") >= from.as_str())),
        (format!("to={to}"), Box::new(move |t| text(t, "date") <= to.as_str())),
        ("q=CAFE%20zoe".to_owned(), Box::new(move |t| says(t, &["cafe", "zoe"]))),
        ("q=e".to_owned(), Box::new(move |t| says(t, &["e"]))),
        ("min_amount=10".to_owned(), Box::new(move |t| amount(t).abs() >= ten)),
        ("max_amount=10.00".to_owned(), Box::new(move |t| amount(t).abs() <= ten)),
        ("direction=in".to_owned(), Box::new(|t| amount(t) < Decimal::ZERO)),
        ("direction=out".to_owned(), Box::new(|t| amount(t) > Decimal::ZERO)),
        ("category_id=s_travel".to_owned(), Box::new(move |t| is_of(t, "s_travel"))),
        (
            "category_id=s_medical,s_travel_flights".to_owned(),
            Box::new(move |t| is_of(t, "s_medical") || is_of(t, "s_travel_flights")),
        ),
        ("category_id=none".to_owned(), Box::new(|t| t["category"].is_null())),
        (format!("account_id={query_account}"), Box::new(of_account)),
        ("tag=trip".to_owned(), Box::new(|t| t["tags"] == json!(["trip"]))),
        ("pending=false".to_owned(), Box::new(|t| t["pending"] == false)),
        ("pending=true".to_owned(), Box::new(|t| t["pending"] == true)),
        ("manual=false".to_owned(), Box::new(|t| t["manual"] == false)),
        ("manual=true".to_owned(), Box::new(|t| t["manual"] == true)),
        ("field=for:what".to_owned(), Box::new(|t| t["custom_fields"]["for:what"].is_object())),
        ("field=for:what:ZURICH".to_owned(), Box::new(move |t| field(t, json!("Zürich")))),
        ("field=for:what:12.50".to_owned(), Box::new(move |t| field(t, json!("12.5")))),
        ("field=for:what:2026-02-28".to_owned(), Box::new(move |t| field(t, json!("2026-02-28")))),
        ("field=for".to_owned(), Box::new(|_| false)),
    ]
}

/// In the order that a parameter asks for.
fn sorted(mut found: Vec<Value>, sort: &str) -> Vec<Value> {
    let by_amount = sort.ends_with("amount");
    let key = |t: &Value| {
        let size = if by_amount { amount(t).abs() } else { Decimal::ZERO };
        (size, text(t, "date").to_owned(), text(t, "id").to_owned())
    };
    found.sort_by_key(key);
    if sort.starts_with('-') {
        found.reverse();
    }
    found
}

#[tokio::test]
async fn every_filter_finds_what_it_should_alone_and_with_another_in_every_order() {
    let world = World::new().await;
    let at = synced(&world, 330).await;
    annotate(&world, &at, &all(&world, "limit=500").await).await;
    let whole = all(&world, "limit=500&hidden=any").await;
    assert_eq!(whole.len(), 330);
    let filters = filters(&whole);
    let mut number = 0;
    for (left, (one, is_one)) in filters.iter().enumerate() {
        // Each with itself, and with a few others.
        for (other, is_other) in filters[left..].iter().step_by(2 + left % 4) {
            if one != other && one.split('=').next() == other.split('=').next() {
                continue;
            }
            number += 1;
            let (hidden, shown): (_, fn(&Value) -> bool) = match number % 3 {
                0 => ("", |t| t["hidden"] == false),
                1 => ("&hidden=true", |t| t["hidden"] == true),
                _ => ("&hidden=any", |_| true),
            };
            let sort = ["-date", "date", "-amount", "amount"][number % 4];
            let found = whole.iter().filter(|t| is_one(t) && is_other(t) && shown(t)).cloned().collect();
            let expected = sorted(found, sort);
            let both = if one == other { one.clone() } else { format!("{one}&{other}") };
            let limit = 1 + expected.len() / 2;
            let query = format!("{both}{hidden}&sort={sort}&limit={limit}");
            let found = all(&world, &query).await;
            let ids = |all: &[Value]| all.iter().map(|t| text(t, "id").to_owned()).collect::<Vec<_>>();
            assert_eq!(ids(&found), ids(&expected), "{query}");
        }
    }
    assert!(number > 50, "{number}");
}

#[tokio::test]
async fn totals_are_the_sums_of_all_pages_and_a_category_counts_with_its_parts() {
    let world = World::new().await;
    let at = synced(&world, 120).await;
    annotate(&world, &at, &all(&world, "limit=500").await).await;
    for query in ["", "&direction=in", "&q=cafe", "&sort=amount&hidden=any", "&min_amount=10&sort=date"] {
        let found = all(&world, &format!("limit=500{query}")).await;
        let (_, page) = call(&world, "alice", &format!("limit=7&totals=true{query}")).await;
        let sum = |is: fn(&Decimal) -> bool| {
            found.iter().map(amount).filter(is).map(|amount| amount.abs()).sum::<Decimal>().normalize()
        };
        let (incoming, outgoing) = (sum(Decimal::is_sign_negative), sum(Decimal::is_sign_positive));
        let [totals] = page["totals"].as_array().unwrap().as_slice() else { panic!("{query}: one currency") };
        let of = |name: &str| totals[name].as_str().unwrap().parse::<Decimal>().unwrap();
        assert_eq!((&totals["currency"], &totals["count"]), (&json!("USD"), &json!(found.len())), "{query}");
        assert_eq!((of("in"), of("out")), (incoming, outgoing), "{query}");
        assert_eq!(of("net"), of("income") - of("expense"), "{query}");
        assert_eq!(of("net") + of("transfers_in") - of("transfers_out"), incoming - outgoing, "{query}");
        assert_eq!(
            page["transactions"].as_array().unwrap().as_slice(),
            &found[..7.min(found.len())],
            "{query}"
        );
    }
    // A part of one each, on every tenth.
    let (_, page) = call(&world, "alice", "category_id=s_medical_dental_care&totals=true&hidden=any").await;
    let parts = page["transactions"].as_array().unwrap().iter().filter(|t| t["splits"] != json!([]));
    assert_eq!((parts.count(), &page["totals"][0]["out"]), (12, &json!("12.00")));
    assert_eq!(call(&world, "alice", "limit=1").await.1["totals"], Value::Null);
}
