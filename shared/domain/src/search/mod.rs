//! Searching transactions: what to look for, in which order, and what it comes to.

mod best;
mod filter;
mod order;
mod share;
mod sum;
mod summary;
#[cfg(test)]
mod tests;
mod totals;
mod words;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

pub use best::Best;
pub use filter::{Budget, Direction, FieldChoice, Filter, Hidden, Matcher};
pub use order::{Position, Sort};
pub use share::Share;
pub use sum::Sum;
pub use summary::{Group, GroupBy, Key, Summary};
pub use totals::{Amounts, Totals};
pub use words::Words;

use crate::{
    account::Account,
    category::Tree,
    edit::UserHalf,
    ids::{AccountId, CategoryId, HouseholdId, ItemId, TransactionId},
    item::{Connection, Item},
    store::StoreError,
    transaction::{BankCategory, Month, PaymentMeta},
};

/// What a page for people may examine, in bytes of the store.
pub const PAGE_BYTES: u64 = 5 << 20;
/// What a sum, or an order by amount, may examine: all of its range is read for it.
pub const SCAN_BYTES: u64 = 160 << 20;

/// A page of what is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What to look for.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// At most so many.
    pub limit: usize,
    /// Only what comes after this place.
    pub after: Option<Position>,
    /// How many bytes may be examined, where not everything has to be.
    pub bytes: u64,
}

impl Search {
    /// The first page of everything, the hidden too, newest first.
    pub fn everything(limit: usize) -> Self {
        let filter = Filter { hidden: Hidden::Any, ..Filter::default() };
        Self { filter, sort: Sort::Newest, limit, after: None, bytes: PAGE_BYTES }
    }
}

/// A page of what was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundPage {
    /// In order.
    pub transactions: Vec<Listed>,
    /// Where to go on, if there may be more.
    pub next: Option<Position>,
}

/// A transaction as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The household.
    pub household: HouseholdId,
    /// The item.
    pub item: ItemId,
    /// The account.
    pub account: AccountId,
    /// The id under which it was first seen.
    pub id: TransactionId,
    /// Positive leaves the account. `None` if it could not be read.
    pub amount: Option<Decimal>,
    /// ISO code, or Plaid's for what ISO does not name.
    pub currency: Option<String>,
    /// When it happened or posted.
    pub date: Date,
    /// When it was authorized.
    pub authorized_date: Option<Date>,
    /// The bank's text.
    pub name: String,
    /// The merchant.
    pub merchant_name: Option<String>,
    /// Whether it may still change or vanish.
    pub pending: bool,
    /// `online`, `in store`, `other`.
    pub payment_channel: Option<String>,
    /// How it was paid.
    pub payment_meta: PaymentMeta,
    /// Plaid's category.
    pub category: Option<BankCategory>,
    /// The number of the cheque.
    pub check_number: Option<String>,
    /// The bank's kind of transaction.
    pub code: Option<String>,
    /// A picture of the merchant.
    pub logo_url: Option<String>,
    /// Whether a person has entered it: no bank knows of it.
    pub is_manual: bool,
    /// What people have written on it.
    pub half: UserHalf,
    /// Whether they wrote it on another transaction, which the bank did not link to this one.
    pub is_guessed: bool,
}

/// What is read of each transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// All that lists show.
    All,
    /// What the filter looks at, and what sums and groups are made of. The rest seems not to be there.
    Sums,
}

/// What became of reading a whole range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// All of it was shown.
    Whole,
    /// It is too much: what was shown is not all.
    TooMuch,
}

/// Takes what is found, with the filter of its household.
pub type Show<'a> = dyn FnMut(&Matcher<'_>, Listed) + Send + 'a;

/// Searches transactions. Reads of a month that exists and is in range, never more than its megabytes (rounded up) say.
#[async_trait]
pub trait TransactionSearch: Send + Sync {
    /// Where there is anything in these households, by one batch read and one query a household.
    async fn scope(&self, households: &[HouseholdId]) -> Result<SearchScope, StoreError>;

    /// One page in an order by date. Stops when it is full, or when so much was examined that another read might examine more
    /// than it may: a page may be short, even empty, with a `next`. A page over several households reads each once.
    async fn find(&self, search: &Search, scope: &SearchScope) -> Result<FoundPage, StoreError>;

    /// Shows everything that the filter lets pass, in no order, or stops when that is more than [`SCAN_BYTES`].
    async fn scan(
        &self,
        filter: &Filter,
        fields: Fields,
        scope: &SearchScope,
        show: &mut Show<'_>,
    ) -> Result<Scanned, StoreError>;
}

/// How much of the banks' history there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// All that the banks have.
    Complete,
    /// More of it is on its way.
    Coming,
}

/// Where there is anything to be found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchScope {
    /// The households.
    pub households: Vec<HouseholdScope>,
}

