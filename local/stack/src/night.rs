//! `cargo dev night`: runs a night now, and what became of its items.

use std::time::Duration;

use clap::Args;
use domain::{
    night::{NightCounts, NightReport, Nights, SHARDS},
    store::StoreError,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use store::{Store, Tables};

use crate::{
    Client, Stack, StackError, cli::running, dead_letters::aws_config, lambda, output::print, stack::store_at,
};

const LOOK: Duration = Duration::from_secs(1);
/// The function that begins a night.
const PLANNER: &str = "plan-nightly-sync";

/// Which night, and whether to run it.
#[derive(Args)]
pub(crate) struct Night {
    /// The night's date; today's by the time zone of the template if absent.
    #[arg(long)]
    date: Option<Date>,
    /// Show how far it is, and begin nothing.
    #[arg(long)]
    show: bool,
    /// Show a night of AWS: the name of the table of data, with the environment's credentials.
    #[arg(long, requires = "date")]
    data_table: Option<String>,
}

pub(crate) async fn run(options: Night) -> Result<(), StackError> {
    let store = match &options.data_table {
        Some(table) => {
            let tables = Tables { data: table.clone(), ..Tables::default() };
            Store::new(&aws_config()?, tables)
        }
        None => store_at(&running()?.aws_url)?,
    };
    let is_shown = options.show || options.data_table.is_some();
    let date = match (options.date, is_shown) {
        (Some(date), true) => date,
        (None, true) => today()?,
        (date, false) => begin(&running()?.lambda_url, date).await?,
    };
    if is_shown {
        print(&line(date, &read(&store, date).await?));
        return Ok(());
    }
    until_complete(&store, date).await
}

/// Runs a night of a stack in this process, to its end.
pub(crate) async fn run_here(stack: &Stack) -> Result<(), StackError> {
    let date = begin(&stack.ready.lambda_url, None).await?;
    until_complete(&stack.store()?, date).await
}

/// The date of the night that the schedule would begin now.
fn today() -> Result<Date, StackError> {
    let template = template::Template::load(&crate::root().join("template.yaml"))?;
    let zone = template.defaults().get("NightTimeZone").and_then(|name| TimeZone::get(name).ok());
    let zone = zone.ok_or_else(|| StackError::Unexpected("the template has no NightTimeZone".to_owned()))?;
    Ok(Timestamp::now().to_zoned(zone).date())
}

/// Begins the night as the schedule does, or as an operator.
async fn begin(lambda_url: &str, date: Option<Date>) -> Result<Date, StackError> {
    let event = date.map_or_else(|| json!({"scheduled_at": Timestamp::now()}), |date| json!({"date": date}));
    let lambda = Client::new(lambda_url)?;
    let (_, answer) = lambda.post(&lambda::path(PLANNER), &event).await?;
    let night = answer["night"].as_str().and_then(|night| night.parse().ok());
    let night = night.ok_or_else(|| StackError::Unexpected(format!("{PLANNER} answered {answer}")))?;
    if answer["is_new"] == Value::Bool(false) {
        print(&format!("the night of {night} was begun before: --date names another"));
    }
    Ok(night)
}

async fn read(store: &Store, date: Date) -> Result<NightReport, StackError> {
    let unreadable = |error: StoreError| StackError::Unexpected(error.to_string());
    let report = store.night(date).await.map_err(unreadable)?;
    report.ok_or_else(|| StackError::Unexpected(format!("no night of {date} was begun")))
}

/// Prints each change until every item has been counted.
async fn until_complete(store: &Store, date: Date) -> Result<(), StackError> {
    let mut last = None;
    loop {
        let report = read(store, date).await?;
        if last.as_ref() != Some(&report) {
            print(&line(date, &report));
        }
        if report.is_complete() {
            return Ok(());
        }
        last = Some(report);
        tokio::time::sleep(LOOK).await;
    }
}

fn line(date: Date, report: &NightReport) -> String {
    let NightCounts { succeeded, failed, fresh, gone, parked, rows } = report.counts;
    let state = match (report.is_complete(), report.planned) {
        (true, _) => "complete".to_owned(),
        (false, planned) if planned < u32::from(SHARDS) => format!("{planned} of {SHARDS} shards queued"),
        (false, _) => format!("{} left", report.queued.saturating_sub(report.counts.items())),
    };
    format!(
        "night of {date}: queued {} = succeeded {succeeded} + failed {failed} + fresh {fresh} ({gone} gone) + parked \
         {parked}; {rows} rows changed; {state}",
        report.queued
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_the_night_came_to_and_what_is_left() {
        let counts = NightCounts { succeeded: 5, failed: 1, fresh: 3, gone: 1, parked: 1, rows: 7 };
        let mut report = NightReport { begun: Timestamp::UNIX_EPOCH, planned: 64, queued: 10, counts };
        let date = "2026-11-24".parse().unwrap();
        assert_eq!(
            line(date, &report),
            "night of 2026-11-24: queued 10 = succeeded 5 + failed 1 + fresh 3 (1 gone) + parked 1; 7 rows changed; complete"
        );
        report.queued = 12;
        assert!(line(date, &report).ends_with("2 left"));
        report.planned = 63;
        assert!(line(date, &report).ends_with("63 of 64 shards queued"));
    }
}
