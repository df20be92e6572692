//! The ports of the store, besides those of the sync. The adapter is `shared/store`.
//!
//! Every read that decides a write is consistent and never from an index.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    account::Account,
    bank::BankItem,
    ids::{HouseholdId, ItemId, ItemRef, PlaidItemId, UserId},
    item::{Connection, NewItem, SyncState},
};

pub use crate::search::Listed;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It does not answer, throttles or refuses us: try again. Whether a write took effect is not known.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// Another write was at the same row: try again at once.
    #[error("the row was busy")]
    Busy,
    /// The store refused our request as malformed or too large: ours to mend.
    #[error("the store refused a request: {0}")]
    Refused(String),
    /// A row that cannot be read: ours to mend.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(&'static str),
}

/// Reads connections for people.
#[async_trait]
pub trait Connections: Send + Sync {
    /// All connections of a household with their accounts; one query a megabyte.
    async fn connections(&self, household: &HouseholdId) -> Result<Vec<Connection>, StoreError>;
}

/// Reads one connection for whoever waits on its sync.
#[async_trait]
pub trait OneConnection: Send + Sync {
    /// The item with its accounts, read consistently.
    async fn connection(&self, at: &ItemRef) -> Result<Option<Connection>, StoreError>;
}

/// A sync that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The number that the message carries.
    pub number: u64,
    /// When the item will be calm again, if webhooks have come thick.
    pub calm: Option<Timestamp>,
}

/// Asks for syncs.
#[async_trait]
pub trait SyncRequests: Send + Sync {
    /// Adds one to the item's `want` and returns it: the number that the message carries. `None` if there is no
    /// such item or it is on its way out. Not idempotent: a second call asks for a second sync.
    async fn want_sync(&self, at: &ItemRef) -> Result<Option<Wanted>, StoreError>;
}

/// What a webhook, or a person back from Link, tells of an item. Only a hint: the sync that is asked for finds out.
#[async_trait]
pub trait Hints: Send + Sync {
    /// As [`SyncRequests::want_sync`], and that sync looks at all of the item's accounts.
    async fn want_look(&self, at: &ItemRef) -> Result<Option<Wanted>, StoreError>;

    /// Notes that Link is being opened to select the item's accounts.
    async fn mark_account_selection(&self, at: &ItemRef, now: Timestamp) -> Result<(), StoreError>;

    /// The bank ends the connection at `until`, by the code `reason`. False if that is known already, or the item does
    /// not work anyway.
    async fn expires(
        &self,
        at: &ItemRef,
        reason: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Its user has been in update mode: it does not end any more, and all accounts that are offered have been seen.
    async fn renewed(&self, at: &ItemRef, now: Timestamp) -> Result<(), StoreError>;

    /// The bank has accounts that are not shared with us.
    async fn has_new_accounts(&self, at: &ItemRef) -> Result<(), StoreError>;
}

/// Where Plaid's id of an item leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownItem {
    /// To an item.
    Here(ItemRef),
    /// To one that was removed or replaced.
    Gone,
}

/// The way from Plaid's ids to ours.
#[async_trait]
pub trait PlaidItems: Send + Sync {
    /// Where it leads; `None` if nobody has heard of it, yet.
    async fn find(&self, id: &PlaidItemId) -> Result<Option<KnownItem>, StoreError>;
}

/// Who opened a Link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSession {
    /// The SHA-256 of the link token, in hexadecimal.
    pub token_hash: String,
    /// Where the connection will be.
    pub household: HouseholdId,
    /// Who links.
    pub user: UserId,
    /// The item that is repaired; none for a new connection.
    pub item: Option<ItemId>,
    /// Whether it ends without the app, on a page of Plaid's: then a webhook brings its connections.
    pub is_hosted: bool,
    /// When it was opened.
    pub began: Timestamp,
}

/// Remembers who opened which Link.
#[async_trait]
pub trait LinkSessions: Send + Sync {
    /// Remembers a session, for longer than Plaid keeps it open.
    async fn remember(&self, session: &LinkSession) -> Result<(), StoreError>;

    /// The session of a link token.
    async fn session(&self, token_hash: &str) -> Result<Option<LinkSession>, StoreError>;
}

/// What is remembered of an exchange that is under way: if we die between Plaid's answer and the stored token, this
/// row is all that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The SHA-256 of the public token, in hexadecimal.
    pub token_hash: String,
    /// Where the item will live.
    pub at: ItemRef,
    /// Who links.
    pub user: UserId,
    /// When it began.
    pub began: Timestamp,
    /// If it goes into the place of one that works no more: how many will have gone before it there.
    pub succession: Option<u32>,
}

/// Remembers exchanges that are under way.
#[async_trait]
pub trait Intents: Send + Sync {
    /// Remembers `intent`, or returns the one that is already there under the same token.
    async fn begin(&self, intent: &Intent) -> Result<Option<Intent>, StoreError>;

    /// Remembers where the item goes, now that it is known.
    async fn place(&self, intent: &Intent) -> Result<(), StoreError>;

    /// The exchange is complete. For a day the same public token leads to what it has made.
    async fn linked(&self, intent: &Intent, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets it: the exchange certainly did not happen, or was taken back.
    async fn end(&self, token_hash: &str) -> Result<(), StoreError>;

    /// All that never ended, oldest first.
    async fn unfinished(&self) -> Result<Vec<Intent>, StoreError>;
}

/// What became of storing a new item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is stored.
    Stored,
    /// Plaid's item is connected already, here or in another household.
    AlreadyConnected,
    /// The household is gone, or on its way out.
    NoHousehold,
}

/// What became of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// The new item stands in the old one's place.
    Stored,
    /// Plaid's item is connected already, here or in another household.
    AlreadyConnected,
    /// The household is gone, or on its way out.
    NoHousehold,
    /// The old item changed meanwhile: read again.
    Conflict,
}

/// What became of saving an item's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// They are stored.
    Stored,
    /// The item changed meanwhile: read again.
    Conflict,
}

/// Stores new connections.
#[async_trait]
pub trait NewConnections: Send + Sync {
    /// Stores the item with its sealed token and the way back from Plaid's id to it, in one transaction. Storing the
    /// same item again is success.
    async fn add(&self, item: &NewItem) -> Result<Added, StoreError>;

    /// Saves accounts of an item, as of its `rev`, together with what Plaid said of the bank. Then all are known.
    async fn save_accounts(
        &self,
        at: &ItemRef,
        rev: u64,
        accounts: &[Account],
        bank: &BankItem,
        now: Timestamp,
    ) -> Result<Saved, StoreError>;

    /// Puts a new item of Plaid's into the place of one that works no more, as of its `rev`: its accounts and history go
    /// on under their own ids. The token of the old one is kept until that one is gone at Plaid.
    async fn replace(&self, old: &SyncState, new: &NewItem) -> Result<Replaced, StoreError>;
}
