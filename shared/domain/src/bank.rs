//! What we ask of the bank's side (Plaid) and what its answers mean. The adapter is `shared/plaid`.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    account::BankAccount,
    ids::{Cursor, InstitutionId, PlaidItemId, TransactionId, UserId},
    open_enum::open_enum,
    secret::{AccessToken, PublicToken},
    transaction::BankFacts,
};

open_enum!(
    /// How much of an item's history Plaid has (`transactions_update_status`).
    HistoryStatus {
        /// Plaid does not say.
        Unknown = "TRANSACTIONS_UPDATE_STATUS_UNKNOWN",
        /// Nothing yet.
        NotReady = "NOT_READY",
        /// The last 30 days.
        Initial = "INITIAL_UPDATE_COMPLETE",
        /// Everything that was asked for.
        Complete = "HISTORICAL_UPDATE_COMPLETE",
    }
);

impl HistoryStatus {
    /// Whether more history is certainly on its way.
    pub fn is_coming(&self) -> bool {
        matches!(self, Self::NotReady | Self::Initial)
    }
}

/// One page of an update (`/transactions/sync`).
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPage {
    /// New transactions, oldest change first.
    pub added: Vec<BankFacts>,
    /// Changed transactions.
    pub modified: Vec<BankFacts>,
    /// Ids that are no more.
    pub removed: Vec<TransactionId>,
    /// The accounts that the page speaks of, with their balances.
    pub accounts: Vec<BankAccount>,
    /// Where to go on. `None` while Plaid has nothing: an empty cursor is never stored.
    pub next_cursor: Option<Cursor>,
    /// Whether the update has another page.
    pub has_more: bool,
    /// How far the history is.
    pub history: HistoryStatus,
    /// What Plaid's support asks for.
    pub request_id: Option<String>,
    /// Entries that name neither a transaction nor an account: nothing can be made of them. The beginning of each.
    pub left_out: Vec<String>,
}

/// The accounts of an item and what the answer says of the item itself (`/accounts/get`).
#[derive(Debug, Clone, PartialEq)]
pub struct AccountsAnswer {
    /// Every open account that the user shares.
    pub accounts: Vec<BankAccount>,
    /// The item.
    pub item: BankItem,
}

/// An item as Plaid describes it. What an answer left out is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BankItem {
    /// The institution, unless the item was linked without one.
    pub institution: Option<InstitutionId>,
    /// The institution's name for people.
    pub institution_name: Option<String>,
    /// The error that the item is in.
    pub error: Option<BankError>,
    /// Where its webhooks go, as Plaid has it; `Some(None)` is nowhere.
    pub webhook: Option<Option<String>>,
    /// When the consent ends, at banks where it does.
    pub consent_expires: Option<Timestamp>,
    /// When the bank was last asked successfully, even without news.
    pub last_successful_update: Option<Timestamp>,
}

/// What a public token turned into.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// The key to the item.
    pub token: AccessToken,
    /// Plaid's id of the item.
    pub plaid_item: PlaidItemId,
}

/// What to create a link token for (`/link/token/create`).
#[derive(Debug, Clone)]
pub struct LinkRequest {
    /// Who links. Our id, no personal data.
    pub user: UserId,
    /// What Link is opened for.
    pub purpose: LinkPurpose,
    /// Where Link returns to after a bank's own log-in page.
    pub redirect_uri: Option<String>,
    /// Whether Plaid shows Link on a page of its own.
    pub hosted: bool,
}

/// What Link is opened for.
#[derive(Debug, Clone)]
pub enum LinkPurpose {
    /// A new connection, with these of Plaid's products to start with.
    Connect(Vec<String>),
    /// Update mode: a connection is repaired. No products, and nothing is exchanged afterwards.
    Update {
        /// The item.
        token: AccessToken,
        /// What Link asks the user for.
        mode: UpdateMode,
    },
}

/// What update mode asks the user for, besides the log-in: each reason for a repair has its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateMode {
    /// Whether the user chooses the accounts anew.
    pub select_accounts: bool,
    /// The products that the user has not consented to yet (`additional_consented_products`).
    pub consent_products: Vec<String>,
}

impl UpdateMode {
    /// The update mode that mends what the bank's code says.
    ///
    /// <https://plaid.com/docs/errors/item/>, <https://plaid.com/docs/link/update-mode/>
    pub fn mending(code: &str) -> Self {
        let consent_products = match code {
            "ADDITIONAL_CONSENT_REQUIRED" => vec!["transactions".to_owned()],
            _ => Vec::new(),
        };
        Self { select_accounts: matches!(code, "NO_ACCOUNTS" | "ACCESS_NOT_GRANTED"), consent_products }
    }
}

/// What Link looks like.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// The name that Link shows to people, at most 30 characters.
    pub client_name: String,
    /// Where Plaid sends webhooks for new items; none if absent.
    pub webhook_url: Option<String>,
    /// Countries whose banks are offered, such as `US`.
    pub country_codes: Vec<String>,
    /// The language of Link, such as `en`.
    pub language: String,
}

