//! What is to be removed, and who comes to do it. The item's row remembers what is left to do (its `Leftovers`): a message
//! only says that somebody should look, and may come twice, late, or again next night.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ids::{AccountId, HouseholdId, ItemRef},
    item::SyncState,
    secret::SealedToken,
    store::StoreError,
    sync::QueueError,
};

/// What becomes of accounts and transactions when their connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Data {
    /// They go too.
    Delete,
    /// They stay, and are kept by hand.
    Keep,
}

/// Neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be delete or keep")]
pub struct NoSuchData;

impl std::str::FromStr for Data {
    type Err = NoSuchData;

    fn from_str(text: &str) -> Result<Self, NoSuchData> {
        match text {
            "delete" => Ok(Self::Delete),
            "keep" => Ok(Self::Keep),
            _ => Err(NoSuchData),
        }
    }
}

/// Asks for somebody to come and remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalMessage {
    /// What.
    pub what: Removal,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
}

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// What the item's row says.
    Item(ItemRef),
    /// An item at Plaid that could not be stored here: no row remembers it.
    Token {
        /// Where it would have been.
        at: ItemRef,
        /// Its sealed token.
        token: SealedToken,
    },
    /// A household that is ending, and all that is in it.
    Household(HouseholdId),
}

impl Removal {
    /// Whose it is.
    pub fn household(&self) -> &HouseholdId {
        match self {
            Self::Item(at) | Self::Token { at, .. } => &at.household,
            Self::Household(household) => household,
        }
    }
}

impl RemovalMessage {
    /// What the item's row says.
    pub fn of_item(at: ItemRef) -> Self {
        Self { what: Removal::Item(at), tries: 0 }
    }

    /// An item at Plaid that has no row here.
    pub fn of_token(at: ItemRef, token: SealedToken) -> Self {
        Self { what: Removal::Token { at, token }, tries: 0 }
    }

    /// A household that is ending.
    pub fn of_household(household: HouseholdId) -> Self {
        Self { what: Removal::Household(household), tries: 0 }
    }

    /// The same again, and when: for as long as it takes, since what is left at Plaid is billed.
    pub fn again(&self) -> (Self, Duration) {
        const FIRST: Duration = Duration::from_secs(30);
        const LONGEST: Duration = Duration::from_mins(15);
        let delay = FIRST.saturating_mul(1 << self.tries.min(6)).min(LONGEST);
        (Self { tries: self.tries.saturating_add(1), ..self.clone() }, delay)
    }
}

/// The queue of removals.
#[async_trait]
pub trait RemovalQueue: Send + Sync {
    /// Queues a message to be seen after `delay` (at most 15 minutes). Delivered at least once, in any order.
    async fn send(&self, message: &RemovalMessage, delay: Duration) -> Result<(), QueueError>;
}

/// What became of the beginning of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It has begun, now or before.
    Removing,
    /// There is no such item, or none any more.
    NotThere,
}

/// Begins removals. Each of these bumps the item's revision, so that no sync that is under way writes after it.
#[async_trait]
pub trait RemovalStarts: Send + Sync {
    /// Marks the item as being removed: nothing syncs any more.
    async fn remove_item(&self, at: &ItemRef, keep_data: bool, now: Timestamp) -> Result<Begun, StoreError>;

    /// Stops one account, as of the item's `rev`; false if the item changed meanwhile. An item whose last account this
    /// was is removed by whoever comes.
    async fn stop_account(
        &self,
        at: &ItemRef,
        rev: u64,
        account: &AccountId,
        keep_data: bool,
    ) -> Result<bool, StoreError>;
}

/// Ends removals. Every step may be done again.
#[async_trait]
pub trait RemovalSteps: Send + Sync {
    /// Erases some of an item's transactions, balances and ledger, those of one account if it is named; whether there
    /// are more.
    async fn erase_some(&self, at: &ItemRef, account: Option<&AccountId>) -> Result<bool, StoreError>;

    /// Remembers that an account's data is gone. Of an item that is gone as well, the account's row goes too, and with the
    /// last one the item's. Busy if the item changed meanwhile.
    async fn account_erased(&self, at: &ItemRef, account: &AccountId) -> Result<(), StoreError>;

    /// Begins the removal of an item that is at Plaid for nobody, as of the state that was read: Busy if it has changed. What
    /// was kept of it stays.
    async fn remove_forsaken(&self, state: &SyncState, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets the token of an item that was replaced and is gone at Plaid.
    async fn forget_replaced(&self, at: &ItemRef, token: &SealedToken) -> Result<(), StoreError>;

    /// Turns an item that is gone at Plaid into its tombstone: the token is destroyed, its accounts go or become manual
    /// ones, and the way from Plaid's id leads to nothing any more. As of the state that was read: Busy if it has changed, or
    /// has something that is to be erased first, since nobody would find it afterwards.
    async fn bury(&self, state: &SyncState, now: Timestamp) -> Result<(), StoreError>;
}
