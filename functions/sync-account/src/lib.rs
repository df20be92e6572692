//! `POST /api/v1/plaid/accounts/{account_id}/sync` — syncs the account's item now: 200 with counts, or 202 when it takes
//! longer than 20 seconds or history is still coming.
//!
//! Order of effects: `want` + 1 → message → wait until the worker has covered that number. A crash after the first step
//! leaves a number that the next sync covers; the caller asks again.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::visible_account,
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::AccountId,
    item::Item,
    limit::SYNCS,
    store::{Connections, OneConnection, SyncRequests},
    sync::{Cause, SyncMessage, SyncQueue},
    time::{Clock, later},
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
    waiting::{Waited, ask, refused, wait},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item, while it is waited for.
    pub connection: Arc<dyn OneConnection>,
    /// The household's accounts, for a merged account.
    pub household: Arc<dyn Connections>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
    /// Where syncs are asked for.
    pub requests: Arc<dyn SyncRequests>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

/// For so long after a sync another one finds nothing new while history is coming.
const JUST_SYNCED: Duration = Duration::from_secs(3);

#[derive(Serialize, JsonSchema)]
struct Answer {
    transactions_added: u32,
    transactions_modified: u32,
    transactions_removed: u32,
    last_synced_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
struct Running {
    #[schemars(extend("const" = "running"))]
    status: &'static str,
}

/// Syncs the item of an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| sync(deps, &request).await).await
}

async fn sync(deps: &Deps, request: &Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let _: Empty = request.json()?;
    let missing = || Problem::not_found("account_not_found", "account");
    let account: AccountId = request.path("account_id", missing)?;
    let before = find(deps, request, &account).await?.ok_or_else(missing)?;
    let at = &before.at;
    if is_just_synced(&before, deps.clock.now()) {
        return Ok(running()?.of(at.household.clone()));
    }
    deps.once.within(&SYNCS, &at.item).await?;
    let wanted = ask(&*deps.clock, async || deps.requests.want_sync(at).await).await?;
    let number = wanted.ok_or_else(missing)?.number;
    deps.queue.send(&SyncMessage::numbered(at.clone(), number, Cause::Person), Duration::ZERO).await?;
    let counted = match wait(&*deps.connection, &*deps.clock, at, number, request.deadline).await? {
        Waited::Gone => return Err(missing()),
        Waited::Failed(item) => return Err(refused(&item)),
        Waited::Running => None,
        Waited::Covered(item) => covered(&before, &item)?,
    };
    let reply = match counted {
        Some(reply) => reply,
        None => running()?,
    };
    Ok(reply.of(at.household.clone()))
}

/// While history is coming, what a sync would find was found just now: webhooks and looks of our own bring the rest.
fn is_just_synced(item: &Item, now: Timestamp) -> bool {
    let last = item.last_run.filter(|_| item.history.is_coming() && item.failure.is_none());
    last.is_some_and(|run| now < later(run.at, JUST_SYNCED))
}

fn running() -> Result<Reply, Problem> {
    Reply::json(202, &Running { status: "running" })
}

/// This endpoint takes no fields.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// The item of the account, in the one of the caller's households that has it.
async fn find(deps: &Deps, request: &Request, account: &AccountId) -> Result<Option<Item>, Problem> {
    let (memberships, connection) = (&*deps.memberships, &*deps.connection);
    let found = one_item(memberships, connection, &request.user, &account.item(), Permission::Connect).await;
    let no_access = |error| Problem::no_access(error, "account_not_found", "account");
    let found = found.map_err(no_access)?;
    let visible = visible_account(&*deps.household, &*deps.categories, found, account).await?;
    let Some((item, account)) = visible else { return Ok(None) };
    if account.state.is_stopped() || !item.health.may_sync() {
        let advice = item.health.advice().unwrap_or("The account was stopped.");
        return Err(Problem::new(409, "account_inactive", advice));
    }
    Ok(Some(item))
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
