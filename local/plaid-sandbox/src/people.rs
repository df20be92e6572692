//! The people who log in: their accounts, and the transactions that their banks know of.

use jiff::{ToSpan, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{errors::PlaidError, generate::Generator, ledger::Transaction};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "Plaid's name for it")]
pub(crate) struct Account {
    pub(crate) account_id: String,
    pub(crate) name: String,
    pub(crate) official_name: Option<String>,
    pub(crate) mask: Option<String>,
    pub(crate) kind: String,
    pub(crate) subtype: Option<String>,
    pub(crate) available: Option<Decimal>,
    pub(crate) current: Option<Decimal>,
    pub(crate) limit: Option<Decimal>,
    pub(crate) currency: String,
    /// What is the same for the account under every item, at the one bank that has it.
    #[serde(default)]
    pub(crate) persistent_id: Option<String>,
}

/// Who logged in, as far as it changes what happens later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Person {
    /// Nothing changes by itself.
    Static,
    /// `user_transactions_dynamic`.
    Dynamic,
}

/// What a log-in opens.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) person: Person,
    pub(crate) accounts: Vec<Account>,
    pub(crate) history: Vec<Transaction>,
}

/// The days a history is made over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) today: Date,
    pub(crate) days: u16,
}

/// The device code that `mfa_device` is asked for.
pub(crate) const MFA_CODE: &str = "1234";

/// Whether a log-in needs a second factor.
pub(crate) fn needs_mfa(username: &str, password: &str) -> bool {
    username == "mfa_device" || password == "mfa_device"
}

/// What username and password open.
pub(crate) fn log_in(
    username: &str,
    password: &str,
    window: Window,
    generator: &mut Generator,
) -> Result<Login, PlaidError> {
    if let Some(code) = password.strip_prefix("error_") {
        return Err(PlaidError::of_code(code));
    }
    let refused = || PlaidError::item("INVALID_CREDENTIALS", "the credentials were not correct");
    match username {
        "user_good" | "mfa_device" if matches!(password, "pass_good" | "mfa_device") => {
            Ok(generated(Person::Static, per_day(window, 2, 3), window, generator))
        }
        "user_transactions_dynamic" if !password.is_empty() => {
            Ok(dynamic(per_day(window, 4, 3), window, generator))
        }
        "user_many" => {
            let count = password.parse().map_err(|_not_a_number| refused())?;
            Ok(generated(Person::Static, count, window, generator))
        }
        "user_custom" => custom(password, window, generator),
        _ => Err(refused()),
    }
}

fn per_day(window: Window, numerator: u32, denominator: u32) -> u32 {
    u32::from(window.days) * numerator / denominator
}

fn account(generator: &mut Generator, row: (&str, &str, &str, &str, &str, i64)) -> Account {
    let (name, official, mask, kind, subtype, cents) = row;
    let current = Decimal::new(cents, 2);
    let is_credit = kind == "credit";
    Account {
        account_id: generator.id(),
        name: name.to_owned(),
        official_name: Some(official.to_owned()),
        mask: Some(mask.to_owned()),
        kind: kind.to_owned(),
        subtype: Some(subtype.to_owned()),
        available: (!is_credit).then_some(current - Decimal::new(1000, 2)),
        current: Some(current),
        limit: is_credit.then_some(Decimal::from(2000)),
        currency: "USD".to_owned(),
        persistent_id: None,
    }
}

/// An account that somebody opens at a bank.
pub(crate) fn opened(name: &str, mask: &str, generator: &mut Generator) -> Account {
    account(generator, (name, name, mask, "depository", "checking", 5_000))
}

fn usual_accounts(generator: &mut Generator) -> Vec<Account> {
    [
        (
            "Plaid Checking",
            "Plaid Gold Standard 0% Interest Checking",
            "0000",
            "depository",
            "checking",
            11_000,
        ),
        (
            "Plaid Saving",
            "Plaid Silver Standard 0.1% Interest Saving",
            "1111",
            "depository",
            "savings",
            21_000,
        ),
        (
            "Plaid Credit Card",
            "Plaid Diamond 12.5% APR Interest Credit Card",
            "3333",
            "credit",
            "credit card",
            41_000,
        ),
    ]
    .map(|row| account(generator, row))
    .to_vec()
}

