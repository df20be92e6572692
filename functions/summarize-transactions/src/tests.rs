//! What a caller of the summary sees, and what it costs.

use std::collections::BTreeMap;

use domain::{
    account::{AccountChange, AccountEdits},
    edit::{Change, Part, Splits, TransactionEdits},
    ids::{ItemRef, TransactionId},
    money::amount_text,
    store::Connections,
    sync::{Cause, Edit},
    transaction::Month,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use testkit::{World, acting, body, request};

use crate::{Deps, handle, view::MAX_GROUPS};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), search: world.store.clone() };
    body(acting!(handle(&deps, request(user, &[], query, &Value::Null))).await)
}

/// An item with these transactions: amount, date and what else there is to say of each.
async fn item(world: &World, all: &[(&str, &str)]) -> (ItemRef, Vec<TransactionId>) {
    let (at, _) = world.item("user_many", "0").await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    world.run(&at, Cause::Night).await;
    let add = |(amount, date): &(&str, &str)| {
        let change = json!({"change": "add", "amount": amount, "date": date});
        let id = world.sandbox.world().change(&plaid_item, &serde_json::from_value(change).unwrap());
        id.unwrap().parse().unwrap()
    };
    let ids = all.iter().map(add).collect();
    world.run(&at, Cause::Night).await;
    world.aws.take_calls();
    (at, ids)
}

async fn write(world: &World, at: &ItemRef, id: &TransactionId, change: Change) {
    world.store.edit(at, id, &change, None).await.unwrap();
}

/// Of expense categories alone.
fn usd(count: u64, incoming: &str, outgoing: &str, net: &str) -> Value {
    let [incoming, outgoing, net] = [incoming, outgoing, net].map(|sum| sum.parse::<Decimal>().unwrap());
    let text = |sum: Decimal| amount_text(sum, Some("USD"));
    json!([{
        "currency": "USD", "count": count, "in": text(incoming), "out": text(outgoing), "income": "0.00",
        "expense": text(-net), "transfers_in": "0.00", "transfers_out": "0.00", "net": text(net),
    }])
}

fn group<'a>(answer: &'a Value, key: &str) -> &'a Value {
    let groups = answer["groups"].as_array().unwrap();
    groups.iter().find(|group| group["key"] == key).unwrap_or_else(|| panic!("no {key} in {answer}"))
}

#[tokio::test]
async fn categories_count_by_parts_roll_up_and_leave_the_hidden_out() {
    let world = World::new().await;
    let all = [("100", "2026-01-05"), ("30", "2026-02-05"), ("-7.5", "2026-02-06"), ("1000", "2026-02-07")];
    let (at, ids) = item(&world, &all).await;
    let category = |id: &str| Change { category: Edit::Set(id.parse().unwrap()), ..Change::default() };
    let part = |amount: i64, id: &str| Part {
        amount: amount.into(),
        category: Some(id.parse().unwrap()),
        note: None,
    };
    let parts = vec![part(60, "s_travel_flights"), part(40, "s_travel_lodging")];
    let splits = Splits::new(Decimal::ONE_HUNDRED, parts).unwrap();
    write(&world, &at, &ids[0], Change { splits: Edit::Set(splits), ..category("s_income") }).await;
    write(&world, &at, &ids[1], category("s_travel")).await;
    write(&world, &at, &ids[2], category("s_travel_flights")).await;
    write(&world, &at, &ids[3], Change { hidden: Some(true), ..category("s_travel") }).await;
    let (status, answer) = call(&world, "alice", "group_by=category").await;
    assert_eq!(status, 200, "{answer}");
    let travel = group(&answer, "s_travel");
    assert_eq!(travel["totals"], usd(1, "0", "30", "-30"));
    // Both parts are of one transaction.
    assert_eq!(travel["with_children"], usd(3, "7.5", "130", "-122.5"));
    assert_eq!(
        (&travel["category"]["type"], &travel["category"]["parent_id"]),
        (&json!("expense"), &Value::Null)
    );
    let flights = group(&answer, "s_travel_flights");
    assert_eq!(flights["totals"], usd(2, "7.5", "60", "-52.5"));
    assert_eq!(flights["category"]["parent_id"], "s_travel");
    assert_eq!(answer["totals"], usd(3, "7.5", "130", "-122.5"));
    let keys: Vec<_> =
        answer["groups"].as_array().unwrap().iter().map(|group| group["key"].clone()).collect();
    assert_eq!(keys, ["s_travel", "s_travel_flights", "s_travel_lodging"]);
    let (_, answer) = call(&world, "alice", "group_by=category&category_id=s_travel_lodging").await;
    assert_eq!(
        (answer["groups"].as_array().unwrap().len(), &answer["totals"]),
        (1, &usd(1, "0", "40", "-40"))
    );
    let (_, answer) = call(&world, "alice", "group_by=category&hidden=true").await;
    assert_eq!(answer["totals"], usd(1, "0", "1000", "-1000"));
    let (_, answer) = call(&world, "alice", "group_by=month").await;
    let months: Vec<_> =
        answer["groups"].as_array().unwrap().iter().map(|group| group["key"].clone()).collect();
    assert_eq!(months, ["2026-01", "2026-02"]);
    assert_eq!(group(&answer, "2026-02")["totals"], usd(2, "7.5", "30", "-22.5"));
    assert_eq!(group(&answer, "2026-02")["category"], Value::Null);
}

