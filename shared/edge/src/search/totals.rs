//! Counts and sums as answers show them.

use domain::{
    money::amount_text,
    search::{Amounts, Sum, Totals},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::Currency;

/// What transactions of one currency come to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CurrencyTotals {
    /// None for what has none.
    #[schemars(with = "Option<Currency>")]
    pub currency: Option<String>,
    /// How many transactions.
    pub count: u64,
    /// What came in, transfers too; never negative.
    #[serde(rename = "in")]
    pub incoming: String,
    /// What went out, transfers too; never negative.
    #[serde(rename = "out")]
    pub outgoing: String,
    /// What was earned: of income categories, and what came in without a category. What of it was given back lessens it.
    pub income: String,
    /// What was spent: of expense categories, and what went out without a category. A refund lessens it.
    pub expense: String,
    /// What came in of transfer categories; never negative.
    pub transfers_in: String,
    /// What went out of transfer categories; never negative.
    pub transfers_out: String,
    /// Income less expense. Transfers between own accounts are neither.
    pub net: String,
}

/// By currency.
pub fn totals(totals: &Totals) -> Vec<CurrencyTotals> {
    totals.by_currency().map(|(currency, amounts)| view(currency, amounts)).collect()
}

fn view(currency: Option<&str>, amounts: &Amounts) -> CurrencyTotals {
    let text = |sum: Sum| amount_text(sum, currency);
    CurrencyTotals {
        currency: currency.map(str::to_owned),
        count: amounts.count,
        incoming: text(amounts.incoming),
        outgoing: text(amounts.outgoing),
        income: text(amounts.income),
        expense: text(amounts.expense),
        transfers_in: text(amounts.transfers_in),
        transfers_out: text(amounts.transfers_out),
        net: text(amounts.net()),
    }
}
