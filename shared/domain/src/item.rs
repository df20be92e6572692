//! A connection to a bank: its health, and where its sync stands.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    account::{Account, AccountState},
    bank::HistoryStatus,
    event::News,
    ids::{Cursor, InstitutionId, ItemId, ItemRef, PlaidItemId, UserId},
    secret::SealedToken,
    time::later,
    transaction::Month,
};

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It syncs.
    Healthy,
    /// It syncs until a date on which the bank ends it, unless the user renews it in update mode before.
    Expiring,
    /// Only the user can mend it: update mode.
    NeedsLogin,
    /// Gone at Plaid: only a new connection helps.
    Revoked,
    /// The bank or the product does not work through Plaid. Tried once a week all the same.
    Unsupported,
    /// On its way out; nothing syncs any more.
    Removing,
    /// Out: what stands there is a tombstone, or the place of accounts that were kept.
    Removed,
}

/// The health of a connection, since when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub state: HealthState,
    /// When it came into this state.
    pub since: Timestamp,
    /// The bank's code for why.
    pub reason: Option<String>,
    /// When the bank ends it. Kept when it has been renewed: the same date said again is no news.
    pub until: Option<Timestamp>,
}

impl Health {
    /// A connection that works.
    pub fn healthy(since: Timestamp) -> Self {
        Self { state: HealthState::Healthy, since, reason: None, until: None }
    }

    /// The connection works again.
    pub fn restored(&self, now: Timestamp) -> Self {
        Self { until: self.until, ..Self::healthy(now) }
    }

    /// What an answer of the bank's side, asked at `called`, makes of this state; `None` if nothing. It tells nothing of
    /// a state that is younger than it, and that a connection works now is no news of one that works until a date.
    pub fn after_success(&self, called: Timestamp, now: Timestamp) -> Option<Self> {
        let is_over = match self.state {
            HealthState::NeedsLogin | HealthState::Revoked | HealthState::Unsupported => true,
            HealthState::Expiring => self.until.is_some_and(|until| until < called),
            HealthState::Healthy | HealthState::Removing | HealthState::Removed => false,
        };
        (is_over && self.since <= called).then(|| self.restored(now))
    }

    /// Whether the item's accounts are kept up to date.
    pub fn is_active(&self) -> bool {
        match self.state {
            HealthState::Healthy | HealthState::Expiring => true,
            HealthState::NeedsLogin
            | HealthState::Revoked
            | HealthState::Unsupported
            | HealthState::Removing
            | HealthState::Removed => false,
        }
    }

    /// Whether a sync may be tried: it is one way that health returns.
    pub fn may_sync(&self) -> bool {
        match self.state {
            HealthState::Healthy
            | HealthState::Expiring
            | HealthState::NeedsLogin
            | HealthState::Revoked
            | HealthState::Unsupported => true,
            HealthState::Removing | HealthState::Removed => false,
        }
    }

    /// Whether update mode cannot mend it: only a new connection can take its place.
    pub fn is_beyond_repair(&self) -> bool {
        match self.state {
            HealthState::Revoked | HealthState::Unsupported => true,
            HealthState::Healthy
            | HealthState::Expiring
            | HealthState::NeedsLogin
            | HealthState::Removing
            | HealthState::Removed => false,
        }
    }

    /// What a person can do about it, in words; nothing when all is well.
    pub fn advice(&self) -> Option<&'static str> {
        match self.state {
            HealthState::Healthy => None,
            HealthState::Expiring => {
                Some("The bank ends the connection soon. Repair the connection before that, and it goes on.")
            }
            HealthState::NeedsLogin => Some(login_advice(self.reason.as_deref().unwrap_or_default())),
            HealthState::Revoked => Some("The connection has ended at the bank. Connect the bank again."),
            HealthState::Unsupported => Some(unsupported_advice(self.reason.as_deref().unwrap_or_default())),
            HealthState::Removing => Some("The connection is being removed."),
            HealthState::Removed => Some("The connection was removed."),
        }
    }
}

/// What a person does next about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// Nothing: it works, or it will by itself.
    None,
    /// Link in update mode.
    Repair,
    /// Disconnect the bank and connect it again.
    Reconnect,
    /// Disconnect the bank: connecting it again would change nothing.
    Remove,
}

