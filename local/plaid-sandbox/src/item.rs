//! A connection: its accounts, its ledger, and how its history arrives.

use std::{collections::BTreeSet, time::Duration};

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    ledger::{Delta, Ledger, Tick, Transaction},
    people::{Account, Person},
    posting::Open,
    webhooks::Notice,
    world::{plus, today},
};

/// Items of the sandbox need a new log-in after so long.
const LOGIN_LIVES: Duration = Duration::from_hours(24 * 30);
/// What comes first of a new item's history.
const INITIAL_DAYS: i64 = 30;

/// How far a new item's history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum History {
    NotReady,
    Initial,
    Complete,
}

/// A connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "Plaid's name for it")]
pub(crate) struct Item {
    pub(crate) item_id: String,
    pub(crate) institution_id: String,
    pub(crate) webhook: Option<String>,
    pub(crate) products: Vec<String>,
    pub(crate) person: Person,
    pub(crate) accounts: Vec<Account>,
    pub(crate) ledger: Ledger,
    pub(crate) history: History,
    /// What the bank knows and the ledger has not yet.
    pub(crate) arriving: Vec<Transaction>,
    /// What is still to come of transactions that post in two steps.
    #[serde(default)]
    pub(crate) open: Vec<Open>,
    pub(crate) created_at: Timestamp,
    /// When somebody last logged in again.
    #[serde(default)]
    pub(crate) repaired_at: Option<Timestamp>,
    pub(crate) login_required: bool,
    /// The code that every call answers until update mode heals it.
    #[serde(default)]
    pub(crate) trouble: Option<String>,
    /// The cursor that is answered with a mutation for ever.
    #[serde(default)]
    pub(crate) stuck_cursor: Option<String>,
    /// When the user's consent ends, if it does.
    #[serde(default)]
    pub(crate) consent_ends: Option<Timestamp>,
    /// The user has withdrawn from all of it.
    #[serde(default)]
    pub(crate) is_revoked: bool,
    /// Accounts that the bank has and the user does not share.
    #[serde(default)]
    pub(crate) unshared: Vec<Account>,
    /// The ids of accounts that are not shared, or were not at some time: an account that is shared again has a new one.
    #[serde(default)]
    pub(crate) hidden: BTreeSet<String>,
    /// Whether `/transactions/sync` was called: there is no `SYNC_UPDATES_AVAILABLE` before.
    #[serde(default)]
    pub(crate) is_synced: bool,
    /// How far webhooks have told of the ledger.
    #[serde(default)]
    pub(crate) told: Tick,
    /// When the last webhook was due, and its code.
    #[serde(default)]
    pub(crate) last_webhook: Option<(Timestamp, String)>,
}

impl Item {
    /// A connection that nobody has made anything of yet.
    pub(crate) fn new(item_id: String, institution_id: &str, person: Person, now: Timestamp) -> Self {
        Self {
            item_id,
            institution_id: institution_id.to_owned(),
            webhook: None,
            products: Vec::new(),
            person,
            accounts: Vec::new(),
            ledger: Ledger::default(),
            history: History::NotReady,
            arriving: Vec::new(),
            open: Vec::new(),
            created_at: now,
            repaired_at: None,
            login_required: false,
            trouble: None,
            stuck_cursor: None,
            consent_ends: None,
            is_revoked: false,
            unshared: Vec::new(),
            hidden: BTreeSet::new(),
            is_synced: false,
            told: 0,
            last_webhook: None,
        }
    }

