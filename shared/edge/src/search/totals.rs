//! Counts and sums as answers show them.

use domain::search::Totals;
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
    let view = |(currency, amounts): (Option<&str>, &domain::search::Amounts)| CurrencyTotals {
        currency: currency.map(str::to_owned),
        count: amounts.count,
        incoming: amounts.incoming.to_string(),
        outgoing: amounts.outgoing.to_string(),
        income: amounts.income.to_string(),
        expense: amounts.expense.to_string(),
        transfers_in: amounts.transfers_in.to_string(),
        transfers_out: amounts.transfers_out.to_string(),
        net: amounts.net().to_string(),
    };
    totals.by_currency().map(view).collect()
}
