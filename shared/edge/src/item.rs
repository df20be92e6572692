//! A connection as answers show it: one shape, whichever endpoint answers.

use domain::{
    account::Merges,
    ids::{AccountId, HouseholdId, InstitutionId, ItemId, UserId},
    item::{Connection, HealthState, Item, NextAction},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// A connection to one bank by one log-in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ItemView {
    /// Its id.
    pub id: ItemId,
    /// The household.
    pub household_id: HouseholdId,
    /// Who has connected it.
    pub user_id: UserId,
    /// The bank, by Plaid's id.
    pub institution_id: Option<InstitutionId>,
    /// The bank's name.
    pub institution_name: Option<String>,
    /// How it is.
    pub health: HealthState,
    /// Since when.
    pub health_since: Timestamp,
    /// Plaid's code of what is wrong.
    pub reason: Option<String>,
    /// When the bank ends the connection, if it will.
    pub expires_at: Option<Timestamp>,
    /// What a person does next.
    pub next_action: NextAction,
    /// What is wrong and what to do, in words.
    pub message: Option<String>,
    /// Whether the bank has accounts that are not shared yet: update mode with account selection offers them.
    pub new_accounts_available: bool,
    /// How far the history is, in Plaid's words.
    pub history: String,
    /// When it was last brought up to date.
    pub last_synced_at: Option<Timestamp>,
    /// When it will be tried again by itself.
    pub retry_at: Option<Timestamp>,
    /// Its accounts.
    pub account_ids: Vec<AccountId>,
}

impl ItemView {
    /// Whether people see a connection: not once it is removed, and a refused one not before it is told apart.
    pub fn is_listed(item: &Item) -> bool {
        item.health.state != HealthState::Removed && (item.health.may_sync() || !item.awaits_admission)
    }

    /// The view of a connection.
    pub fn new(connection: &Connection, merges: &Merges) -> Self {
        let Connection { item, accounts } = connection;
        let health = &item.health;
        let account_ids = if item.awaits_admission { Vec::new() } else { merges.visible_ids(accounts) };
        Self {
            id: item.at.item.clone(),
            household_id: item.at.household.clone(),
            user_id: item.user.clone(),
            institution_id: item.institution.clone(),
            institution_name: item.institution_name.clone(),
            health: health.state,
            health_since: health.since,
            reason: health.reason.clone(),
            expires_at: health.until.filter(|_| health.state == HealthState::Expiring),
            next_action: health.next_action(),
            message: item.trouble(),
            new_accounts_available: item.new_accounts,
            history: item.history.as_str().to_owned(),
            last_synced_at: item.last_run.map(|run| run.at),
            retry_at: item.failure.as_ref().and_then(|failure| failure.retry_at),
            account_ids,
        }
    }
}
