//! `POST /api/v1/plaid/accounts/{account_id}/sync` — syncs the account's item now: 200 with counts, or 202 when it takes
//! longer than 20 seconds or history is still coming.
//!
//! Order of effects: `want` + 1 → message → wait until the worker has covered that number. A crash after the first step
//! leaves a number that the next sync covers; the caller asks again.

pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    household::{Memberships, Permission},
    ids::{AccountId, ItemRef},
    item::{Connection, Item},
    store::{OneConnection, StoreError, SyncRequests},
    sync::{Cause, SyncMessage, SyncQueue},
    time::{Clock, later},
};
use edge::{
    Problem,
    http::{Reply, Request},
};
use jiff::Timestamp;
use serde::Serialize;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item, while it is waited for.
    pub connection: Arc<dyn OneConnection>,
    /// Where syncs are asked for.
    pub requests: Arc<dyn SyncRequests>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// How long the caller waits for the worker.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks: short at first, since most syncs take less than a second.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const BUSY_TRIES: u32 = 6;
/// What is kept for the answer.
const ANSWER: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Answer {
    transactions_added: u32,
    transactions_modified: u32,
    transactions_removed: u32,
    last_synced_at: Timestamp,
}

#[derive(Serialize)]
struct Running {
    status: &'static str,
}

/// Syncs the item of an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let _: Empty = request.json()?;
    let missing = || Problem::not_found("account_not_found", "account");
    let account: AccountId = request.path("account_id", missing)?;
    let before = find(deps, &request, &account).await?.ok_or_else(missing)?;
    let number = want(deps, &before.at).await?.ok_or_else(missing)?;
    deps.queue.send(&SyncMessage::numbered(before.at.clone(), number, Cause::Person), Duration::ZERO).await?;
    match wait(deps, &before, number, request.deadline).await? {
        Some(reply) => Ok(reply),
        None => Reply::json(202, &Running { status: "running" }),
    }
}

/// Asks for a sync. The item's row is busy while a large update is being written: the moment passes.
async fn want(deps: &Deps, at: &ItemRef) -> Result<Option<u64>, StoreError> {
    let mut pause = FIRST_LOOK;
    for _ in 0..BUSY_TRIES {
        match deps.requests.want_sync(at).await {
            Err(StoreError::Busy) => deps.clock.sleep(pause).await,
            other => return other,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    deps.requests.want_sync(at).await
}

/// This endpoint takes no fields.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// The item of the account, in the one of the caller's households that has it.
async fn find(deps: &Deps, request: &Request, account: &AccountId) -> Result<Option<Item>, Problem> {
    for membership in deps.memberships.memberships(&request.user).await? {
        let at = ItemRef { household: membership.household, item: account.item() };
        let Some(Connection { item, accounts }) = deps.connection.connection(&at).await? else { continue };
        let Some(found) = accounts.iter().find(|stored| stored.id == *account) else { continue };
        if !membership.role.allows(Permission::Connect) {
            return Err(domain::household::AccessError::NotAllowed.into());
        }
        if found.stopped || !item.health.may_sync() {
            let advice = item.health.advice().unwrap_or("The account was stopped.");
            return Err(Problem::new(409, "account_inactive", advice));
        }
        return Ok(Some(item));
    }
    Ok(None)
}

/// Looks at the item until the worker has covered `number`, has failed at it, or the patience is over.
async fn wait(
    deps: &Deps,
    before: &Item,
    number: u64,
    deadline: Timestamp,
) -> Result<Option<Reply>, Problem> {
    let answered = deadline.checked_sub(ANSWER).unwrap_or(deadline);
    let end = later(deps.clock.now(), PATIENCE).min(answered);
    let mut pause = FIRST_LOOK;
    while deps.clock.now() < end {
        deps.clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let connection = deps.connection.connection(&before.at).await?;
        let item = connection.ok_or_else(|| Problem::not_found("account_not_found", "account"))?.item;
        if item.done >= number {
            return covered(before, &item);
        }
        if let Some(failure) = item.failure.as_ref().filter(|failure| failure.want >= number) {
            return Err(refused(&item, &failure.code, failure.retry_at));
        }
    }
    Ok(None)
}

/// `None` while history is still coming: the counts would tell half of it.
fn covered(before: &Item, item: &Item) -> Result<Option<Reply>, Problem> {
    let Some(run) = item.last_run.filter(|_| !item.history.is_coming()) else { return Ok(None) };
    let counts = item.totals.since(before.totals);
    let answer = Answer {
        transactions_added: counts.added,
        transactions_modified: counts.modified,
        transactions_removed: counts.removed,
        last_synced_at: run.at,
    };
    Reply::json(200, &answer).map(Some)
}

fn refused(item: &Item, code: &str, retry_at: Option<Timestamp>) -> Problem {
    // The item says what happened in words that a person can act on.
    let words = item.trouble().unwrap_or_default();
    let problem = match (item.health.advice(), retry_at) {
        (Some(_), _) => Problem::new(409, "item_needs_attention", words),
        (None, Some(_)) => Problem::later("bank_unavailable", words, 60),
        (None, None) => Problem::new(500, "plaid_refused", words),
    };
    Problem { plaid_code: Some(code.to_owned()), ..problem }
}
