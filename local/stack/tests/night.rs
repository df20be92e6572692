//! A night in the whole system: every item counted once, whatever becomes of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::time::{Duration, Instant};

use domain::{
    ids::ItemRef,
    night::{NightCounts, NightReport, Nights},
    store::OneConnection,
};
use jiff::civil::Date;
use plaid_sandbox::{Change, Fault};
use serde_json::json;
use stack::{Client, Options, Stack};

const ITEMS: u32 = 100;
const TRANSACTIONS: u32 = 50;
/// Items whose user must log in again.
const LOST: usize = 7;

/// Begins a night and waits until every item has been counted.
async fn night(stack: &Stack, date: Date) -> NightReport {
    let answer = stack.invoke("plan-nightly-sync", &json!({"date": date})).await.unwrap();
    assert_eq!(
        (answer["night"].as_str(), answer["is_new"].as_bool()),
        (Some(date.to_string().as_str()), Some(true))
    );
    let store = stack.store().unwrap();
    let began = Instant::now();
    loop {
        let report = store.night(date).await.unwrap().unwrap();
        if report.is_complete() {
            return report;
        }
        assert!(began.elapsed() < Duration::from_mins(4), "{report:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn added(stack: &Stack, at: &ItemRef) -> u32 {
    stack.store().unwrap().connection(at).await.unwrap().unwrap().item.totals.added
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_counts_every_item_once_and_the_next_one_finds_them_fresh() {
    let stack = Stack::start(Options { time_scale: 60, ..Options::default() }).await.unwrap();
    let items = stack.connect(ITEMS, TRANSACTIONS).await.unwrap();
    let sandbox = stack.sandbox().unwrap().clone();
    for (_, plaid_id) in items.iter().take(LOST) {
        assert!(sandbox.world().change(plaid_id, &Change::LoginLoss).is_some());
    }
    // One call says that our keys are wrong: ours to mend, so a person hears of it.
    let keys = Fault { error_code: Some("INVALID_API_KEYS".to_owned()), ..Fault::default() };
    sandbox.world().add_fault(Fault { path: "/transactions/sync".to_owned(), times: 1, ..keys });

    let first = night(&stack, "2026-11-24".parse().unwrap()).await;
    assert_eq!(first.queued, u64::from(ITEMS));
    let NightCounts { succeeded, failed, fresh, gone, parked, rows } = first.counts;
    assert_eq!(succeeded + failed + fresh + parked, u64::from(ITEMS), "{first:?}");
    assert_eq!((fresh, gone, parked), (0, 0, 1), "{first:?}");
    // The refused call may have been one of an item that had lost its log-in as well.
    let lost = u64::try_from(LOST).unwrap();
    assert!((lost - 1..=lost).contains(&failed), "{first:?}");
    assert_eq!(rows, succeeded * u64::from(TRANSACTIONS));
    let mut synced = 0;
    for (at, plaid_id) in &items {
        let added = added(&stack, at).await;
        assert!(added == 0 || usize::try_from(added).unwrap() == sandbox.world().ledger_len(plaid_id));
        synced += u64::from(added > 0);
    }
    assert_eq!(synced, succeeded);

    // The letter tells the item, and sent back it is synced without being counted again.
    let letters = stack.dead_letters_of("night").unwrap();
    assert_eq!(letters.list().await.unwrap().len(), 1);
    sandbox.world().take_calls();
    let second = night(&stack, "2026-11-25".parse().unwrap()).await;
    assert_eq!(second.counts.items(), u64::from(ITEMS));
    assert_eq!(second.counts.fresh, succeeded, "{second:?}");
    let syncs = sandbox.world().take_calls().get("/transactions/sync").copied().unwrap_or_default();
    assert!(syncs <= u64::from(ITEMS) - succeeded, "{syncs} syncs: what is fresh costs no call");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lambdas_own_api_runs_a_function_and_says_when_it_failed() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let lambda = Client::new(&stack.ready.lambda_url).unwrap();
    let path = |function: &str| format!("/2015-03-31/functions/{function}/invocations");
    let planner = path("plan-nightly-sync");
    let (status, answer) =
        lambda.post(&planner, &json!({"scheduled_at": "2026-11-24T09:00:00Z"})).await.unwrap();
    assert_eq!((status, answer["night"].as_str()), (200, Some("2026-11-24")), "{answer}");
    let (status, answer) = lambda.post(&planner, &json!({"date": "tomorrow"})).await.unwrap();
    assert_eq!((status, answer["night"].as_str()), (200, None), "{answer}");
    assert!(answer["errorMessage"].as_str().unwrap().contains("shape"), "{answer}");
    assert_eq!(lambda.post(&path("nothing"), &json!({})).await.unwrap().0, 404);
    stack.stop().await.unwrap();
}

/// The sweep runs by the stack's own clock, divided: what failed in a way that passes is synced without anybody asking.
#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_runs_the_sweep() {
    let stack = Stack::start(Options { time_scale: 900, ..Options::default() }).await.unwrap();
    let began = Instant::now();
    loop {
        let log = std::fs::read_to_string(&stack.ready.log).unwrap();
        if log.contains("schedule → sweep-retries {\"swept\":0") {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stack.stop().await.unwrap();
}
