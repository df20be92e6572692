//! The worker of the night — SQS, the queue of the night.
//!
//! Each message names up to ten items, which are synced side by side by `domain::sync::sync`. Order of effects: the runs'
//! commits → what is tried again, removed or put aside is sent → what became of the rest is counted. A crash before the
//! count leaves nothing undone: the message comes again, what was synced is fresh by then, and each item is counted once.

pub mod config;
mod leftovers;
#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use domain::{
    account::merging,
    bank::{BankError, Meaning},
    night::{FRESH, NightCounting, NightCounts, NightItem, NightMessage, NightQueue, Settled, Watch, letter},
    queue::DeadLetters,
    removal::{RemovalMessage, RemovalQueue},
    store::StoreError,
    sync::{self, Cause, LONGEST_DELAY, Outcome, QueueError, SyncError, Trigger, try_delay},
    vault::VaultError,
};
use edge::batch::{Message, Verdict};
use futures::{FutureExt, future::join_all};
use jiff::Timestamp;

pub use leftovers::Leftovers;

/// What this function reaches the world through.
pub struct Deps {
    /// What a run needs.
    pub sync: sync::Deps,
    /// The breaker, as this process knows it.
    pub watch: Arc<Watch>,
    /// Counts what became of items.
    pub counting: Arc<dyn NightCounting>,
    /// The queue of the night, for what is tried again.
    pub queue: Arc<dyn NightQueue>,
    /// What the runs see of items that somebody must come for: the same reads as those of `sync`.
    pub leftovers: Arc<Leftovers>,
    /// The queue of removals, for items that are stuck on their way out.
    pub removals: Arc<dyn RemovalQueue>,
    /// Compares new accounts with the others of the household; `None` in the simulator, whose ledger has no merged accounts.
    pub merging: Option<merging::Deps>,
    /// Where what nobody understood is put aside.
    pub dead_letters: Arc<dyn DeadLetters>,
}

/// What is kept of an invocation for what follows the runs.
const RESERVE: Duration = Duration::from_secs(5);
/// What is held comes back within so long after the hold, and not all at once.
const SPREAD_S: u64 = 30;
/// Tries to count. Two deliveries of one message may get into each other's way.
const COUNTS: u32 = 3;
const COUNT_PAUSE: Duration = Duration::from_millis(200);

/// What follows the run of an item.
enum Next {
    /// It is counted.
    Settled(Settled),
    /// It is tried again.
    Again(NightItem, Duration),
    /// It is put aside with its reason, and counted.
    Park(String),
}

/// Syncs the items of a message.
pub async fn handle(deps: &Deps, message: Message<NightMessage>) -> Verdict {
    let Message { content, deadline } = message;
    if content.ends <= deps.sync.clock.now() {
        let late: Vec<_> = content.items.iter().map(|item| (item.place, Settled::Failed)).collect();
        return count(deps, &content, &late).await;
    }
    match deps.watch.held().await {
        Ok(None) => {}
        Ok(Some(left)) => return hold(deps, &content, left).await,
        Err(error) => return Verdict::Retry(error.to_string()),
    }
    // A panic is one item's, and the others are counted all the same.
    let runs = content.items.iter().map(|item| {
        let run = AssertUnwindSafe(run(deps, &content, item, deadline)).catch_unwind();
        run.map(|next| next.unwrap_or_else(|_panic| Next::Park("the sync panicked".to_owned())))
    });
    let settled = match follow(deps, &content, join_all(runs).await).await {
        Ok(settled) => settled,
        Err(error) => return Verdict::Retry(error.to_string()),
    };
    count(deps, &content, &settled).await
}

/// Sends a message on to the time when the night is held no more.
async fn hold(deps: &Deps, message: &NightMessage, left: Duration) -> Verdict {
    let [random, ..] = deps.sync.random.entropy();
    let delay = left + Duration::from_secs(1 + u64::from(random) % SPREAD_S);
    match deps.queue.send(message, delay.min(LONGEST_DELAY)).await {
        Ok(()) => Verdict::Done,
        Err(error) => Verdict::Retry(error.to_string()),
    }
}

async fn run(deps: &Deps, message: &NightMessage, item: &NightItem, deadline: Timestamp) -> Next {
    let trigger = Trigger {
        at: item.at.clone(),
        want: None,
        cause: Cause::Night,
        deadline: deadline.checked_sub(RESERVE).unwrap_or(deadline),
        fresh_within: Some(FRESH),
    };
    let outcome = sync::sync(&deps.sync, &trigger).await;
    if let (Some(merging), Ok(outcome)) = (&deps.merging, &outcome) {
        // After a failure the next run that adds transactions compares again.
        match merging::compare_after(merging, &item.at, outcome, false).await {
            Ok(()) | Err(_) => {}
        }
    }
    let next = next(item, &outcome);
    report(message, item, &outcome);
    next
}

