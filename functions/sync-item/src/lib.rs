//! The sync worker — SQS, the queue of syncs.
//!
//! Each message names an item; the run is `domain::sync::sync`. Order of effects: the run's commits → the next look for
//! history, or a hand-over message. A crash before the commit leaves nothing; after it, the message comes again and finds
//! its number covered, and then sends what was not sent.

pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::merging::{self, MergeError},
    bank::{BankError, HistoryStatus, Meaning, Patience},
    ids::ItemRef,
    removal::{RemovalMessage, RemovalQueue},
    store::StoreError,
    sync::{
        self, Cause, LONGEST_DELAY, Next, Outcome, SyncError, SyncMessage, SyncQueue, Trigger, Turns,
        next_poll, next_try,
    },
    time::until,
    vault::VaultError,
};
use edge::batch::{Message, Verdict};
use jiff::Timestamp;

/// What this function reaches the world through.
pub struct Deps {
    /// What a run needs.
    pub sync: sync::Deps,
    /// The queue of syncs, for what comes next.
    pub queue: Arc<dyn SyncQueue>,
    /// The queue of removals, for a new item that is refused.
    pub removals: Arc<dyn RemovalQueue>,
    /// Compares new accounts with the others of the household; `None` in the simulator, whose ledger has no merged accounts.
    pub merging: Option<merging::Deps>,
    /// Who is at which item, in this process.
    pub turns: Turns,
}

/// What a run needs at the least; whoever has less waits for no turn.
const RUN: Duration = Duration::from_secs(20);
/// For whoever's turn did not come.
const LATER: Duration = Duration::from_secs(5);

/// Syncs one item.
pub async fn handle(deps: &Deps, message: Message<SyncMessage>) -> Verdict {
    let Message { content, deadline } = message;
    if content.is_hop() {
        return send_next(deps, next_poll(&content)).await;
    }
    let trigger = Trigger {
        at: content.at.clone(),
        want: content.want,
        cause: content.cause,
        deadline,
        fresh_within: None,
    };
    let began = deps.sync.clock.now();
    let patience = until(began, deadline).saturating_sub(RUN);
    let Some(_turn) = deps.turns.take(&content.at, &*deps.sync.clock, patience).await else {
        return send(deps, &content, LATER).await;
    };
    let outcome = sync::sync(&deps.sync, &trigger).await;
    report(&content, &outcome, began, deps.sync.clock.now());
    match outcome {
        Ok(Outcome::Finished { is_partial: true, .. } | Outcome::AlreadyDone { is_partial: true, .. })
            if content.poll.is_none() =>
        {
            send_next(deps, next_poll(&SyncMessage::first(content.at.clone(), 0))).await
        }
        // Whatever the status says or does not say: until it says that all is there, the schedule goes on.
        Ok(Outcome::Finished { history, .. } | Outcome::AlreadyDone { history, .. })
            if history != HistoryStatus::Complete =>
        {
            send_next(deps, next_poll(&content)).await
        }
        Ok(outcome @ Outcome::Finished { .. }) => compare_accounts(deps, &content, &outcome).await,
        Ok(
            Outcome::AlreadyDone { .. }
            | Outcome::NoItem
            | Outcome::Inactive
            | Outcome::Gone
            | Outcome::Fresh,
        ) => Verdict::Done,
        Ok(Outcome::Refused) => remove(deps, &content.at).await,
        Ok(Outcome::HandOver(after)) => send(deps, &content, after).await,
        Ok(Outcome::Failed(error)) => after_refusal(deps, &content, &error).await,
        Err(error) => after_error(&error),
    }
}

/// Compares new accounts with the others of the household. Idempotent, so a redelivery is safe.
async fn compare_accounts(deps: &Deps, message: &SyncMessage, outcome: &Outcome) -> Verdict {
    let Some(merging) = &deps.merging else { return Verdict::Done };
    match merging::compare_after(merging, &message.at, outcome, message.poll.is_some()).await {
        Err(MergeError::Store(error)) => after_error(&error.into()),
        Err(MergeError::Queue(error)) => Verdict::Retry(error.to_string()),
        // After a refusal the accounts have changed meanwhile: the next run compares them as they are then.
        Ok(())
        | Err(
            MergeError::NotFound
            | MergeError::Merged
            | MergeError::Different
            | MergeError::HistoryComing
            | MergeError::NotMerged
            | MergeError::TooLate,
        ) => Verdict::Done,
    }
}