/// A card that is paid from checking, a refund, wages that were partly given back, and what has no category.
#[tokio::test]
async fn transfers_are_neither_earned_nor_spent() {
    let world = World::new().await;
    let all = [
        ("250", "2026-01-05", "s_loan_payments_credit_card_payment"),
        ("-250", "2026-01-06", "s_transfer_in_account_transfer"),
        ("40", "2026-01-07", "s_food_and_drink"),
        ("-15", "2026-01-08", "s_food_and_drink"),
        ("-1000", "2026-01-09", "s_income_salary"),
        ("100", "2026-01-10", "s_income_salary"),
    ];
    let plain: Vec<_> = all.iter().map(|(amount, date, _)| (*amount, *date)).collect();
    let (at, ids) = item(&world, &plain).await;
    for (id, (_, _, category)) in ids.iter().zip(all) {
        let change = Change { category: Edit::Set(category.parse().unwrap()), ..Change::default() };
        write(&world, &at, id, change).await;
    }
    let (status, answer) = call(&world, "alice", "group_by=month").await;
    assert_eq!(status, 200, "{answer}");
    let sums = &answer["totals"][0];
    let named = |names: [&str; 7]| names.map(|name| sums[name].as_str().unwrap().to_owned());
    let names = ["in", "out", "income", "expense", "transfers_in", "transfers_out", "net"];
    assert_eq!(named(names), ["1265.00", "390.00", "900.00", "25.00", "250.00", "250.00", "875.00"]);
    for (kind, count) in [("income", 2), ("expense", 2), ("transfer", 2)] {
        let (_, answer) = call(&world, "alice", &format!("group_by=month&type={kind}")).await;
        assert_eq!(answer["totals"][0]["count"], count, "{kind}");
    }
    assert_eq!(call(&world, "alice", "group_by=month&type=x").await.1["errors"][0]["field"], "type");
}

