//! An account as answers show it: one shape, whichever endpoint answers.

use domain::{
    account::{Account, AccountState},
    ids::{AccountId, HouseholdId, ItemId, UserId},
    item::{HealthState, Item},
    money::amount_text,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::{Amount, Currency};

/// The longest name that people give an account.
pub const LONGEST_NAME: usize = 100;

/// An account. All fields are there, set or not.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "an answer's fields, each of which says one thing")]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// The connection that it belongs to.
    pub item_id: ItemId,
    /// The household.
    pub household_id: HouseholdId,
    /// Who has connected or made it.
    pub user_id: UserId,
    /// The bank.
    pub institution_name: Option<String>,
    /// Its people's name for it, else the bank's.
    pub name: String,
    /// The bank's product name.
    pub official_name: Option<String>,
    /// The last digits.
    pub mask: Option<String>,
    /// Plaid's type, such as `depository`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Plaid's subtype, such as `checking`.
    pub subtype: Option<String>,
    /// What is on it; of credit and loans, what is owed.
    #[schemars(with = "Option<Amount>")]
    pub current_balance: Option<String>,
    /// What can be spent.
    #[schemars(with = "Option<Amount>")]
    pub available_balance: Option<String>,
    /// The credit limit.
    #[schemars(with = "Option<Amount>")]
    pub credit_limit: Option<String>,
    /// The currency of the balances.
    #[schemars(with = "Option<Currency>")]
    pub currency: Option<String>,
    /// Whether it counts in budgets.
    pub include_in_budget: bool,
    /// Whether it is left out where accounts are chosen from.
    pub hidden: bool,
    /// Whether it takes no new transactions.
    pub closed: bool,
    /// Whether it is in use: kept up to date by a bank, or by hand and not closed.
    pub is_active: bool,
    /// Whether it is kept by hand.
    pub is_manual: bool,
    /// What is wrong and what to do, in words.
    pub sync_error: Option<String>,
    /// How its connection is; `manual` if it is kept by hand.
    pub health: AccountHealth,
    /// When it was last brought up to date.
    pub last_synced_at: Option<Timestamp>,
    /// An account of the household that may be the same account. Merge them with `merge-into`, or set this to null to keep both.
    pub possible_twin: Option<AccountId>,
    /// Counts what people have changed; its entity tag.
    pub revision: u64,
}

/// How an account's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AccountHealth {
    /// It has one.
    Connected(HealthState),
    /// It has none.
    Manual(NoConnection),
}

/// That an account is kept by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoConnection {
    /// Nothing but people's own entries changes it.
    Manual,
}

impl AccountView {
    /// The view of an account of an item.
    pub fn new(item: &Item, account: Account) -> Self {
        let currency = account.bank.currency.as_ref().map(|currency| currency.code().to_owned());
        let text = |amount: Option<Decimal>| amount.map(|amount| amount_text(amount, currency.as_deref()));
        Self {
            item_id: item.at.item.clone(),
            household_id: item.at.household.clone(),
            user_id: item.user.clone(),
            institution_name: item.institution_name.clone(),
            name: account.name().to_owned(),
            is_active: match account.state {
                AccountState::Live => item.health.is_active(),
                AccountState::Manual => !account.half.closed,
                AccountState::Unshared { .. } | AccountState::Merged | AccountState::Removed { .. } => false,
            },
            is_manual: account.state == AccountState::Manual,
            sync_error: trouble(item, account.state),
            health: match account.state {
                AccountState::Manual => AccountHealth::Manual(NoConnection::Manual),
                _ => AccountHealth::Connected(item.health.state),
            },
            last_synced_at: item.last_run.map(|run| run.at),
            include_in_budget: !account.half.is_left_out,
            possible_twin: account.possible_twin().cloned(),
            hidden: account.half.hidden,
            closed: account.half.closed,
            revision: account.half.rev,
            current_balance: text(account.balance()),
            id: account.id,
            official_name: account.bank.official_name,
            mask: account.bank.mask,
            kind: account.bank.kind.as_str().to_owned(),
            subtype: account.bank.subtype,
            available_balance: text(account.bank.balances.available),
            credit_limit: text(account.bank.balances.limit),
            currency,
        }
    }
}

/// What is wrong with an account and what to do, in words.
fn trouble(item: &Item, state: AccountState) -> Option<String> {
    let unshared = "The bank does not share this account any more: it was closed, or its sharing was ended. Repair the \
                    connection to share it again.";
    match state {
        AccountState::Live => item.trouble(),
        AccountState::Unshared { .. } => Some(item.trouble().unwrap_or_else(|| unshared.to_owned())),
        AccountState::Manual | AccountState::Merged | AccountState::Removed { .. } => None,
    }
}