/// A link token: what the app opens Link with.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkToken {
    /// The token. Short-lived, meant for the app.
    pub link_token: String,
    /// When it ends.
    pub expiration: Timestamp,
    /// The page where Plaid shows Link, if it was asked for.
    pub hosted_url: Option<String>,
}

/// An institution (`/institutions/get_by_id`).
#[derive(Debug, Clone, PartialEq)]
pub struct Institution {
    /// Its id.
    pub institution_id: InstitutionId,
    /// Its name for people.
    pub name: String,
}

/// For how long it makes no sense to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// An outage of Plaid's own, a broken answer: seconds.
    Seconds,
    /// A rate limit: they are counted by the minute.
    Minute,
    /// An outage of the bank: hours.
    Hours,
}

/// What a refusal means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Only the user can mend it, in update mode or at the bank.
    NeedsUser,
    /// It will pass.
    Later {
        /// How long it will take.
        patience: Patience,
        /// What the answer's `Retry-After` said, in seconds.
        retry_after_s: Option<u32>,
    },
    /// The item is no more; only a new connection helps.
    Gone,
    /// This bank or this product does not work through Plaid, for good: no log-in and no time helps.
    Unsupported,
    /// The update changed while it was read: start again from the stored cursor.
    RestartPagination,
    /// The stored cursor does not belong to this item any more: start from nothing.
    CursorRefused,
    /// The update has no end: the same cursor again, or pages beyond any bound.
    Endless,
    /// The public token was used, has expired or never was.
    PublicTokenRefused,
    /// One account is closed or not shared any more.
    AccountGone,
    /// Wrong keys, a request Plaid does not take: ours to mend.
    OurFault,
}

impl std::fmt::Display for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NeedsUser => "the bank needs the user",
            Self::Later { .. } => "the bank cannot answer now",
            Self::Gone => "the connection is gone",
            Self::Unsupported => "the bank does not share transactions",
            Self::RestartPagination => "the update changed while it was read",
            Self::CursorRefused => "the cursor was refused",
            Self::Endless => "the update has no end",
            Self::PublicTokenRefused => "the public token was refused",
            Self::AccountGone => "the account is not shared any more",
            Self::OurFault => "Plaid refused our request",
        })
    }
}

/// What went wrong on the bank's side.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{meaning}: {code}")]
pub struct BankError {
    /// What it means for us.
    pub meaning: Meaning,
    /// Plaid's `error_code`, or a name of ours for what has none (`timeout`, `unreachable`, `unreadable`).
    pub code: String,
    /// What Plaid's support asks for.
    pub request_id: Option<String>,
}

impl BankError {
    /// An error without an answer of Plaid's.
    pub fn new(meaning: Meaning, code: impl Into<String>) -> Self {
        Self { meaning, code: code.into(), request_id: None }
    }

    /// What passes, after so long.
    pub fn later(patience: Patience, code: impl Into<String>) -> Self {
        Self::new(Meaning::Later { patience, retry_after_s: None }, code)
    }
}

/// Reads an item's stream of updates. Every call has its own timeout and is safe to repeat.
#[async_trait]
pub trait TransactionFeed: Send + Sync {
    /// The page after `cursor`, from the very beginning without one; up to 500 transactions.
    async fn page(&self, token: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError>;
}

/// Tells Plaid where an item's webhooks go.
#[async_trait]
pub trait WebhookAddress: Send + Sync {
    /// From now on there. Safe to repeat; Plaid acknowledges it by a webhook to the new place.
    async fn send_webhooks_to(&self, token: &AccessToken, url: &str) -> Result<(), BankError>;
}

/// Reads an item's accounts. Safe to repeat; the balances may be hours old.
#[async_trait]
pub trait AccountFeed: Send + Sync {
    /// Every open account that the user shares.
    async fn accounts(&self, token: &AccessToken) -> Result<AccountsAnswer, BankError>;
}

/// Knows the banks.
#[async_trait]
pub trait Institutions: Send + Sync {
    /// A bank by its id. Safe to repeat; the answer hardly ever changes.
    async fn institution(&self, id: &InstitutionId) -> Result<Institution, BankError>;
}

/// Starts connections.
#[async_trait]
pub trait Linking: Send + Sync {
    /// A token to open Link with.
    async fn link_token(&self, request: &LinkRequest) -> Result<LinkToken, BankError>;
}

/// Turns public tokens into items, and back into nothing.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Takes effect once, whether or not the answer arrives: never repeated by the adapter.
    async fn exchange(&self, public: &PublicToken) -> Result<Exchanged, BankError>;

    /// Ends the item at Plaid. One that is already gone counts as ended.
    async fn remove(&self, token: &AccessToken) -> Result<(), BankError>;

    /// The public tokens that came of a Link, as far as Plaid tells. Safe to repeat.
    async fn public_tokens(&self, link_token: &str) -> Result<Vec<PublicToken>, BankError>;
}
