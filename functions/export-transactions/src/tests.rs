//! What a caller of the export gets.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    edit::{Change, FieldValue, TransactionEdits},
    ids::{ItemRef, TransactionId},
    search::{Search, TransactionSearch},
    store::Connections,
    sync::{Cause, Edit},
};
use edge::{http::Reply, system::System};
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Bounds, Deps, PATH, handle, part};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        search: world.store.clone(),
        records: world.store.clone(),
        clock: Arc::new(System),
    }
}

async fn answer(world: &World, query: &str, bounds: &Bounds) -> Reply {
    acting!(part(&deps(world), request("alice", &[], query, &Value::Null), bounds)).await.unwrap()
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
}

/// The query of the next part.
fn next(reply: &Reply) -> Option<String> {
    let link = header(reply, "link")?;
    let target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    Some(target.strip_prefix(PATH).unwrap().strip_prefix('?').unwrap().to_owned())
}

/// All parts of a question.
async fn parts(world: &World, query: &str, bounds: &Bounds) -> Vec<Reply> {
    let mut all = vec![answer(world, query, bounds).await];
    while let Some(query) = next(all.last().unwrap()) {
        all.push(answer(world, &query, bounds).await);
    }
    all
}

type Line = BTreeMap<String, String>;

fn read(text: &str) -> Vec<Line> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|line| line.unwrap()).collect()
}

async fn item(world: &World, count: &str) -> ItemRef {
    let (at, _) = world.item("user_many", count).await;
    world.run(&at, Cause::Night).await;
    at
}

async fn listed(world: &World) -> Vec<domain::search::Listed> {
    let scope = world.store.scope(std::slice::from_ref(&world.household)).await.unwrap();
    world.store.find(&Search::everything(1_000), &scope).await.unwrap().transactions
}

const LARGE: Bounds = Bounds { rows: 20_000, examined: 16 << 20, answer: 5 << 20 };

#[tokio::test]
async fn all_parts_together_are_the_list_whatever_a_part_holds() {
    let world = World::new().await;
    item(&world, "150").await;
    let expected: Vec<_> = listed(&world).await.into_iter().map(|listed| listed.id.to_string()).collect();
    let whole = answer(&world, "", &LARGE).await;
    let ids = |text: &str| read(text).into_iter().map(|line| line["id"].clone()).collect::<Vec<_>>();
    assert_eq!((ids(&whole.body), next(&whole)), (expected.clone(), None));
    for bounds in [
        Bounds { rows: 7, ..LARGE },
        Bounds { answer: 4_000, ..LARGE },
        // Less than a row.
        Bounds { answer: 10, ..LARGE },
        Bounds { examined: 1, ..LARGE },
    ] {
        let parts = parts(&world, "", &bounds).await;
        assert!(parts.len() > 3);
        let fits = |part: &Reply| serde_json::to_string(&part.body).unwrap().len() <= bounds.answer + 2;
        assert!(bounds.answer < 100 || parts.iter().all(fits));
        let together: String = parts.iter().map(|part| part.body.as_str()).collect();
        assert_eq!(together, whole.body);
        for (number, part) in parts.iter().enumerate() {
            let has_header = if number == 0 { "present" } else { "absent" };
            let content_type = format!("text/csv; charset=utf-8; header={has_header}");
            assert_eq!(header(part, "content-type"), Some(content_type.as_str()));
            assert_eq!(
                header(part, "content-disposition"),
                Some("attachment; filename=\"transactions.csv\"")
            );
        }
    }
    let by_amount = parts(&world, "sort=amount&direction=out&q=e", &Bounds { rows: 15, ..LARGE }).await;
    let amounts: Vec<rust_decimal::Decimal> =
        read(&by_amount.iter().map(|part| part.body.as_str()).collect::<String>())
            .iter()
            .map(|line| line["amount"].parse().unwrap())
            .collect();
    assert!(amounts.len() > 20 && amounts.is_sorted() && amounts[0] > 0.into());
}