/// Where there is anything in a household.
#[derive(Debug, Clone, PartialEq)]
pub struct HouseholdScope {
    /// The household.
    pub household: HouseholdId,
    /// The months that have transactions.
    pub months: BTreeSet<Month>,
    /// Its categories.
    pub tree: Tree,
    /// Its connections with their accounts.
    pub connections: Vec<Connection>,
}

impl HouseholdScope {
    fn account(&self, id: &AccountId) -> Option<(&Item, &Account)> {
        self.connections.iter().find_map(|Connection { item, accounts }| {
            accounts.iter().find(|account| account.id == *id).map(|account| (item, account))
        })
    }

    /// Whether an account is here.
    pub fn has_account(&self, id: &AccountId) -> bool {
        self.account(id).is_some()
    }

    /// The merge groups of the accounts.
    fn group(&self, accounts: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
        let here = accounts.iter().filter(|id| self.has_account(id));
        here.flat_map(|id| self.tree.merges().group(id)).collect()
    }

    /// The accounts that do not count in budgets.
    pub fn left_out(&self) -> BTreeSet<AccountId> {
        let accounts = self.connections.iter().flat_map(|connection| &connection.accounts);
        accounts.filter(|account| account.half.is_left_out).map(|account| account.id.clone()).collect()
    }
}

impl SearchScope {
    /// Whether each of the accounts is in one of the households.
    pub fn has_accounts(&self, accounts: &BTreeSet<AccountId>) -> bool {
        accounts.iter().all(|id| self.account(id).is_some())
    }

    /// The merge groups of the accounts.
    pub fn group(&self, accounts: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
        self.households.iter().flat_map(|here| here.group(accounts)).collect()
    }

    /// The filter with the merge groups of its accounts.
    pub fn with_groups(&self, filter: &Filter) -> Filter {
        Filter { accounts: self.group(&filter.accounts), ..filter.clone() }
    }

    /// An account with its item.
    pub fn account(&self, id: &AccountId) -> Option<(&Item, &Account)> {
        self.households.iter().find_map(|here| here.account(id))
    }

    /// Whether all that banks have of these accounts has been fetched; of all accounts, if none is given.
    pub fn history(&self, accounts: &BTreeSet<AccountId>) -> History {
        let accounts = self.group(accounts);
        let is_asked = |connection: &&Connection| {
            accounts.is_empty() || connection.accounts.iter().any(|account| accounts.contains(&account.id))
        };
        let connections = self.households.iter().flat_map(|here| &here.connections);
        let is_coming = connections.filter(is_asked).any(|connection| connection.item.is_history_coming());
        if is_coming { History::Coming } else { History::Complete }
    }

    /// Whether each of the categories means something in one of the households.
    pub fn has_categories(&self, categories: &BTreeSet<Option<CategoryId>>) -> bool {
        let is_here = |id: &CategoryId| self.households.iter().any(|here| here.tree.resolve(id).is_some());
        categories.iter().flatten().all(is_here)
    }

    /// The categories of one of the households.
    ///
    /// # Errors
    /// If it is none of the scope's: whatever was found is in one of them.
    pub fn tree(&self, household: &HouseholdId) -> Result<&Tree, StoreError> {
        let here = self.households.iter().find(|here| here.household == *household);
        here.map(|here| &here.tree).ok_or(StoreError::Corrupt("household"))
    }
}

/// Why a search came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SearchError {
    /// All of the range had to be read, and it is too much.
    #[error("the range is too large to be read at once")]
    TooMuch,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page and, where they are wanted, the totals of all that is found. An order by amount and totals need all of the range; both
/// are made in one reading of it.
pub async fn page(
    port: &dyn TransactionSearch,
    search: &Search,
    scope: &SearchScope,
    with_totals: bool,
) -> Result<(FoundPage, Option<Totals>), SearchError> {
    if search.sort.is_by_date() && !with_totals {
        return Ok((port.find(search, scope).await?, None));
    }
    let mut best = Best::new(search.sort, search.after.as_ref(), search.limit);
    let mut totals = Totals::default();
    let mut show = |matcher: &Matcher<'_>, listed: Listed| {
        if with_totals {
            totals.add(&listed, &matcher.shares(&listed));
        }
        best.add(listed);
    };
    let scanned = port.scan(&search.filter, Fields::All, scope, &mut show).await?;
    match scanned {
        Scanned::Whole => Ok((best.page(), with_totals.then_some(totals))),
        Scanned::TooMuch => Err(SearchError::TooMuch),
    }
}

/// What all that the filter lets pass comes to, in groups.
pub async fn summarize(
    port: &dyn TransactionSearch,
    filter: &Filter,
    scope: &SearchScope,
    by: &[GroupBy],
) -> Result<Summary, SearchError> {
    let mut summary = Summary::new(by);
    let mut show = |matcher: &Matcher<'_>, listed: Listed| summary.add(matcher, &listed);
    match port.scan(filter, Fields::Sums, scope, &mut show).await? {
        Scanned::Whole => Ok(summary),
        Scanned::TooMuch => Err(SearchError::TooMuch),
    }
}