fn next(item: &NightItem, outcome: &Result<Outcome, SyncError>) -> Next {
    match outcome {
        // A history that is still coming is looked for by the item's own schedule.
        Ok(Outcome::Finished { counts, .. }) => {
            Next::Settled(Settled::Succeeded(counts.added + counts.modified + counts.removed))
        }
        Ok(Outcome::Fresh | Outcome::AlreadyDone { .. }) => Next::Settled(Settled::Fresh),
        // The next night asks for the removal of what was refused.
        Ok(Outcome::NoItem | Outcome::Gone | Outcome::Inactive | Outcome::Refused) => {
            Next::Settled(Settled::Gone)
        }
        Ok(Outcome::HandOver(after)) => Next::Again(item.clone(), *after),
        Ok(Outcome::Failed(error)) => after_refusal(error),
        Err(error) => after_error(item, error),
    }
}

/// What the bank's side refused stands on the item. What passes is picked up by the sweep, and by the next night.
fn after_refusal(error: &BankError) -> Next {
    match error.meaning {
        Meaning::NeedsUser
        | Meaning::Later { .. }
        | Meaning::Gone
        | Meaning::Unsupported
        | Meaning::RestartPagination
        | Meaning::AccountGone => Next::Settled(Settled::Failed),
        Meaning::CursorRefused | Meaning::Endless | Meaning::PublicTokenRefused | Meaning::OurFault => {
            Next::Park(error.to_string())
        }
    }
}

/// What a service of ours failed is tried again by a message of its own, and put aside once that has not helped.
fn after_error(item: &NightItem, error: &SyncError) -> Next {
    match error {
        SyncError::Store(StoreError::Unavailable(_) | StoreError::Busy)
        | SyncError::Vault(VaultError::Unavailable)
        | SyncError::Contended => match try_delay(item.tries) {
            Some(delay) => Next::Again(NightItem { tries: item.tries + 1, ..item.clone() }, delay),
            None => Next::Park(error.to_string()),
        },
        SyncError::Store(StoreError::Corrupt(_) | StoreError::Refused(_))
        | SyncError::Vault(VaultError::NotForThisItem)
        | SyncError::Panicked => Next::Park(error.to_string()),
    }
}

/// Sends what is to be sent, and gives what is to be counted.
async fn follow(
    deps: &Deps,
    message: &NightMessage,
    nexts: Vec<Next>,
) -> Result<Vec<(u8, Settled)>, QueueError> {
    let mut settled = Vec::with_capacity(nexts.len());
    let (mut again, mut delay) = (Vec::new(), Duration::ZERO);
    for (item, next) in message.items.iter().zip(nexts) {
        // A removal that has lost its message is asked for once more.
        if deps.leftovers.take(&item.at) {
            deps.removals.send(&RemovalMessage::of_item(item.at.clone()), Duration::ZERO).await?;
        }
        match next {
            Next::Settled(outcome) => settled.push((item.place, outcome)),
            Next::Again(item, after) => {
                again.push(item);
                delay = delay.max(after);
            }
            Next::Park(reason) => {
                deps.dead_letters.park(&letter(message, item, reason)).await?;
                edge::metrics::emit(&[], &[("ParkedMessages", "Count", 1)]);
                settled.push((item.place, Settled::Parked));
            }
        }
    }
    if !again.is_empty() {
        deps.queue.send(&message.with(again), delay.min(LONGEST_DELAY)).await?;
    }
    Ok(settled)
}

async fn count(deps: &Deps, message: &NightMessage, settled: &[(u8, Settled)]) -> Verdict {
    if message.is_counted {
        return Verdict::Done;
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match deps.counting.count(message, settled, deps.sync.clock.now()).await {
            Ok(counted) => {
                emit(message, &counted);
                return Verdict::Done;
            }
            Err(StoreError::Unavailable(_) | StoreError::Busy) if tries < COUNTS => {
                deps.sync.clock.sleep(COUNT_PAUSE * tries).await;
            }
            Err(error) => return Verdict::Retry(error.to_string()),
        }
    }
}

fn emit(message: &NightMessage, counted: &NightCounts) {
    tracing::info!(
        target: "function",
        night = %message.night,
        shard = %message.shard,
        number = message.number,
        succeeded = counted.succeeded,
        failed = counted.failed,
        fresh = counted.fresh,
        gone = counted.gone,
        parked = counted.parked,
        rows = counted.rows,
        "night message counted"
    );
    let metrics = [
        ("NightSucceeded", counted.succeeded),
        ("NightFailed", counted.failed),
        ("NightFresh", counted.fresh),
        ("NightGone", counted.gone),
        ("NightParked", counted.parked),
        ("NightRowsChanged", counted.rows),
    ];
    let metrics: Vec<_> = metrics.iter().filter(|(_, count)| *count > 0).collect();
    if !metrics.is_empty() {
        let metrics: Vec<_> = metrics.iter().map(|(name, count)| (*name, "Count", *count)).collect();
        edge::metrics::emit(&[], &metrics);
    }
}

/// A line for whatever is not as it should be; the others are in the counts.
fn report(message: &NightMessage, item: &NightItem, outcome: &Result<Outcome, SyncError>) {
    let (name, code) = match outcome {
        Ok(Outcome::Failed(error)) => ("refused", error.code.clone()),
        Ok(Outcome::HandOver(after)) => ("hand_over", format!("{} s", after.as_secs())),
        Err(error) => ("failed", error.to_string()),
        Ok(_) => return,
    };
    tracing::info!(
        target: "function",
        night = %message.night,
        item_id = %item.at.item,
        outcome = name,
        code,
        "item not synced"
    );
}
