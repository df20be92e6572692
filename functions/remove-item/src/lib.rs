//! `DELETE /api/v1/plaid/items/{item_id}` — disconnects a bank: nothing syncs any more, the item goes at Plaid, its token is
//! destroyed; accounts and transactions go too, or stay as manual ones with `?data=keep`.
//!
//! Order of effects: the item is marked → message. From the mark on nothing syncs it. A crash between the two leaves an item
//! that is being removed and that nobody comes to remove until the night; the same request again asks for it at once.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::{Account, AccountState},
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::{ItemId, ItemRef},
    item::{Connection, Item},
    removal::{Begun, Data, RemovalMessage, RemovalQueue, RemovalStarts},
    store::{OneConnection, StoreError},
    sync::SyncReads,
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
    waiting::ask,
};
use schemars::JsonSchema;
use serde::Serialize;

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// The item.
    pub connections: Arc<dyn OneConnection>,
    /// Items of merged accounts.
    pub reads: Arc<dyn SyncReads>,
    /// The household's merges.
    pub categories: Arc<dyn Categories>,
    /// Begins removals.
    pub removals: Arc<dyn RemovalStarts>,
    /// The queue of removals.
    pub queue: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    item_id: ItemId,
    #[schemars(extend("const" = "removing"))]
    status: &'static str,
}

/// Removes an item.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let data = query.value::<Data>("data").unwrap_or(Data::Delete);
    query.finish()?;
    let missing = || Problem::not_found("item_not_found", "item");
    let item: ItemId = request.path("item_id", missing)?;
    let found =
        one_item(&*deps.memberships, &*deps.connections, &request.user, &item, Permission::Connect).await;
    let found = found.map_err(|error| Problem::no_access(error, "item_not_found", "item"))?;
    let Connection { item: Item { at, .. }, accounts } = found;
    let (clock, keep_data) = (&*deps.clock, data == Data::Keep);
    match ask(clock, async || deps.removals.remove_item(&at, keep_data, clock.now()).await).await? {
        Begun::NotThere => return Err(missing()),
        Begun::Removing => {}
    }
    if data == Data::Delete {
        remove_merged(deps, &at, &accounts).await?;
    }
    deps.queue.send(&RemovalMessage::of_item(at), Duration::ZERO).await?;
    Reply::json(202, &Answer { item_id: item, status: "removing" })
}

/// Deletes accounts of other items that are merged with accounts of this item.
async fn remove_merged(deps: &Deps, at: &ItemRef, accounts: &[Account]) -> Result<(), Problem> {
    let tree = deps.categories.tree(&at.household).await?;
    let parts = accounts.iter().flat_map(|account| tree.merges().group(&account.id));
    for part in parts.filter(|part| part.item() != at.item) {
        let other = ItemRef { household: at.household.clone(), item: part.item() };
        let stop = async || {
            let Some(state) = deps.reads.state(&other).await? else { return Ok(()) };
            let stored = state.accounts.iter().find(|account| account.id == part);
            let is_removed =
                stored.is_none_or(|account| matches!(account.state, AccountState::Removed { .. }));
            if is_removed || deps.removals.stop_account(&other, state.rev, &part, false).await? {
                return Ok(());
            }
            Err(StoreError::Busy)
        };
        ask(&*deps.clock, stop).await?;
        deps.queue.send(&RemovalMessage::of_item(other), Duration::ZERO).await?;
    }
    Ok(())
}