#[tokio::test]
async fn an_account_out_of_budgets_is_left_out_until_it_is_back() {
    let world = World::new().await;
    let (at, _) = item(&world, &[("30", "2026-01-05"), ("12", "2026-01-06")]).await;
    let count = async |query: &str| {
        let (status, answer) = call(&world, "alice", &format!("group_by=account{query}")).await;
        assert_eq!(status, 200, "{answer}");
        answer["totals"][0]["count"].as_u64().unwrap_or_default()
    };
    let accounts = world.store.connections(&world.household).await.unwrap().remove(0).accounts;
    let switch = async |is_in| {
        for account in &accounts {
            let change = AccountChange { include_in_budget: Some(is_in), ..AccountChange::default() };
            world.store.change_account(&at, &account.id, &change, None).await.unwrap();
        }
    };
    assert_eq!((count("").await, count("&in_budget=false").await), (2, 0));
    switch(false).await;
    assert_eq!((count("").await, count("&in_budget=false").await, count("&in_budget=any").await), (0, 2, 2));
    switch(true).await;
    assert_eq!((count("").await, count("&in_budget=true").await), (2, 2));
    assert_eq!(
        call(&world, "alice", "group_by=account&in_budget=x").await.1["errors"][0]["field"],
        "in_budget"
    );
}

#[tokio::test]
async fn two_groupings_at_once_add_up_to_single_ones() {
    let world = World::new().await;
    let (at, _) = world.item("user_many", "400").await;
    let (_, before) = call(&world, "alice", "group_by=month").await;
    assert_eq!(before["history"], "coming");
    world.run(&at, Cause::Night).await;
    let (_, both) = call(&world, "alice", "group_by=category,month").await;
    assert_eq!(both["history"], "complete");
    let (_, months) = call(&world, "alice", "group_by=month").await;
    for month in months["groups"].as_array().unwrap().iter().map(|group| group["key"].as_str().unwrap()) {
        let of: Month = month.parse().unwrap();
        let range = format!("group_by=category&from={}&to={}", of.first_day(), of.last_day());
        let (_, alone) = call(&world, "alice", &range).await;
        let groups = both["groups"].as_array().unwrap().iter().filter(|group| group["keys"][1] == month);
        let sums =
            |group: &Value| (group["key"].clone(), group["totals"].clone(), group["with_children"].clone());
        let expected: Vec<_> = alone["groups"].as_array().unwrap().iter().map(sums).collect();
        assert_eq!(groups.map(sums).collect::<Vec<_>>(), expected, "{month}");
    }
    for wrong in ["category,category", "category,", "category,month,account"] {
        let (status, answer) = call(&world, "alice", &format!("group_by={wrong}")).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("group_by")), "{wrong}");
    }
}

#[tokio::test]
async fn the_rest_that_the_bank_left_over_counts_as_what_the_transaction_is_for() {
    let world = World::new().await;
    let (at, ids) = item(&world, &[("10", "2026-01-05")]).await;
    let part = |id: &str| Part { amount: 5.into(), category: Some(id.parse().unwrap()), note: None };
    let splits = Splits::new(Decimal::TEN, vec![part("s_travel_flights"), part("s_travel_lodging")]).unwrap();
    let change = Change {
        splits: Edit::Set(splits),
        category: Edit::Set("s_travel".parse().unwrap()),
        ..Change::default()
    };
    write(&world, &at, &ids[0], change).await;
    let plaid_item = world.sandbox.world().item_ids().pop().unwrap();
    let amend = json!({"change": "amend", "id": ids[0].as_str(), "amount": "12.25"});
    world.sandbox.world().change(&plaid_item, &serde_json::from_value(amend).unwrap()).unwrap();
    world.run(&at, Cause::Night).await;
    let (_, answer) = call(&world, "alice", "group_by=category").await;
    assert_eq!(group(&answer, "s_travel")["totals"], usd(1, "0", "2.25", "-2.25"));
    assert_eq!(group(&answer, "s_travel")["with_children"], usd(1, "0", "12.25", "-12.25"));
    assert_eq!(answer["totals"], usd(1, "0", "12.25", "-12.25"));
}

