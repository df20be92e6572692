//! What Plaid's webhooks say becomes syncs, states and connections — SQS, the queue of webhooks.
//!
//! A webhook is a hint: it asks for a sync, or for a look at the item, and that one finds out. Several of one item, twice and in
//! any order, coalesce: each adds one to the item's `want`, and whatever run comes first covers all of them. Order of effects:
//! the item's row → message. A crash between the two, and the webhook comes again.

pub mod config;
mod session;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    household::Memberships,
    idempotency::RequestRecords,
    ids::{ItemRef, PlaidItemId, fingerprint},
    limit::{Counted, UNKNOWN_ITEMS},
    link,
    notice::{ItemNews, LegacyUpdate, Notice},
    store::{Hints, KnownItem, LinkSessions, OneConnection, PlaidItems, StoreError, SyncRequests, Wanted},
    sync::{Cause, LONGEST_DELAY, PACE, QueueError, SyncMessage, SyncQueue},
    time::{Clock, later, until},
    webhook::{KeyConfirmer, ReceivedWebhook},
};
use edge::{
    batch::{Message, Verdict},
    waiting::ask,
};
use jiff::Timestamp;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// From Plaid's ids to ours.
    pub plaid_items: Arc<dyn PlaidItems>,
    /// The item, where an old webhook must be compared with it.
    pub connections: Arc<dyn OneConnection>,
    /// Where syncs are asked for.
    pub requests: Arc<dyn SyncRequests>,
    /// What webhooks tell of items.
    pub hints: Arc<dyn Hints>,
    /// Who opened which Link.
    pub sessions: Arc<dyn LinkSessions>,
    /// Counts webhooks of unknown items.
    pub records: Arc<dyn RequestRecords>,
    /// The queue of syncs.
    pub queue: Arc<dyn SyncQueue>,
    /// Lists the keys of verified webhooks.
    pub confirmer: KeyConfirmer,
    /// What linking needs.
    pub link: link::Deps,
}

impl Deps {
    fn clock(&self) -> &dyn Clock {
        &*self.link.clock
    }
}

/// Plaid sends two or three webhooks of one update within a second: the sync waits for the last of them.
const GATHER: Duration = Duration::from_secs(1);
/// An item's row is stored moments after Plaid has made it; after so long nobody knows the item.
const UNKNOWN_AFTER: Duration = Duration::from_mins(15);

/// Why a webhook was not dealt with.
enum Halt {
    /// Not now.
    Retry(String),
    /// Never.
    Park(String),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Busy => Self::Retry(error.to_string()),
            StoreError::Corrupt(_) | StoreError::Refused(_) => Self::Park(error.to_string()),
        }
    }
}

