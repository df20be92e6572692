//! What a search asks for, read from the query: the same for every endpoint that searches.

mod cursor;
mod description;
mod orphan;
mod totals;

use std::collections::BTreeSet;

use domain::{
    category::Kind,
    household::{Memberships, readable_households},
    ids::{AccountId, CategoryId, HouseholdId, UserId},
    money::parse_amount,
    search::{Budget, Direction, Filter, Hidden, SearchError, SearchScope, Sort, TransactionSearch},
    transaction::parse_date,
};
use rust_decimal::Decimal;

pub use cursor::Binding;
pub use description::{described, sort_schema};
pub use orphan::OrphanedEdit;
pub use totals::{CurrencyTotals, totals};

use crate::{
    problem::{FieldError, Problem},
    query::Query,
};

/// Ids in one parameter.
pub const MOST_IDS: usize = 20;
/// Decimals of an amount: as many as the smallest unit of a currency of Plaid's has.
pub const MOST_DECIMALS: u32 = 18;

const AMOUNT: &str = "must be a decimal without a sign, of at most 28 digits and 18 decimals, such as 12.50";
const DATE: &str = "must be a date, YYYY-MM-DD";
/// What a flag must be.
pub const FLAG: &str = "must be true or false";
/// What an order must be.
pub const SORT: &str = "must be -date, date, -amount or amount";
const IDS: &str = "must be up to 20 ids with commas between them";

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The household; none for all of the caller's.
    pub household: Option<HouseholdId>,
    /// What is looked for.
    pub filter: Filter,
}

impl Asked {
    /// Reads the parameters of a search, and notes what is wrong with them. `budget` counts where the caller does not say
    /// which accounts.
    pub fn read(query: &mut Query, budget: Budget) -> Self {
        let household = query.value("household_id");
        let filter = Filter {
            words: query.value("q"),
            from: query.read("from", DATE, parse_date),
            to: query.read("to", DATE, parse_date),
            least: query.read("min_amount", AMOUNT, amount),
            most: query.read("max_amount", AMOUNT, amount),
            direction: query.read("direction", "must be in or out", direction),
            categories: query.read("category_id", IDS, categories).unwrap_or_default(),
            kind: query.read("type", "must be income, expense or transfer", kind),
            accounts: query.read("account_id", IDS, |text| ids(text, account)).unwrap_or_default(),
            budget: query.read("in_budget", "must be true, false or any", in_budget).unwrap_or(budget),
            tag: query.value("tag"),
            pending: query.read("pending", FLAG, flag),
            manual: query.read("manual", FLAG, flag),
            hidden: query.read("hidden", "must be true, false or any", hidden).unwrap_or_default(),
            field: query.value("field"),
        };
        if filter.from.zip(filter.to).is_some_and(|(from, to)| from > to) {
            query.fault("to", "must not be before from");
        }
        if filter.least.zip(filter.most).is_some_and(|(least, most)| least > most) {
            query.fault("max_amount", "must not be less than min_amount");
        }
        Self { household, filter }
    }

    /// The households to look in.
    pub async fn households(
        &self,
        memberships: &dyn Memberships,
        user: &UserId,
    ) -> Result<Vec<HouseholdId>, Problem> {
        Ok(readable_households(memberships, user, self.household.as_ref()).await?)
    }

    /// Where there is anything in these households. An account or a category that is in none of them is not there.
    pub async fn scope(
        &self,
        search: &dyn TransactionSearch,
        households: &[HouseholdId],
    ) -> Result<SearchScope, Problem> {
        let scope = search.scope(households).await?;
        if !scope.has_accounts(&self.filter.accounts) {
            return Err(Problem::not_found("account_not_found", "account"));
        }
        if !scope.has_categories(&self.filter.categories) {
            return Err(Problem::not_found("category_not_found", "category"));
        }
        Ok(scope)
    }
}

/// An order by its name.
pub fn sort(text: &str) -> Option<Sort> {
    Sort::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort)
}

/// Whether something is asked for.
pub fn flag(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A number of one or more, up to the largest.
pub fn count(text: &str, largest: usize) -> Option<usize> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count| is_number && (1..=largest).contains(count))
}

fn amount(text: &str) -> Option<Decimal> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let fits = u32::try_from(decimals).is_ok_and(|decimals| decimals <= MOST_DECIMALS);
    if is_plain && fits { parse_amount(text) } else { None }
}

fn direction(text: &str) -> Option<Direction> {
    match text {
        "in" => Some(Direction::In),
        "out" => Some(Direction::Out),
        _ => None,
    }
}

fn kind(text: &str) -> Option<Kind> {
    match text {
        "income" => Some(Kind::Income),
        "expense" => Some(Kind::Expense),
        "transfer" => Some(Kind::Transfer),
        _ => None,
    }
}

fn hidden(text: &str) -> Option<Hidden> {
    match text {
        "false" => Some(Hidden::LeftOut),
        "true" => Some(Hidden::Only),
        "any" => Some(Hidden::Any),
        _ => None,
    }
}

fn in_budget(text: &str) -> Option<Budget> {
    match text {
        "true" => Some(Budget::In),
        "false" => Some(Budget::Out),
        "any" => Some(Budget::Any),
        _ => None,
    }
}

/// Categories; none is one of them.
fn categories(text: &str) -> Option<BTreeSet<Option<CategoryId>>> {
    let category = |text: &str| if text == NO_CATEGORY { Ok(None) } else { text.parse().map(Some) };
    ids(text, |text| category(text).ok())
}

/// Means that there is none.
pub const NO_CATEGORY: &str = "none";

fn account(text: &str) -> Option<AccountId> {
    text.parse().ok()
}

/// Several with commas between them.
fn ids<T: Ord>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<BTreeSet<T>> {
    let ids: Vec<_> = text.split(',').take(MOST_IDS + 1).map(read).collect::<Option<_>>()?;
    (ids.len() <= MOST_IDS).then(|| ids.into_iter().collect())
}

/// The `Link` to what comes next: the same question with another cursor.
pub fn next_link(path: &str, raw_query: &str, cursor: &str) -> String {
    let same = form_urlencoded::parse(raw_query.as_bytes()).filter(|(name, _)| name != "cursor");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(same).append_pair("cursor", cursor);
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::TooMuch => {
                let message =
                    "the range holds too much to be added up or put in order by amount: give a shorter one";
                let error = FieldError { field: "from".to_owned(), message: message.to_owned() };
                Self::fields("range_too_large", vec![error])
            }
            SearchError::Store(error) => error.into(),
        }
    }
}