#[tokio::test]
async fn every_grouping_comes_to_the_same_and_merchants_come_by_turnover() {
    let world = World::new().await;
    let (at, _) = world.item("user_many", "400").await;
    world.run(&at, Cause::Night).await;
    let mut all = Vec::new();
    for by in ["category", "month", "merchant", "account"] {
        let (status, answer) = call(&world, "alice", &format!("group_by={by}")).await;
        assert_eq!((status, &answer["others"]), (200, &Value::Null), "{answer}");
        let sum = |name: &str| {
            let groups = answer["groups"].as_array().unwrap().iter();
            // A category may have nothing but what is below it.
            groups
                .filter_map(|group| group["totals"][0][name].as_str()?.parse::<Decimal>().ok())
                .sum::<Decimal>()
        };
        for name in ["in", "out", "net"] {
            assert_eq!(amount_text(sum(name), Some("USD")), answer["totals"][0][name], "{by} {name}");
        }
        all.push(answer["totals"].clone());
        if by == "merchant" {
            let turnover = |group: &Value| {
                ["in", "out"]
                    .map(|name| group["totals"][0][name].as_str().unwrap().parse::<Decimal>().unwrap())
            };
            let sizes: Vec<Decimal> = answer["groups"]
                .as_array()
                .unwrap()
                .iter()
                .map(|group| turnover(group).iter().sum())
                .collect();
            assert!(sizes.len() > 3 && sizes.is_sorted_by(|left, right| left >= right), "{sizes:?}");
        }
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    assert_eq!(all[0][0]["count"], 400);
}

#[test]
fn more_groups_than_anybody_looks_at_are_told_together() {
    use domain::{
        category::Tree,
        search::{GroupBy, History, Key, Summary, Totals},
    };
    let mut summary = Summary::new(&[GroupBy::Merchant]);
    summary.groups = (0..MAX_GROUPS + 2)
        .map(|number| (vec![Key::Merchant(Some(format!("m{number}")))], domain::search::Group::default()))
        .collect::<BTreeMap<_, _>>();
    summary.totals = Totals::default();
    let answer =
        serde_json::to_value(crate::view::answer(summary, &Tree::system(), History::Complete)).unwrap();
    assert_eq!(answer["groups"].as_array().unwrap().len(), MAX_GROUPS);
    assert_eq!(answer["others"], json!({"groups": 2, "totals": []}));
}

#[tokio::test]
async fn strangers_and_wrong_parameters_get_nothing() {
    let world = World::new().await;
    item(&world, &[("1", "2026-01-01")]).await;
    let of_alices = format!("group_by=month&household_id={}", world.household);
    assert_eq!(call(&world, "bob", &of_alices).await.0, 404);
    assert_eq!(call(&world, "carol", &of_alices).await.0, 200);
    assert_eq!(call(&world, "nobody", "group_by=month").await.0, 404);
    assert_eq!(
        call(&world, "alice", "group_by=month&category_id=cat_0").await.1["code"],
        "category_not_found"
    );
    for (query, field) in [
        ("", "group_by"),
        ("group_by=", "group_by"),
        ("group_by=tag", "group_by"),
        ("group_by=month&sort=date", "sort"),
        ("group_by=month&cursor=x", "cursor"),
        ("group_by=month&from=2026-02-30", "from"),
        ("group_by=month&min_amount=1e400", "min_amount"),
    ] {
        let (status, answer) = call(&world, "alice", query).await;
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!((status, errors.len(), errors[0]["field"].as_str()), (400, 1, Some(field)), "{query}");
    }
}

#[tokio::test]
async fn it_costs_the_membership_the_scope_and_a_query_for_each_month_in_range() {
    let world = World::new().await;
    item(&world, &[("1", "2026-01-01"), ("2", "2026-03-01"), ("3", "2026-03-31")]).await;
    for (range, months) in [("", 2), ("&from=2026-02-01", 1), ("&from=2026-02-01&to=2026-02-28", 0)] {
        world.aws.take_calls();
        let query = format!("group_by=merchant&household_id={}{range}", world.household);
        assert_eq!(call(&world, "alice", &query).await.0, 200);
        let calls = world.aws.take_calls();
        assert_eq!((calls.get("GetItem"), calls.get("BatchGetItem")), (Some(&1), Some(&1)));
        assert_eq!(calls.get("Query").copied().unwrap_or_default(), 1 + months, "{range}");
    }
}
