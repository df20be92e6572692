//! `POST /api/v1/plaid/items/{item_id}/repaired` — after Link in update mode: all accounts are looked at again, those that
//! were granted anew go on under their new ids, and what was missed is synced. 200 when that has worked, 202 when it takes
//! longer than 20 seconds.
//!
//! Order of effects: the item is renewed → `want` + 1, with a look at all accounts → message → wait. A crash after any of them
//! leaves an item that the next sync finds as it is; the caller asks again. Nothing is exchanged: update mode keeps the token.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::Merges,
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::{AccountId, ItemId},
    item::{Connection, HealthState},
    limit::REPAIRS,
    store::{Hints, OneConnection},
    sync::{Cause, SyncMessage, SyncQueue},
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
    waiting::{Waited, ask, refused, wait},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item, while it is waited for.
    pub connections: Arc<dyn OneConnection>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
    /// Where the look is asked for.
    pub hints: Arc<dyn Hints>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

/// This endpoint takes no fields.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Serialize, JsonSchema)]
struct Answer {
    item_id: ItemId,
    health: HealthState,
    last_synced_at: Option<Timestamp>,
    account_ids: Vec<AccountId>,
}

#[derive(Serialize, JsonSchema)]
struct Running {
    #[schemars(extend("const" = "running"))]
    status: &'static str,
}

/// Takes note that an item was repaired.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| confirm(deps, &request).await).await
}

async fn confirm(deps: &Deps, request: &Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let _: Empty = request.json()?;
    let missing = || Problem::not_found("item_not_found", "item");
    let item: ItemId = request.path("item_id", missing)?;
    let found =
        one_item(&*deps.memberships, &*deps.connections, &request.user, &item, Permission::Connect).await;
    let before = found.map_err(|error| Problem::no_access(error, "item_not_found", "item"))?.item;
    let at = before.at;
    deps.once.within(&REPAIRS, &at.item).await?;
    ask(&*deps.clock, async || deps.hints.renewed(&at, deps.clock.now()).await).await?;
    let wanted = ask(&*deps.clock, async || deps.hints.want_look(&at).await).await?;
    let number = wanted.ok_or_else(missing)?.number;
    deps.queue.send(&SyncMessage::numbered(at.clone(), number, Cause::Person), Duration::ZERO).await?;
    let reply = match wait(&*deps.connections, &*deps.clock, &at, number, request.deadline).await? {
        Waited::Gone => return Err(missing()),
        Waited::Failed(item) => return Err(refused(&item)),
        Waited::Running => Reply::json(202, &Running { status: "running" })?,
        Waited::Covered(_) => {
            let now = deps.connections.connection(&at).await?.ok_or_else(missing)?;
            let tree = deps.categories.tree(&at.household).await?;
            Reply::json(200, &answer(&now, tree.merges()))?
        }
    };
    Ok(reply.of(at.household))
}

fn answer(connection: &Connection, merges: &Merges) -> Answer {
    let Connection { item, accounts } = connection;
    Answer {
        item_id: item.at.item.clone(),
        health: item.health.state,
        last_synced_at: item.last_run.map(|run| run.at),
        account_ids: merges.visible_ids(accounts),
    }
}
