//! Nights: a million items planned and counted in virtual time, and thousands through the real stack.

use std::time::{Duration, Instant};

use domain::night::{NightReport, Nights};
use jiff::civil::Date;
use serde_json::json;
use simulator::night::{Mix, mix, plan};
use stack::{Options, Stack};

use crate::{Outcome, cpu};

/// What we aim at, for a million items.
const AIM_S: f64 = 60.0;
const AIM_MB: f64 = 64.0;
/// Of 1,000 deliveries so many end with the death of their process.
const DEATHS: u32 = 800;
const LOOK: Duration = Duration::from_millis(200);

/// Plans a night with processes that die, then runs one beside webhooks against a Plaid that counts.
pub(crate) fn measure(items: u32) -> Outcome {
    let began = Instant::now();
    let figures = plan(items, DEATHS, 1).ok_or("the plan did not come to an end")?;
    let (seconds, peak) = (began.elapsed().as_secs_f64(), cpu::peak_mb("self").unwrap_or_default());
    println!(
        "planned {items} items: queued {}, sent {} ({} more than once), {} misplaced; {} processes died; {} queries, {} \
         checkpoints, {} requests to the queue with {} MB; {seconds:.1} s (aim {AIM_S} s), most memory {peak:.1} MB (aim \
         {AIM_MB} MB), {} s by its own clock",
        figures.queued,
        figures.sent,
        figures.sent_again,
        figures.misplaced,
        figures.deaths,
        figures.queries,
        figures.checkpoints,
        figures.requests,
        figures.bytes / 1_000_000,
        figures.virtual_ms / 1_000
    );
    if (figures.queued, figures.sent, figures.misplaced) != (items.into(), items.into(), 0) {
        return Err("not every item was queued, and counted once".into());
    }
    let began = Instant::now();
    let figures = mix(Mix::of_items(items)).ok_or("the night did not come to an end")?;
    let counts = figures.counts;
    println!(
        "a night of {items} items beside webhooks: {} minutes; succeeded {} + failed {} + fresh {} + parked {} = {}; the night \
         called {} times ({} refused); {} webhooks called {} times ({} refused) and waited {} s at most; {} processes died; \
         simulated in {:.1} s",
        figures.minutes,
        counts.succeeded,
        counts.failed,
        counts.fresh,
        counts.parked,
        counts.items(),
        figures.night_calls,
        figures.night_refused,
        figures.webhooks,
        figures.webhook_calls,
        figures.webhook_refused,
        figures.longest_wait_s,
        figures.deaths,
        began.elapsed().as_secs_f64()
    );
    if counts.items() != u64::from(items) || figures.webhook_refused > 0 {
        return Err("an item was not counted once, or a webhook met the limit".into());
    }
    Ok(())
}

/// A night through real processes, and one after it that finds everything fresh.
pub(crate) async fn measure_stack(items: u32, transactions: u32) -> Outcome {
    let stack = Stack::start(Options { time_scale: 60, seed: Some(7), ..Options::default() }).await?;
    let began = Instant::now();
    stack.connect(items, transactions).await?;
    println!("connected {items} items of {transactions} in {:.1} s", began.elapsed().as_secs_f64());
    for (name, date) in [("first", Date::constant(2026, 11, 24)), ("second", Date::constant(2026, 11, 25))] {
        let began = Instant::now();
        stack.invoke("plan-nightly-sync", &json!({"date": date})).await?;
        let report = until_complete(&stack, date).await?;
        let counts = report.counts;
        println!(
            "{name} night: queued {} = succeeded {} + failed {} + fresh {} + parked {}; {} rows changed; {:.1} s",
            report.queued,
            counts.succeeded,
            counts.failed,
            counts.fresh,
            counts.parked,
            counts.rows,
            began.elapsed().as_secs_f64()
        );
        if report.queued != u64::from(items) {
            return Err("not every item was queued once".into());
        }
    }
    stack.stop().await?;
    Ok(())
}

async fn until_complete(stack: &Stack, date: Date) -> Result<NightReport, Box<dyn std::error::Error>> {
    let store = stack.store()?;
    loop {
        let report = store.night(date).await?.ok_or("a night")?;
        if report.is_complete() {
            return Ok(report);
        }
        tokio::time::sleep(LOOK).await;
    }
}
