//! One bank account: what the bank says of it and what its people decided.

mod history;
mod merges;
pub mod merging;
mod people;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use history::{AccountRow, Overlap, Presence, same_rows};
pub use merges::{Merge, Merges, visible_account, visible_accounts};
pub use people::{AccountChange, AccountEdited, AccountEdits, AccountHalf, NewManualAccount};

use crate::{
    ids::{AccountId, PlaidAccountId},
    money::Currency,
    open_enum::open_enum,
};

open_enum!(
    /// Plaid's account types.
    AccountKind {
        /// Checking, savings and the like.
        Depository = "depository",
        /// Cards: a positive balance is owed.
        Credit = "credit",
        /// Loans: a positive balance is owed.
        Loan = "loan",
        /// Securities.
        Investment = "investment",
        /// Securities, by another name.
        Brokerage = "brokerage",
    }
);

/// An account as the bank's side describes it. A balance that could not be read is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BankAccount {
    /// Plaid's id, which may change under the same account.
    pub id: PlaidAccountId,
    /// Identity across items; few banks give it.
    pub persistent_id: Option<String>,
    /// The name at the bank.
    pub name: String,
    /// The bank's product name.
    pub official_name: Option<String>,
    /// The last digits. Not unique.
    pub mask: Option<String>,
    /// Plaid's type.
    pub kind: AccountKind,
    /// Plaid's subtype.
    pub subtype: Option<String>,
    /// Balances, in `currency`.
    pub balances: Balances,
    /// The currency of the balances.
    pub currency: Option<Currency>,
}

/// What is on an account. For credit and loans a positive `current` is owed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// The booked balance.
    pub current: Option<Decimal>,
    /// What can be spent.
    pub available: Option<Decimal>,
    /// The credit limit.
    pub limit: Option<Decimal>,
}

/// What becomes of an account in a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// It is kept up to date.
    Live,
    /// The bank's side does not list it any more: closed, or not shared. It is as it was until it comes back.
    Unshared {
        /// Whether a history from nothing was swept meanwhile, which left its transactions alone: once it comes back,
        /// only another one tells which of them are gone.
        missed_sweep: bool,
    },
    /// It was stopped and its data kept: its people write on it by hand.
    Manual,
    /// It was merged with another account, which is synced in its place.
    Merged,
    /// It was stopped and its data goes. Its row stays, so that the sync knows what to leave out.
    Removed {
        /// Whether its data has gone.
        erased: bool,
    },
}

impl AccountState {
    /// Whether the sync leaves it out for good.
    pub fn is_stopped(self) -> bool {
        match self {
            Self::Live | Self::Unshared { .. } => false,
            Self::Manual | Self::Merged | Self::Removed { .. } => true,
        }
    }

    /// Whether the bank's side does not list it.
    pub fn is_unshared(self) -> bool {
        match self {
            Self::Unshared { .. } => true,
            Self::Live | Self::Manual | Self::Merged | Self::Removed { .. } => false,
        }
    }

    /// Whether people see it.
    pub fn is_listed(self) -> bool {
        match self {
            Self::Live | Self::Unshared { .. } | Self::Manual | Self::Merged => true,
            Self::Removed { .. } => false,
        }
    }
}

/// How often an account has gone on under another id of Plaid's: a re-linked bank gives its accounts and all of their
/// transactions new ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generation {
    /// 0 for the first id. A row of an earlier generation may be paired with a transaction of this one.
    pub number: u32,
    /// When it began.
    pub since: Option<Timestamp>,
    /// Which of the items that have followed each other in one place has given the id.
    pub item: u32,
    /// Rows of generations below this one are an earlier item's: the one of now may not reach back to them.
    pub reaches: u32,
}

/// An account as we keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Our id.
    pub id: AccountId,
    /// What the bank says. A placeholder while it has said nothing.
    pub bank: BankAccount,
    /// What its people decided.
    pub half: AccountHalf,
    /// What becomes of it in a sync.
    pub state: AccountState,
    /// Under which of its ids it goes on.
    pub generation: Generation,
    /// The comparison with the household's other accounts.
    pub compared: Compared,
}

/// The result of comparing an account's history with those of the household's other accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Compared {
    /// Not compared yet.
    #[default]
    Not,
    /// No other account is the same one, or a person has said so.
    Alone,
    /// It may be this account. A person has to decide.
    PossibleTwin(AccountId),
}

impl Account {
    /// A new account of an item, with the defaults people expect.
    pub fn new(id: AccountId, bank: BankAccount) -> Self {
        Self {
            id,
            bank,
            half: AccountHalf::default(),
            state: AccountState::Live,
            generation: Generation::default(),
            compared: Compared::default(),
        }
    }

    /// Whether it was compared with the household's other accounts.
    pub fn is_compared(&self) -> bool {
        self.compared != Compared::Not
    }

    /// A new account of an item that so many others went before in its place.
    pub fn of(succession: u32, id: AccountId, bank: BankAccount) -> Self {
        let new = Self::new(id, bank);
        Self { generation: Generation { item: succession, ..new.generation }, ..new }
    }

    /// The account of the household that may be the same one.
    pub fn possible_twin(&self) -> Option<&AccountId> {
        match &self.compared {
            Compared::PossibleTwin(twin) => Some(twin),
            Compared::Not | Compared::Alone => None,
        }
    }

    /// The account once the bank's side lists it as `bank`.
    pub(crate) fn shared_as(&self, bank: &BankAccount) -> Self {
        let state = match self.state {
            AccountState::Unshared { .. } => AccountState::Live,
            other => other,
        };
        let mut bank = bank.clone();
        // A balance that is not told is not gone, nor what it is counted in.
        if bank.balances.current.is_none() {
            bank.balances.current = self.bank.balances.current;
            bank.currency = self.bank.currency.clone().or(bank.currency);
        }
        Self { bank, state, ..self.clone() }
    }

    /// The name to show: its people's, else the bank's.
    pub fn name(&self) -> &str {
        self.half.name.as_deref().unwrap_or(&self.bank.name)
    }

    /// What is on it: its people say so of one that is kept by hand, and the bank of any other.
    pub fn balance(&self) -> Option<Decimal> {
        match self.state {
            AccountState::Manual => self.half.balance.or(self.bank.balances.current),
            AccountState::Live
            | AccountState::Unshared { .. }
            | AccountState::Merged
            | AccountState::Removed { .. } => self.bank.balances.current,
        }
    }
}

impl BankAccount {
    /// Whether nothing but its id was ever known of it.
    pub fn is_placeholder(&self) -> bool {
        *self == Self::placeholder(self.id.clone())
    }

    /// What stands for an account of which only the id is known: a transaction named it before its facts came.
    pub fn placeholder(id: PlaidAccountId) -> Self {
        Self {
            id,
            persistent_id: None,
            name: "Account".to_owned(),
            official_name: None,
            mask: None,
            kind: AccountKind::Other("unknown".to_owned()),
            subtype: None,
            balances: Balances::default(),
            currency: None,
        }
    }
}