/// What comes next, if the schedule has anything.
async fn send_next(deps: &Deps, next: Option<Next>) -> Verdict {
    match next {
        Some(Next { message, delay }) => send(deps, &message, delay).await,
        None => Verdict::Done,
    }
}

async fn send(deps: &Deps, message: &SyncMessage, delay: Duration) -> Verdict {
    match deps.queue.send(message, delay.min(LONGEST_DELAY)).await {
        Ok(()) => Verdict::Done,
        Err(error) => Verdict::Retry(error.to_string()),
    }
}

/// Asks for the removal of an item; the night would ask as well, since the item's row says so.
async fn remove(deps: &Deps, at: &ItemRef) -> Verdict {
    match deps.removals.send(&RemovalMessage::of_item(at.clone()), Duration::ZERO).await {
        Ok(()) => Verdict::Done,
        Err(error) => Verdict::Retry(error.to_string()),
    }
}

/// What the bank's side refused stands on the item already. What passes is tried again by a message of its own: the
/// queue's own retries, and the dead letters behind them, are for what we did not understand. Unless it is put aside,
/// the looks for the history go on: one of them may find that it is over.
async fn after_refusal(deps: &Deps, message: &SyncMessage, error: &BankError) -> Verdict {
    let again = match error.meaning {
        Meaning::Later { patience: Patience::Seconds | Patience::Minute, retry_after_s } => {
            next_try(message, Duration::from_secs(retry_after_s.unwrap_or_default().into()))
        }
        Meaning::RestartPagination => next_try(message, Duration::ZERO),
        Meaning::Later { patience: Patience::Hours, .. }
        | Meaning::NeedsUser
        | Meaning::Gone
        | Meaning::Unsupported
        | Meaning::AccountGone => None,
        Meaning::CursorRefused | Meaning::Endless | Meaning::PublicTokenRefused | Meaning::OurFault => {
            return Verdict::Park(error.to_string());
        }
    };
    // The sweep comes again by itself: a chain of its own for each of its messages would multiply.
    let again = again.filter(|_| message.cause != Cause::Sweep);
    send_next(deps, again.or_else(|| next_poll(message))).await
}

fn after_error(error: &SyncError) -> Verdict {
    match error {
        SyncError::Store(StoreError::Unavailable(_) | StoreError::Busy)
        | SyncError::Vault(VaultError::Unavailable)
        | SyncError::Contended => Verdict::Retry(error.to_string()),
        SyncError::Store(StoreError::Corrupt(_) | StoreError::Refused(_))
        | SyncError::Vault(VaultError::NotForThisItem)
        | SyncError::Panicked => Verdict::Park(error.to_string()),
    }
}

fn report(message: &SyncMessage, outcome: &Result<Outcome, SyncError>, began: Timestamp, ended: Timestamp) {
    let name = match outcome {
        Ok(Outcome::Finished { .. }) => "finished",
        Ok(Outcome::AlreadyDone { .. }) => "already_done",
        Ok(Outcome::NoItem) => "no_item",
        Ok(Outcome::Inactive) => "inactive",
        Ok(Outcome::Refused) => "refused_as_duplicate",
        Ok(Outcome::Gone) => "gone",
        Ok(Outcome::Fresh) => "fresh",
        Ok(Outcome::HandOver(_)) => "hand_over",
        Ok(Outcome::Failed(_)) => "refused",
        Err(_) => "failed",
    };
    let counts = match outcome {
        Ok(Outcome::Finished { counts, .. }) => *counts,
        _ => domain::item::Counts::default(),
    };
    let code = match outcome {
        Ok(Outcome::Failed(error)) => Some(error.code.clone()),
        Err(error) => Some(error.to_string()),
        Ok(_) => None,
    };
    let duration_ms = u64::try_from(ended.duration_since(began).as_millis()).unwrap_or_default();
    tracing::info!(
        target: "function",
        item_id = %message.at.item,
        outcome = name,
        code,
        added = counts.added,
        modified = counts.modified,
        removed = counts.removed,
        duration_ms,
        "item synced"
    );
    let rows = u64::from(counts.added + counts.modified + counts.removed);
    edge::metrics::emit(
        &[("Outcome", name)],
        &[
            ("Syncs", "Count", 1),
            ("SyncDuration", "Milliseconds", duration_ms),
            ("RowsChanged", "Count", rows),
        ],
    );
}