    /// Lets happen what is due by now, and gives what there is to say of it.
    #[must_use]
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        (initial_after, historical_after): (Duration, Duration),
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.history == History::NotReady && now >= plus(self.created_at, initial_after) {
            let first = today(now).checked_sub(INITIAL_DAYS.days()).unwrap_or(Date::MIN);
            let (recent, older) =
                std::mem::take(&mut self.arriving).into_iter().partition(|t| t.date >= first);
            self.arriving = older;
            self.post(recent);
            self.history = History::Initial;
            notices.extend(self.arrived("INITIAL_UPDATE"));
        }
        if self.history == History::Initial && now >= plus(self.created_at, historical_after) {
            let rest = std::mem::take(&mut self.arriving);
            self.post(rest);
            self.history = History::Complete;
            notices.extend(self.arrived("HISTORICAL_UPDATE"));
        }
        let logged_in_at = self.repaired_at.unwrap_or(self.created_at);
        let is_over =
            now >= plus(logged_in_at, LOGIN_LIVES) || self.consent_ends.is_some_and(|end| now >= end);
        if is_over && !self.login_required {
            self.login_required = true;
            notices.push(Notice::error(self.usable().err().as_ref()));
        }
        notices
    }

    /// When something happens that somebody waits for. The end of a log-in is noticed when the item is next looked at.
    pub(crate) fn happens(
        &self,
        (initial_after, historical_after): (Duration, Duration),
    ) -> Option<Timestamp> {
        let arrives = match self.history {
            History::NotReady => Some(plus(self.created_at, initial_after)),
            History::Initial => Some(plus(self.created_at, historical_after)),
            History::Complete => None,
        };
        let ends = self.consent_ends.filter(|_| !self.login_required);
        [arrives, ends].into_iter().flatten().min()
    }

    /// Heals the trouble if update mode has asked the user for what heals it.
    pub(crate) fn heal(&mut self, selects_accounts: bool, consents: &[String]) {
        let is_healed = match self.trouble.as_deref() {
            Some("NO_ACCOUNTS" | "ACCESS_NOT_GRANTED") => selects_accounts,
            Some("ADDITIONAL_CONSENT_REQUIRED") => consents.iter().any(|product| product == "transactions"),
            Some(code) => !is_for_good(code),
            None => false,
        };
        if is_healed {
            self.trouble = None;
        }
    }

    /// Somebody has logged in again.
    pub(crate) fn repair(&mut self, now: Timestamp) {
        self.login_required = false;
        self.repaired_at = Some(now);
        self.consent_ends = None;
    }

    /// The net difference between two points of the ledger, as far as its accounts are shared.
    pub(crate) fn delta(&self, from: Tick, to: Tick) -> Delta<'_> {
        let mut delta = self.ledger.delta(from, to);
        for list in [&mut delta.added, &mut delta.modified, &mut delta.removed] {
            list.retain(|transaction| self.is_shown(transaction));
        }
        delta
    }

    /// What is there of accounts that are shared, oldest change first.
    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = &Transaction> {
        self.ledger.live().filter(|transaction| self.is_shown(transaction))
    }

    fn is_shown(&self, transaction: &Transaction) -> bool {
        self.hidden.is_empty() || !self.hidden.contains(&transaction.account_id)
    }

    fn post(&mut self, transactions: Vec<Transaction>) {
        for transaction in transactions {
            self.ledger.put(transaction);
        }
    }

    /// Calls that need the bank fail while the user must log in.
    pub(crate) fn usable(&self) -> Result<(), PlaidError> {
        if let Some(code) = &self.trouble {
            return Err(PlaidError::of_code(code));
        }
        if !self.login_required {
            return Ok(());
        }
        Err(PlaidError::item(
            "ITEM_LOGIN_REQUIRED",
            "the login details of this item have changed (credentials, MFA, or required user action) and a user login \
             is required to update this information. use Link's update mode to restore the item to a good state",
        ))
    }
}

/// Whether no update mode heals a code.
fn is_for_good(code: &str) -> bool {
    let codes = [
        "PRODUCTS_NOT_SUPPORTED",
        "PRODUCT_NOT_ENABLED",
        "ITEM_NOT_SUPPORTED",
        "MFA_NOT_SUPPORTED",
        "INSTITUTION_NO_LONGER_SUPPORTED",
        "UNSUPPORTED_RESPONSE",
    ];
    codes.contains(&code)
}
