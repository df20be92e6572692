//! A connection: its accounts, its ledger, and how its history arrives.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    ledger::{Ledger, Transaction},
    people::{Account, Person},
    posting::Open,
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
}

impl Item {
    /// Lets the history arrive that is due by now.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        (initial_after, historical_after): (Duration, Duration),
    ) {
        if self.history == History::NotReady && now >= plus(self.created_at, initial_after) {
            let first = today(now).checked_sub(INITIAL_DAYS.days()).unwrap_or(Date::MIN);
            let (recent, older) =
                std::mem::take(&mut self.arriving).into_iter().partition(|t| t.date >= first);
            self.arriving = older;
            self.post(recent);
            self.history = History::Initial;
        }
        if self.history == History::Initial && now >= plus(self.created_at, historical_after) {
            let rest = std::mem::take(&mut self.arriving);
            self.post(rest);
            self.history = History::Complete;
        }
        let logged_in_at = self.repaired_at.unwrap_or(self.created_at);
        self.login_required |= now >= plus(logged_in_at, LOGIN_LIVES);
    }

    fn post(&mut self, transactions: Vec<Transaction>) {
        for transaction in transactions {
            self.ledger.put(transaction);
        }
    }

    /// Calls that need the bank fail while the user must log in.
    pub(crate) fn usable(&self) -> Result<(), PlaidError> {
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
