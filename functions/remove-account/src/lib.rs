//! `DELETE /api/v1/plaid/accounts/{account_id}` — stops one account; its siblings live. Its data goes, or stays as a manual
//! account's with `?data=keep`. The last one takes the item with it, at Plaid too.
//!
//! Order of effects: the account is stopped → message. From then on no sync writes of it. Whoever reads the message erases its
//! data, and removes the item if no account is left that lives. A crash between the two leaves that to the night; the same
//! request again asks for it at once.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    account::AccountState,
    category::Categories,
    household::{Memberships, Permission, one_item},
    ids::{AccountId, ItemId, ItemRef},
    item::{HealthState, SyncState},
    removal::{Data, RemovalMessage, RemovalQueue, RemovalStarts},
    store::OneConnection,
    sync::SyncReads,
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
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
    /// The household's merges: merged accounts are removed together.
    pub categories: Arc<dyn Categories>,
    /// The item with its revision.
    pub reads: Arc<dyn SyncReads>,
    /// Begins removals.
    pub removals: Arc<dyn RemovalStarts>,
    /// The queue of removals.
    pub queue: Arc<dyn RemovalQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Tries while a sync writes too.
const TRIES: u32 = 20;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize, JsonSchema)]
struct Answer {
    account_id: AccountId,
    item_id: ItemId,
    #[schemars(extend("const" = "removing"))]
    status: &'static str,
    /// Whether it was the last one, and the connection goes too.
    item_removed: bool,
}

/// Removes an account.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let mut query = request.query();
    let data = query.value::<Data>("data").unwrap_or(Data::Delete);
    query.finish()?;
    let missing = || Problem::not_found("account_not_found", "account");
    let account: AccountId = request.path("account_id", missing)?;
    let item = account.item();
    let found =
        one_item(&*deps.memberships, &*deps.connections, &request.user, &item, Permission::Connect).await;
    let at = found.map_err(|error| Problem::no_access(error, "account_not_found", "account"))?.item.at;
    let group = deps.categories.tree(&at.household).await?.merges().group(&account);
    let mut item_removed = None;
    for part in &group {
        let at = ItemRef { household: at.household.clone(), item: part.item() };
        let Some(is_last) = stop(deps, &at, part, data).await? else { continue };
        item_removed = Some(item_removed.unwrap_or(false) || is_last);
        deps.queue.send(&RemovalMessage::of_item(at), Duration::ZERO).await?;
    }
    let item_removed = item_removed.ok_or_else(missing)?;
    Reply::json(202, &Answer { account_id: account, item_id: item, status: "removing", item_removed })
}

/// Stops the account; whether it was the last one, with which the item goes. `None` if it is not there.
async fn stop(deps: &Deps, at: &ItemRef, account: &AccountId, data: Data) -> Result<Option<bool>, Problem> {
    for _ in 0..TRIES {
        let Some(state) = deps.reads.state(at).await? else { return Ok(None) };
        let Some(found) = state.accounts.iter().find(|stored| stored.id == *account) else { return Ok(None) };
        let is_stopped = match found.state {
            // What an earlier request began: whoever erases is asked again.
            AccountState::Removed { erased: false } => true,
            AccountState::Removed { erased: true } => return Ok(None),
            AccountState::Manual => data == Data::Keep,
            AccountState::Live | AccountState::Unshared { .. } | AccountState::Merged => false,
        };
        let keep_data = data == Data::Keep;
        if is_stopped || deps.removals.stop_account(at, state.rev, account, keep_data).await? {
            return Ok(Some(is_last(&state, account)));
        }
        deps.clock.sleep(PAUSE).await;
    }
    Err(Problem::later("store_unavailable", "The account is being synced. Try again in a moment.", 2))
}

/// Whether the item goes: it does already, or no other account keeps it alive.
fn is_last(state: &SyncState, account: &AccountId) -> bool {
    match state.item.health.state {
        HealthState::Removing => true,
        HealthState::Removed => false,
        HealthState::Healthy
        | HealthState::NeedsLogin
        | HealthState::Expiring
        | HealthState::Revoked
        | HealthState::Unsupported => {
            state.accounts.iter().filter(|other| other.id != *account).all(|other| other.state.is_stopped())
        }
    }
}
