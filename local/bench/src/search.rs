//! A household of many transactions: what its endpoints take to answer, and what they read.

use std::{sync::Arc, time::Instant};

use domain::sync::Cause;
use edge::{
    Problem,
    http::{Reply, Request},
};
use serde_json::Value;
use testkit::World;

use crate::{Outcome, cpu};

/// A question, whom it is put to, and the first day that it looks at.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) endpoint: Endpoint,
    about: &'static str,
    from: String,
}

impl Question {
    pub(crate) fn query(&self) -> String {
        format!("from={}&{}", self.from, self.about)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Endpoint {
    List,
    Summary,
    Export,
}

impl Endpoint {
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::List => "list-transactions",
            Self::Summary => "summarize-transactions",
            Self::Export => "export-transactions",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::List => "/api/v1/transactions",
            Self::Summary => "/api/v1/transactions/summary",
            Self::Export => "/api/v1/transactions/export",
        }
    }
}

const EVERYTHING: &str = "2000-01-01";

/// What people ask of a large household.
pub(crate) fn questions() -> Vec<Question> {
    let a_year = jiff::Zoned::now().date().saturating_sub(jiff::ToSpan::months(12)).to_string();
    let question =
        |name, endpoint, about, from: &str| Question { name, endpoint, about, from: from.to_owned() };
    vec![
        question("first page by date", Endpoint::List, "", EVERYTHING),
        question("a page by words, newest", Endpoint::List, "q=starbucks", EVERYTHING),
        question("words that nothing has", Endpoint::List, "q=zzzz", EVERYTHING),
        question("words over everything, totals", Endpoint::List, "q=starbucks&totals=true", EVERYTHING),
        question("largest over everything", Endpoint::List, "sort=-amount", EVERYTHING),
        question(
            "category, children, a year",
            Endpoint::List,
            "category_id=s_food_and_drink&totals=true",
            &a_year,
        ),
        question("summary by month", Endpoint::Summary, "group_by=month", EVERYTHING),
        question("summary by category, a year", Endpoint::Summary, "group_by=category", &a_year),
        question("summary by merchant", Endpoint::Summary, "group_by=merchant", EVERYTHING),
        question("first part of an export", Endpoint::Export, "", EVERYTHING),
    ]
}

pub(crate) async fn measure(count: u32) -> Outcome {
    let world = World::new().await;
    let began = Instant::now();
    let (at, _) = world.item("user_many", &count.to_string()).await;
    world.run(&at, Cause::Link).await;
    println!("{count} transactions arrived in {:.1} s", began.elapsed().as_secs_f64());
    for question in questions() {
        show(&world, &question).await?;
    }
    Ok(())
}

/// A question's first answer and its second, with what was read for it beside the megabytes of its months.
async fn show(world: &World, question: &Question) -> Outcome {
    let query = format!("household_id={}&{}", world.household, question.query());
    let mut times = Vec::new();
    let mut reads = 0;
    let mut size = 0;
    for _ in 0..2 {
        world.aws.take_calls();
        let (began, cpu) = (Instant::now(), cpu::process());
        let reply = ask(world, question.endpoint, &query).await.map_err(|problem| problem.detail)?;
        times.push((began.elapsed().as_secs_f64() * 1e3, (cpu::process() - cpu) * 1e3));
        reads = world.aws.take_calls().get("Query").copied().unwrap_or_default();
        size = reply.body.len();
    }
    let [(first, _), (again, cpu)] = times.as_slice() else { return Ok(()) };
    let most = megabytes(world, &question.from).await.map_err(|problem| problem.detail)?;
    println!(
        "{:<30} {first:>8.0} ms, again {again:>8.0} ms (CPU {cpu:.0} ms), {reads:>3} reads of at most {most}, {size} bytes",
        question.name
    );
    Ok(())
}

/// How many queries it takes to read every month from a day on, each once: one for each megabyte begun.
async fn megabytes(world: &World, from: &str) -> Result<usize, Problem> {
    world.aws.take_calls();
    let query = format!("household_id={}&from={from}&group_by=month&hidden=any", world.household);
    ask(world, Endpoint::Summary, &query).await?;
    Ok(world.aws.take_calls().get("Query").copied().unwrap_or_default())
}

async fn ask(world: &World, endpoint: Endpoint, query: &str) -> Result<Reply, Problem> {
    let request: Request = testkit::request("alice", &[], query, &Value::Null);
    let (memberships, search) = (world.store.clone(), world.store.clone());
    match endpoint {
        Endpoint::List => {
            let (connections, orphans) = (world.store.clone(), world.store.clone());
            let deps = list_transactions::Deps { memberships, search, connections, orphans };
            list_transactions::handle(&deps, request).await
        }
        Endpoint::Summary => {
            summarize_transactions::handle(&summarize_transactions::Deps { memberships, search }, request)
                .await
        }
        Endpoint::Export => {
            let (records, clock) = (world.store.clone(), Arc::new(edge::system::System));
            let deps = export_transactions::Deps { memberships, search, records, clock };
            export_transactions::handle(&deps, request).await
        }
    }
}