impl Health {
    /// What a person does next.
    pub fn next_action(&self) -> NextAction {
        match (self.state, self.reason.as_deref()) {
            (HealthState::NeedsLogin, Some("INVALID_UPDATED_USERNAME"))
            | (HealthState::Revoked, _)
            | (HealthState::Unsupported, Some("INSTITUTION_NO_LONGER_SUPPORTED" | "UNSUPPORTED_RESPONSE")) => {
                NextAction::Reconnect
            }
            (HealthState::Unsupported, _) => NextAction::Remove,
            (HealthState::NeedsLogin | HealthState::Expiring, _) => NextAction::Repair,
            (HealthState::Healthy | HealthState::Removing | HealthState::Removed, _) => NextAction::None,
        }
    }
}

/// Why nothing helps, by the bank's code.
fn unsupported_advice(code: &str) -> &'static str {
    match code {
        "INSTITUTION_NO_LONGER_SUPPORTED" => {
            "Plaid no longer supports this login of the bank. Connect the bank again: it may offer another one."
        }
        "UNSUPPORTED_RESPONSE" => {
            "Plaid cannot read the answers of this bank. Connect the bank again; if that does not help, disconnect it."
        }
        "MFA_NOT_SUPPORTED" => {
            "The bank asks for a second step at log-in that Plaid does not support. Change it at the bank and connect the \
             bank again, or disconnect it."
        }
        _ => "This bank does not share transactions through Plaid. Disconnect it.",
    }
}

/// What the user is asked for, by the bank's code (<https://plaid.com/docs/errors/item/>).
fn login_advice(code: &str) -> &'static str {
    match code {
        "ITEM_LOCKED" => {
            "The bank has locked your account after too many log-ins. Unlock it at the bank, then repair the connection."
        }
        "PASSWORD_RESET_REQUIRED" => {
            "The bank asks you to set a new password. Do so at the bank, then repair the connection."
        }
        "USER_SETUP_REQUIRED" => {
            "The bank asks you to finish setting up your account. Do so at the bank, then repair the connection."
        }
        "NO_ACCOUNTS" => {
            "The bank shares no account any more. Repair the connection and choose the accounts again."
        }
        "ACCESS_NOT_GRANTED" | "ADDITIONAL_CONSENT_REQUIRED" => {
            "The bank needs your consent again. Repair the connection and agree to share your accounts."
        }
        "INVALID_UPDATED_USERNAME" => {
            "The user name at the bank has changed. Disconnect the bank and connect it again."
        }
        _ => "The bank asks you to log in again. Repair the connection to go on.",
    }
}

impl Item {
    /// What is wrong with the connection and what a person can do about it, in words; nothing when all is well.
    pub fn trouble(&self) -> Option<String> {
        let advice = self.health.advice().map(str::to_owned);
        advice.or_else(|| self.failure.as_ref().map(LastFailure::words))
    }
}

/// Counts of what a run did to the stored transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New ones.
    pub added: u32,
    /// Changed ones, postings of pending ones included.
    pub modified: u32,
    /// Those that are no more.
    pub removed: u32,
}

impl Counts {
    /// What has happened since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            added: self.added.saturating_sub(earlier.added),
            modified: self.modified.saturating_sub(earlier.modified),
            removed: self.removed.saturating_sub(earlier.removed),
        }
    }

    /// The sum of two.
    pub fn plus(self, other: Self) -> Self {
        Self {
            added: self.added + other.added,
            modified: self.modified + other.modified,
            removed: self.removed + other.removed,
        }
    }
}

/// The last run that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// When it began: what the bank's side had by then is in it.
    pub began: Timestamp,
    /// When it ended.
    pub at: Timestamp,
    /// What it changed.
    pub counts: Counts,
}

