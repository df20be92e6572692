//! Many webhooks of many items, each delivered several times and in any order, through everything that runs here.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use domain::{
    ids::ItemRef,
    sync::{SyncMessage, SyncQueue, SyncReads},
};
use plaid_sandbox::{Change, WebhookFault};
use queue::Queue;
use rust_decimal::Decimal;
use serde_json::json;

use crate::{
    Options, Stack, StackError, names,
    stack::{sdk_config, store_at},
};

/// How much of a storm.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Items.
    pub items: u32,
    /// Webhooks, over all items.
    pub webhooks: u32,
    /// How often each is delivered.
    pub copies: u32,
    /// Waits are this much shorter.
    pub time_scale: u32,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Webhooks that were delivered.
    pub delivered: usize,
    /// Updates that Plaid was asked for.
    pub syncs: u64,
    /// Items whose stored transactions equal the bank's ledger at the end.
    pub equal: usize,
    /// From the first delivery until all was quiet.
    pub took: Duration,
}

/// Transactions of an item before the storm.
const TRANSACTIONS: u32 = 10;
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs a storm on a stack of its own.
///
/// # Errors
/// When the stack does not start, or it does not become quiet.
pub async fn run(size: Size) -> Result<Storm, StackError> {
    let stack = Stack::start(Options { time_scale: size.time_scale, ..Options::default() }).await?;
    let outcome = storm(&stack, size).await;
    stack.stop().await?;
    outcome
}

async fn storm(stack: &Stack, size: Size) -> Result<Storm, StackError> {
    let connected = stack.connect(size.items, TRANSACTIONS).await?;
    let queue = Queue::new(&sdk_config(&stack.ready.aws_url)?, names::queue_url(&names::queue("SyncQueue")));
    for (at, _) in &connected {
        let sent = queue.send(&SyncMessage::first(at.clone(), 1), Duration::ZERO).await;
        sent.map_err(|error| StackError::Unexpected(error.to_string()))?;
    }
    until("every item is synced", async || Ok(equal(stack, &connected).await? == connected.len())).await?;
    until_quiet(stack).await?;

    let before = count(stack);
    hold(stack, size);
    for number in 0..size.webhooks {
        let place = usize::try_from(number).unwrap_or_default() % connected.len().max(1);
        if let Some((_, plaid_item)) = connected.get(place) {
            news(stack, plaid_item, number)?;
        }
    }
    let began = Instant::now();
    with_sandbox(stack, plaid_sandbox::World::release_webhooks);
    until_quiet(stack).await?;
    let equal = equal(stack, &connected).await?;
    let after = count(stack);
    Ok(Storm { delivered: after.0 - before.0, syncs: after.1 - before.1, equal, took: began.elapsed() })
}

fn with_sandbox<T: Default>(stack: &Stack, work: impl FnOnce(&mut plaid_sandbox::World) -> T) -> T {
    stack.sandbox().map(|sandbox| work(&mut sandbox.world())).unwrap_or_default()
}

/// Holds what comes, to be released in any order.
fn hold(stack: &Stack, size: Size) {
    let fault: Result<WebhookFault, _> = serde_json::from_value(json!({
        "times": u32::MAX, "flaw": "reordered", "copies": NonZeroU32::new(size.copies),
    }));
    if let Ok(fault) = fault {
        with_sandbox(stack, |world| world.add_webhook_fault(fault));
    }
}

/// A bank's news: new, amended and removed ones in turn.
fn news(stack: &Stack, plaid_item: &str, number: u32) -> Result<(), StackError> {
    let change = match number % 3 {
        0 => json!({"change": "add", "amount": Decimal::from(number).to_string()}),
        1 => json!({"change": "amend", "amount": Decimal::from(number).to_string()}),
        _ => json!({"change": "remove"}),
    };
    let change: Change =
        serde_json::from_value(change).map_err(|error| StackError::Unexpected(error.to_string()))?;
    with_sandbox(stack, |world| world.change_and_tell(plaid_item, &change));
    Ok(())
}

/// Webhooks delivered, and updates asked for.
fn count(stack: &Stack) -> (usize, u64) {
    let delivered = with_sandbox(stack, |world| world.deliveries()).made;
    (delivered, with_sandbox(stack, |world| world.calls_of("/transactions/sync")))
}

/// What is still on its way: webhooks that have not been delivered, and messages by queue.
async fn under_way(stack: &Stack) -> [u64; 3] {
    let to_come = with_sandbox(stack, |world| world.deliveries()).to_come;
    let waiting = u64::try_from(to_come).unwrap_or(u64::MAX);
    [waiting, stack.messages("WebhookQueue").await, stack.messages("SyncQueue").await]
}

/// Waits until nothing is on its way. At Plaid's own pace a storm takes minutes: what counts is that less and less is left.
async fn until_quiet(stack: &Stack) -> Result<(), StackError> {
    let (mut left, mut changed) = (under_way(stack).await, Instant::now());
    while left != [0; 3] {
        if changed.elapsed() > PATIENCE {
            let why = format!("webhooks, messages of webhooks and messages of syncs are left: {left:?}");
            return Err(StackError::Unexpected(why));
        }
        tokio::time::sleep(LOOK).await;
        let now = under_way(stack).await;
        if now != left {
            (left, changed) = (now, Instant::now());
        }
    }
    Ok(())
}

/// How many items are stored as their bank has them.
async fn equal(stack: &Stack, connected: &[(ItemRef, String)]) -> Result<usize, StackError> {
    let store = store_at(&stack.ready.aws_url)?;
    let mut equal = 0;
    for (at, plaid_item) in connected {
        let live = store.live_rows(at, None).await;
        let live = live.map_err(|error| StackError::Unexpected(error.to_string()))?;
        let mut stored: Vec<_> = live
            .rows
            .into_iter()
            .filter_map(|row| Some((row.carries?.to_string(), row.signature?.0.amount?)))
            .collect();
        let ledger = with_sandbox(stack, |world| world.ledger(plaid_item));
        let mut ledger: Vec<_> = ledger.into_iter().map(|t| (t.id, t.amount)).collect();
        stored.sort();
        ledger.sort();
        equal += usize::from(stored == ledger);
    }
    Ok(equal)
}

/// Looks until it holds.
async fn until(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<bool, StackError>,
) -> Result<(), StackError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if look().await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(StackError::Unexpected(format!("it did not happen that {what}")))
}