/// Name, merchant, channel, categories, cents at least, cents at most, whether it comes in.
type Habit = (&'static str, Option<&'static str>, &'static str, (&'static str, &'static str), i64, i64);

const HABITS: [Habit; 12] = [
    (
        "Starbucks 7 SEATTLE",
        Some("Starbucks"),
        "in store",
        ("FOOD_AND_DRINK", "FOOD_AND_DRINK_COFFEE"),
        310,
        990,
    ),
    (
        "McDonald's #3322",
        Some("McDonald's"),
        "in store",
        ("FOOD_AND_DRINK", "FOOD_AND_DRINK_FAST_FOOD"),
        560,
        2_400,
    ),
    (
        "UBER *TRIP",
        Some("Uber"),
        "online",
        ("TRANSPORTATION", "TRANSPORTATION_TAXIS_AND_RIDE_SHARES"),
        633,
        4_800,
    ),
    (
        "WHOLEFDS MKT 10203",
        Some("Whole Foods"),
        "in store",
        ("FOOD_AND_DRINK", "FOOD_AND_DRINK_GROCERIES"),
        1_200,
        19_900,
    ),
    (
        "AMAZON MKTPL*2K4",
        Some("Amazon"),
        "online",
        ("GENERAL_MERCHANDISE", "GENERAL_MERCHANDISE_ONLINE_MARKETPLACES"),
        499,
        25_000,
    ),
    (
        "Netflix.com",
        Some("Netflix"),
        "online",
        ("ENTERTAINMENT", "ENTERTAINMENT_TV_AND_MOVIES"),
        1_549,
        1_549,
    ),
    ("SHELL OIL 5744", Some("Shell"), "in store", ("TRANSPORTATION", "TRANSPORTATION_GAS"), 2_000, 7_900),
    (
        "Touchstone Climbing",
        Some("Touchstone"),
        "in store",
        ("PERSONAL_CARE", "PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS"),
        7_850,
        7_850,
    ),
    ("ACH Electronic CreditGUSTO PAY 123456", None, "other", ("INCOME", "INCOME_WAGES"), -585_000, -250_000),
    (
        "AUTOMATIC PAYMENT - THANK",
        None,
        "other",
        ("LOAN_PAYMENTS", "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT"),
        10_000,
        207_850,
    ),
    (
        "United Airlines REFUND",
        Some("United Airlines"),
        "online",
        ("TRAVEL", "TRAVEL_FLIGHTS"),
        -50_000,
        -5_000,
    ),
    ("INTRST PYMNT", None, "other", ("INCOME", "INCOME_INTEREST_EARNED"), -422, -1),
];

/// One posted transaction of the kind people have.
pub(crate) fn ordinary(account: &Account, date: Date, generator: &mut Generator) -> Transaction {
    let habit = generator.pick(&HABITS).copied().unwrap_or(HABITS[0]);
    let (name, merchant, channel, (primary, detailed), least, most) = habit;
    let range = u64::try_from(most - least).unwrap_or_default() + 1;
    let cents = least + i64::try_from(generator.below(range)).unwrap_or_default();
    let is_transfer = channel == "other";
    Transaction {
        id: generator.id(),
        account_id: account.account_id.clone(),
        amount: Decimal::new(cents, 2),
        currency: account.currency.clone(),
        date,
        authorized_date: date.checked_sub(i64::from(!is_transfer).days()).ok(),
        name: name.to_owned(),
        merchant_name: merchant.map(str::to_owned),
        pending: false,
        pending_transaction_id: None,
        payment_channel: channel.to_owned(),
        category: (primary.to_owned(), detailed.to_owned()),
        reference_number: is_transfer.then(|| format!("{:010}", generator.below(10_000_000_000))),
    }
}

fn day_before(today: Date, days: u32) -> Date {
    today.checked_sub(i64::from(days).days()).unwrap_or(today)
}

/// So many transactions spread over the window, oldest first.
fn history(accounts: &[Account], count: u32, window: Window, generator: &mut Generator) -> Vec<Transaction> {
    let days = u32::from(window.days).max(1);
    let spread = |number: u32| {
        days - 1 - u32::try_from(u64::from(number) * u64::from(days) / u64::from(count.max(1))).unwrap_or(0)
    };
    (0..count)
        .filter_map(|number| {
            let account = generator.pick(accounts)?.clone();
            Some(ordinary(&account, day_before(window.today, spread(number)), generator))
        })
        .collect()
}

fn generated(person: Person, count: u32, window: Window, generator: &mut Generator) -> Login {
    let accounts = usual_accounts(generator);
    let spending: Vec<_> = accounts.iter().filter(|a| a.name != "Plaid Saving").cloned().collect();
    let history = history(&spending, count, window, generator);
    Login { person, accounts, history }
}

/// A history whose last days are pending.
fn dynamic(count: u32, window: Window, generator: &mut Generator) -> Login {
    let mut login = generated(Person::Dynamic, count, window, generator);
    for transaction in login.history.iter_mut().rev().take(5) {
        transaction.pending = true;
        transaction.authorized_date = None;
    }
    login
}

#[derive(Deserialize)]
struct CustomUser {
    override_accounts: Vec<CustomAccount>,
}

#[derive(Deserialize)]
struct CustomAccount {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    starting_balance: Option<Box<RawValue>>,
    force_available_balance: Option<Box<RawValue>>,
    #[serde(default)]
    has_null_available_balance: bool,
    currency: Option<String>,
    #[serde(default)]
    meta: CustomMeta,
    #[serde(default)]
    transactions: Vec<CustomTransaction>,
}

#[derive(Deserialize, Default)]
struct CustomMeta {
    name: Option<String>,
    official_name: Option<String>,
    limit: Option<Box<RawValue>>,
    mask: Option<String>,
}

#[derive(Deserialize)]
struct CustomTransaction {
    date_transacted: Date,
    date_posted: Date,
    amount: Box<RawValue>,
    description: String,
    currency: Option<String>,
}

/// The number as it was written.
fn decimal(number: &RawValue) -> Option<Decimal> {
    domain::money::parse_amount(number.get())
}

/// Plaid's custom users: accounts and transactions from a JSON that stands in the password. A transaction that posts
/// in the future is pending.
fn custom(json: &str, window: Window, generator: &mut Generator) -> Result<Login, PlaidError> {
    let user: CustomUser = serde_json::from_str(json)
        .map_err(|error| PlaidError::input("INVALID_CREDENTIALS", &format!("custom user: {error}")))?;
    let mut login = Login { person: Person::Static, accounts: Vec::new(), history: Vec::new() };
    for (place, custom) in user.override_accounts.into_iter().enumerate() {
        let account = custom_account(&custom, place, generator);
        login.history.extend(
            custom.transactions.iter().filter_map(|t| custom_transaction(t, &account, window, generator)),
        );
        login.accounts.push(account);
    }
    login.history.sort_by_key(|transaction| transaction.date);
    Ok(login)
}

fn custom_account(custom: &CustomAccount, place: usize, generator: &mut Generator) -> Account {
    let subtype = custom.subtype.clone().unwrap_or_else(|| "checking".to_owned());
    let current = custom.starting_balance.as_deref().and_then(decimal).unwrap_or(Decimal::from(1000));
    let available = custom.force_available_balance.as_deref().and_then(decimal).unwrap_or(current);
    let currency = custom.currency.clone().filter(|code| !code.is_empty());
    Account {
        account_id: generator.id(),
        name: custom
            .meta
            .name
            .clone()
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| format!("Plaid {subtype}")),
        official_name: custom.meta.official_name.clone(),
        mask: Some(custom.meta.mask.clone().unwrap_or_else(|| format!("{place:04}"))),
        kind: custom.kind.clone(),
        subtype: Some(subtype),
        available: (!custom.has_null_available_balance).then_some(available),
        current: Some(current),
        limit: custom.meta.limit.as_deref().and_then(decimal),
        currency: currency.unwrap_or_else(|| "USD".to_owned()),
        persistent_id: None,
    }
}

fn custom_transaction(
    custom: &CustomTransaction,
    account: &Account,
    window: Window,
    generator: &mut Generator,
) -> Option<Transaction> {
    let pending = custom.date_posted > window.today;
    let date = if pending { custom.date_transacted } else { custom.date_posted };
    let is_old = date < day_before(window.today, u32::from(window.days));
    (!is_old).then(|| {
        let amount = decimal(&custom.amount).unwrap_or_default();
        let income = amount.is_sign_negative();
        let category = if income {
            ("INCOME", "INCOME_OTHER_INCOME")
        } else {
            ("GENERAL_SERVICES", "GENERAL_SERVICES_OTHER_GENERAL_SERVICES")
        };
        Transaction {
            id: generator.id(),
            account_id: account.account_id.clone(),
            amount,
            currency: custom.currency.clone().unwrap_or_else(|| account.currency.clone()),
            date,
            authorized_date: Some(custom.date_transacted),
            name: custom.description.clone(),
            merchant_name: None,
            pending,
            pending_transaction_id: None,
            payment_channel: "other".to_owned(),
            category: (category.0.to_owned(), category.1.to_owned()),
            reference_number: None,
        }
    })
}