#[tokio::test]
async fn a_row_has_what_the_list_has_and_nothing_that_a_sheet_runs() {
    let world = World::new().await;
    let at = item(&world, "1").await;
    let id: TransactionId = listed(&world).await[0].id.clone();
    let change = Change {
        note: Edit::Set("=HYPERLINK(\"http://x\",\"y\")\nsecond, line".parse().unwrap()),
        tags: Edit::Set(["@trip".parse().unwrap(), "tax".parse().unwrap()].into()),
        fields: [("of".parse().unwrap(), Edit::Set(FieldValue::Flag(true)))].into(),
        category: Edit::Set("s_travel_flights".parse().unwrap()),
        hidden: Some(true),
        ..Change::default()
    };
    world.store.edit(&at, &id, &change, None).await.unwrap();
    assert_eq!(read(&answer(&world, "", &LARGE).await.body), Vec::<Line>::new());
    let reply = answer(&world, "hidden=true", &LARGE).await;
    assert!(
        reply.body.lines().next().unwrap().starts_with("id,household_id,") && reply.body.ends_with("\r\n")
    );
    let line = &read(&reply.body)[0];
    assert_eq!(line["note"], "'=HYPERLINK(\"http://x\",\"y\")\nsecond, line");
    assert_eq!((line["tags"].as_str(), line["hidden"].as_str()), (r#"["@trip","tax"]"#, "true"));
    assert_eq!(line["custom_fields"], r#"{"of":{"type":"boolean","value":true}}"#);
    let category = ["category_id", "category_type", "category_source"].map(|name| line[name].as_str());
    assert_eq!(category, ["s_travel_flights", "expense", "person"]);
    assert_eq!((line["id"].as_str(), line["splits"].as_str()), (id.as_str(), ""));
    let connection = world.store.connections(&at.household).await.unwrap().remove(0);
    let account = connection.accounts.iter().find(|account| account.id.to_string() == line["account_id"]);
    assert_eq!(line["account_name"], account.unwrap().name());
    assert_eq!(line["institution_name"], connection.item.institution_name.unwrap_or_default());
    assert_eq!(line["amount"].split_once('.').unwrap().1.len(), 2);
    let with_bom = answer(&world, "hidden=true&bom=true", &LARGE).await;
    assert_eq!(with_bom.body, format!("\u{feff}{}", reply.body));
    assert_eq!(header(&reply, "x-history"), Some("complete"));
}

#[tokio::test]
async fn an_export_right_after_the_link_says_that_more_is_coming() {
    let world = World::new().await;
    world.item("user_many", "3").await;
    assert_eq!(header(&answer(&world, "", &LARGE).await, "x-history"), Some("coming"));
}

#[tokio::test]
async fn strangers_and_wrong_parameters_get_nothing() {
    let world = World::new().await;
    item(&world, "30").await;
    let call = async |user: &str, query: &str| {
        body(acting!(handle(&deps(&world), request(user, &[], query, &Value::Null))).await)
    };
    let first = answer(&world, "q=e&from=2000-01-01", &Bounds { rows: 1, ..LARGE }).await;
    let next = next(&first).unwrap();
    let cursor = next.split("cursor=").nth(1).unwrap();
    assert_eq!(next, format!("q=e&from=2000-01-01&cursor={cursor}"));
    assert_eq!(call("bob", &format!("household_id={}", world.household)).await.0, 404);
    for (user, query, field) in [
        ("alice", format!("cursor={cursor}"), "cursor"),
        ("bob", next.clone(), "cursor"),
        ("alice", format!("{next}&sort=date"), "cursor"),
        ("alice", "limit=5".to_owned(), "limit"),
        ("alice", "to=2026-02-30".to_owned(), "to"),
    ] {
        let (status, answer) = call(user, &query).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{query}");
    }
}
