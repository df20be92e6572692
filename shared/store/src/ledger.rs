//! The ledger of runs and the balances of days.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    account::Balances,
    ids::{AccountId, ItemRef},
    store::StoreError,
    sync::{Cause, DayBalance, Ledger, RunEntry},
};
use jiff::Timestamp;

use crate::{
    Store,
    actions::expires,
    decode,
    encode::{self, SCHEMA, map},
    keys,
    outcome::unavailable,
    row::{Reader, Row, key, number, text},
};

/// How long a run is remembered.
const RUN_DAYS: i64 = 90;
/// How long a balance is: charts go back over the two years of a history.
const BALANCE_DAYS: i64 = 800;

const CAUSES: [(Cause, &str); 5] = [
    (Cause::Link, "link"),
    (Cause::Person, "person"),
    (Cause::Webhook, "webhook"),
    (Cause::Night, "night"),
    (Cause::Sweep, "sweep"),
];

pub(crate) fn run_row(at: &ItemRef, rev: u64, run: &RunEntry) -> Row {
    let mut row = key(keys::transactions(at), keys::run(run.at, rev));
    let cause = CAUSES.iter().find(|(cause, _)| *cause == run.cause).map(|(_, name)| text(*name));
    let fields = [
        ("v", Some(number(SCHEMA))),
        ("t", Some(text(run.at.to_string()))),
        ("b", Some(text(run.began.to_string()))),
        ("cs", cause),
        ("pg", Some(number(run.pages))),
        ("n", Some(encode::counts(run.counts))),
        ("c", run.failure.as_ref().map(text)),
        // A list: another Plaid may give two calls one id, and a set takes each once.
        ("rq", Some(AttributeValue::L(run.request_ids.iter().map(text).collect()))),
        (
            "lo",
            (!run.left_out.is_empty()).then(|| AttributeValue::L(run.left_out.iter().map(text).collect())),
        ),
        ("ttl", Some(expires(run.at, RUN_DAYS))),
    ];
    row.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    row
}

pub(crate) fn balance_row(at: &ItemRef, balance: &DayBalance, now: Timestamp) -> Row {
    let mut row = key(keys::transactions(at), keys::balance(&balance.account, balance.date));
    let Balances { current, available, limit } = &balance.balances;
    row.insert("v".to_owned(), number(SCHEMA));
    row.insert(
        "b".to_owned(),
        map([
            ("c", current.map(number)),
            ("a", available.map(number)),
            ("l", limit.map(number)),
            ("u", balance.currency.as_ref().map(encode::currency)),
        ]),
    );
    row.insert("ttl".to_owned(), expires(now, BALANCE_DAYS));
    row
}

impl Store {
    fn of_item(
        &self,
        at: &ItemRef,
        prefix: &str,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.data)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::transactions(at)))
            .expression_attribute_values(":sk", text(prefix))
    }
}

#[async_trait]
impl Ledger for Store {
    async fn runs(&self, at: &ItemRef, limit: u32) -> Result<Vec<RunEntry>, StoreError> {
        let query = self.of_item(at, "RUN#").scan_index_forward(false);
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| unavailable(&error))?;
        page.items.unwrap_or_default().iter().map(|row| run(Reader(row))).collect()
    }

    async fn balances(&self, at: &ItemRef) -> Result<Vec<DayBalance>, StoreError> {
        let rows = self.all(self.of_item(at, "BAL#")).await?;
        let mut all: Vec<DayBalance> =
            rows.iter().map(|row| balance(at, Reader(row))).collect::<Result<_, _>>()?;
        all.sort_by(|a, b| (a.date, &a.account).cmp(&(b.date, &b.account)));
        Ok(all)
    }
}

fn run(row: Reader<'_>) -> Result<RunEntry, StoreError> {
    let cause = row.text("cs")?;
    let cause = CAUSES.iter().find(|(_, name)| *name == cause).map(|(cause, _)| *cause);
    Ok(RunEntry {
        at: row.time("t")?,
        began: row.time("b")?,
        cause: cause.ok_or(StoreError::Corrupt("cs"))?,
        pages: row.number("pg")?,
        counts: decode::counts(row.map("n").ok_or(StoreError::Corrupt("n"))?)?,
        failure: row.owned("c"),
        request_ids: row.texts("rq"),
        left_out: row.texts("lo"),
    })
}

fn balance(at: &ItemRef, row: Reader<'_>) -> Result<DayBalance, StoreError> {
    let corrupt = || StoreError::Corrupt("sk");
    let (tail, date) =
        row.text("sk")?.strip_prefix("BAL#").and_then(|rest| rest.split_once('#')).ok_or_else(corrupt)?;
    let account = AccountId::of(&at.item, tail).map_err(|_bad| corrupt())?;
    let on = row.map("b").ok_or(StoreError::Corrupt("b"))?;
    Ok(DayBalance {
        account,
        date: date.parse().map_err(|_bad| corrupt())?,
        balances: Balances { current: on.decimal("c"), available: on.decimal("a"), limit: on.decimal("l") },
        currency: on.maybe_text("u").map(encode::read_currency),
    })
}