impl From<QueueError> for Halt {
    fn from(error: QueueError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Deals with one webhook.
pub async fn handle(deps: &Deps, message: Message<ReceivedWebhook>) -> Verdict {
    let Message { content, deadline } = message;
    let notice = Notice::read(&content.body, content.received_at);
    report(&notice);
    let dealt_with = match notice {
        Notice::Item { id, news } => match deps.plaid_items.find(&id).await {
            Ok(Some(KnownItem::Here(at))) => item(deps, &at, news, content.received_at).await,
            // Late, or of an item that was removed meanwhile.
            Ok(Some(KnownItem::Gone)) => Ok(()),
            Ok(None) => unknown(deps, &id, content.received_at).await,
            Err(error) => Err(error.into()),
        },
        Notice::Link(news) => session::link(deps, news, deadline).await,
        Notice::Other => Ok(()),
    };
    // The webhook itself does not wait for the list of keys.
    if let Some(kid) = content.kid.as_ref().filter(|_| dealt_with.is_ok()) {
        deps.confirmer.confirm(kid).await;
    }
    match dealt_with {
        Ok(()) => Verdict::Done,
        Err(Halt::Retry(why)) => Verdict::Retry(why),
        Err(Halt::Park(why)) => Verdict::Park(why),
    }
}

/// It may have come before the item's row. An item that nobody knows for good is one at Plaid that we lost: one webhook a day
/// tells of it.
async fn unknown(deps: &Deps, id: &PlaidItemId, received_at: Timestamp) -> Result<(), Halt> {
    let (why, now) = ("no item has this id".to_owned(), deps.clock().now());
    if now <= later(received_at, UNKNOWN_AFTER) {
        return Err(Halt::Retry(why));
    }
    match deps.records.count(&UNKNOWN_ITEMS, &fingerprint(id.as_str()), now).await? {
        Counted::Within => Err(Halt::Park(why)),
        Counted::Beyond { .. } => Ok(()),
    }
}

async fn item(deps: &Deps, at: &ItemRef, news: ItemNews, received_at: Timestamp) -> Result<(), Halt> {
    match news {
        ItemNews::Updates => updates(deps, at, received_at).await,
        ItemNews::LegacyUpdates(update) => legacy(deps, at, update, received_at).await,
        ItemNews::Changed => look(deps, at).await,
        ItemNews::Ends { reason, until } => {
            let now = deps.clock().now();
            let is_news =
                ask(deps.clock(), async || deps.hints.expires(at, &reason, until, now).await).await?;
            if is_news { look(deps, at).await } else { Ok(()) }
        }
        ItemNews::NewAccounts => Ok(ask(deps.clock(), async || deps.hints.has_new_accounts(at).await).await?),
    }
}

/// Asks for a sync, unless one has begun since the webhook came.
async fn updates(deps: &Deps, at: &ItemRef, received_at: Timestamp) -> Result<(), Halt> {
    let has_come = deps.connections.connection(at).await?.is_some_and(|one| one.item.has_come(received_at));
    if has_come { Ok(()) } else { sync(deps, at).await }
}

async fn sync(deps: &Deps, at: &ItemRef) -> Result<(), Halt> {
    let wanted = ask(deps.clock(), async || deps.requests.want_sync(at).await).await?;
    send(deps, at, wanted).await
}

/// A sync that looks at all accounts: what Plaid says now is what counts.
async fn look(deps: &Deps, at: &ItemRef) -> Result<(), Halt> {
    let wanted = ask(deps.clock(), async || deps.hints.want_look(at).await).await?;
    send(deps, at, wanted).await
}

/// An item that is on its way out asks for nothing.
async fn send(deps: &Deps, at: &ItemRef, wanted: Option<Wanted>) -> Result<(), Halt> {
    let Some(Wanted { number, calm }) = wanted else { return Ok(()) };
    let message = SyncMessage::numbered(at.clone(), number, Cause::Webhook);
    Ok(deps.queue.send(&message, delay(calm, deps.clock().now())).await?)
}

/// Three syncs may come at once; then those that webhooks ask for keep their pace, and each covers all that came before.
fn delay(calm: Option<Timestamp>, now: Timestamp) -> Duration {
    let ahead = calm.map_or(Duration::ZERO, |calm| until(now, calm));
    ahead.saturating_sub(PACE * 3).clamp(GATHER, LONGEST_DELAY)
}

async fn legacy(deps: &Deps, at: &ItemRef, update: LegacyUpdate, received_at: Timestamp) -> Result<(), Halt> {
    let Some(connection) = deps.connections.connection(at).await? else { return Ok(()) };
    let item = connection.item;
    if update.is_news(&item, received_at) { sync(deps, at).await } else { Ok(()) }
}

/// Counts what came, by what it says: few names, and none of Plaid's.
fn report(notice: &Notice) {
    let name = match notice {
        Notice::Item { news: ItemNews::Updates, .. } => "updates",
        Notice::Item { news: ItemNews::LegacyUpdates(_), .. } => "legacy_updates",
        Notice::Item { news: ItemNews::Changed, .. } => "changed",
        Notice::Item { news: ItemNews::Ends { .. }, .. } => "ends",
        Notice::Item { news: ItemNews::NewAccounts, .. } => "new_accounts",
        Notice::Link(_) => "link",
        Notice::Other => "other",
    };
    tracing::info!(target: "function", says = name, "webhook read");
    edge::metrics::emit(&[("Says", name)], &[("WebhooksRead", "Count", 1)]);
}