/// Codes of internal failures, beside the bank's own codes.
pub mod internal_failure {
    /// DynamoDB did not answer, or was busy.
    pub const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
    /// DynamoDB refused a write that can never succeed.
    pub const STORE_REFUSED: &str = "STORE_REFUSED";
    /// A stored row could not be read.
    pub const STORE_CORRUPT: &str = "STORE_CORRUPT";
    /// KMS did not answer.
    pub const TOKEN_KEY_UNAVAILABLE: &str = "TOKEN_KEY_UNAVAILABLE";
    /// The access token does not decrypt for this item.
    pub const TOKEN_NOT_READABLE: &str = "TOKEN_NOT_READABLE";
    /// Other runs kept changing the item.
    pub const ITEM_CONTENDED: &str = "ITEM_CONTENDED";
    /// The sync panicked.
    pub const INTERNAL_ERROR: &str = "INTERNAL_ERROR";
    /// All of them.
    pub const ALL: [&str; 7] = [
        STORE_UNAVAILABLE,
        STORE_REFUSED,
        STORE_CORRUPT,
        TOKEN_KEY_UNAVAILABLE,
        TOKEN_NOT_READABLE,
        ITEM_CONTENDED,
        INTERNAL_ERROR,
    ];
}

/// The last run that failed, kept until one ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Timestamp,
    /// The `want` that the run had read: whoever waits for it need not wait longer.
    pub want: u64,
    /// The bank's code.
    pub code: String,
    /// When the first of the failures in a row with this code happened.
    pub since: Timestamp,
    /// When another try makes sense; `None` if it needs a person.
    pub retry_at: Option<Timestamp>,
}

impl LastFailure {
    /// What happened, in words.
    pub fn words(&self) -> String {
        let code = &self.code;
        match (self.retry_at, code.starts_with("INSTITUTION")) {
            (Some(_), true) => format!(
                "The bank cannot be reached at the moment ({code}). It will be tried again by itself; nothing for you to do."
            ),
            (Some(_), false) => format!(
                "The last sync did not go through ({code}). It will be tried again by itself; nothing for you to do."
            ),
            (None, _) => format!(
                "The last sync failed ({code}). This is a problem on our side. Balances and transactions are from the last \
                 successful sync."
            ),
        }
    }

    /// Whether it was an internal failure, not an answer of Plaid's.
    pub fn is_ours(&self) -> bool {
        internal_failure::ALL.contains(&self.code.as_str())
    }
}

impl Item {
    /// Whether a run that ended well began after `heard`: what was heard then has come by it.
    pub fn has_come(&self, heard: Timestamp) -> bool {
        self.last_run.is_some_and(|run| run.began > later(heard, CLOCKS_APART))
    }
}

/// Two of our clocks are not further apart.
const CLOCKS_APART: Duration = Duration::from_secs(1);

/// A connection as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where it lives.
    pub at: ItemRef,
    /// Who linked it.
    pub user: UserId,
    /// The bank.
    pub institution: Option<InstitutionId>,
    /// The bank's name.
    pub institution_name: Option<String>,
    /// How it is.
    pub health: Health,
    /// How far its history is.
    pub history: HistoryStatus,
    /// Syncs asked for so far.
    pub want: u64,
    /// The `want` that the last finished sync had read.
    pub done: u64,
    /// The last run that ended well.
    pub last_run: Option<LastRun>,
    /// The last failure since then.
    pub failure: Option<LastFailure>,
    /// What all runs together have changed: the difference between two looks is what happened in between, whoever
    /// did it.
    pub totals: Counts,
    /// Whether the bank has accounts that are not shared with us: update mode with account selection offers them.
    pub new_accounts: bool,
    /// Whether it is new and has not been admitted to its household, or was refused: nothing of it is synced or shown.
    pub awaits_admission: bool,
}

impl Item {
    /// Whether more of its history is being fetched: it was never synced, or its bank says so. Not while it needs a person.
    pub fn is_history_coming(&self) -> bool {
        self.health.is_active() && (self.last_run.is_none() || self.history.is_coming())
    }
}

/// A connection with its accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// The item.
    pub item: Item,
    /// Its accounts.
    pub accounts: Vec<Account>,
}

/// A connection with all that a sync needs.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncState {
    /// The item.
    pub item: Item,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// Plaid's id of the item.
    pub plaid_item: PlaidItemId,
    /// The revision: every write of the sync requires it unchanged and adds one.
    pub rev: u64,
    /// Opens the item at Plaid, once opened itself.
    pub token: SealedToken,
    /// Where the last committed update ended.
    pub cursor: Option<Cursor>,
    /// An update that is being written, in pages.
    pub stage: Option<Stage>,
    /// The months that the item's transactions have been in.
    pub months: BTreeSet<Month>,
    /// Whether all accounts have been asked for, since the item was linked and since somebody last asked for it.
    pub accounts_known: bool,
    /// Whether accounts were selected in Link since the last list: stopped accounts that are listed restart.
    pub accounts_selected: bool,
    /// How many items of Plaid's went before this one in its place.
    pub succession: u32,
    /// When the item will be calm again: webhooks that come thicker wait for each other.
    pub calm: Option<Timestamp>,
    /// When all accounts were last asked for.
    pub looked_at: Option<Timestamp>,
    /// When the item's budget of calls will be full again.
    pub budget: Option<Timestamp>,
    /// What is to be announced and has not been, for certain.
    pub news: Option<News>,
    /// What is still to be done so that nothing is left of what was removed.
    pub leftovers: Leftovers,
    /// Why it was refused, if it was.
    pub refused_for: Option<Twin>,
}

/// A connection to the same accounts as a new one, which was refused for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The item that stays.
    pub item: ItemId,
    /// The name of one account that both have.
    pub account: String,
}

/// What is to be removed, as the item's row remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Items at Plaid that another one has replaced here.
    pub replaced: Vec<SealedToken>,
    /// Whether the accounts and transactions stay when the item goes.
    pub keep_data: bool,
}

impl SyncState {
    /// Whether somebody must come and remove something.
    pub fn has_leftovers(&self) -> bool {
        self.item.health.state == HealthState::Removing
            || !self.leftovers.replaced.is_empty()
            || self.is_erasing()
            || self.is_forsaken()
    }

    /// Whether an account's data is still to be erased.
    pub fn is_erasing(&self) -> bool {
        self.accounts.iter().any(|account| account.state == AccountState::Removed { erased: false })
    }

    /// Whether the item is at Plaid for nobody: its last account was stopped. One that has just taken the place of another
    /// has shown no account of its own yet.
    pub fn is_forsaken(&self) -> bool {
        self.item.health.state != HealthState::Removed
            && self.accounts.iter().any(|account| account.generation.item == self.succession)
            && self.accounts.iter().all(|account| account.state.is_stopped())
    }
}

impl SyncState {
    /// Whether a history that was begun from nothing, although there had been transactions, is not all there again.
    /// Until it is, no cursor has moved and nothing has been swept: somebody must ask.
    pub fn is_partial(&self, history: &HistoryStatus) -> bool {
        self.cursor.is_none() && !self.months.is_empty() && history.is_coming()
    }
}

/// Where a large update stands: its pages lie in the redo log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Names the pages; the revision at which it began.
    pub run: u64,
    /// What comes next.
    pub phase: Phase,
    /// Pages stored.
    pub pages: u32,
    /// The `want` read before the first fetch.
    pub want: u64,
    /// When it began.
    pub began: Timestamp,
    /// When somebody last worked on it.
    pub touched: Timestamp,
    /// Pages in a row that said nothing.
    pub empty_pages: u32,
    /// How far the history was at the last page.
    pub history: HistoryStatus,
    /// What has been changed so far.
    pub counts: Counts,
    /// Whether it began without a cursor on an item that had transactions: ends with a sweep.
    pub sweeps: bool,
}

/// The phases of a large update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Pages are being fetched; this is where to go on.
    Fetching(Cursor),
    /// All pages are stored and the cursor has moved; they are being applied. So many have had their upserts applied.
    Applying(u32),
}

/// A new connection, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItem {
    /// Where it will live.
    pub at: ItemRef,
    /// Who linked it.
    pub user: UserId,
    /// Plaid's id.
    pub plaid_item: PlaidItemId,
    /// The bank.
    pub institution: Option<InstitutionId>,
    /// The bank's name.
    pub institution_name: Option<String>,
    /// The sealed token.
    pub token: SealedToken,
    /// When it was linked.
    pub at_time: Timestamp,
    /// Whether it is compared with the household's other connections before it syncs.
    pub awaits_admission: bool,
}
