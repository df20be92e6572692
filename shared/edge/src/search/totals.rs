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
    /// What came in; never negative.
    #[serde(rename = "in")]
    pub incoming: String,
    /// What went out; never negative.
    #[serde(rename = "out")]
    pub outgoing: String,
    /// What came in less what went out: negative if more went out.
    pub net: String,
}

/// By currency.
pub fn totals(totals: &Totals) -> Vec<CurrencyTotals> {
    let view = |(currency, amounts): (Option<&str>, &domain::search::Amounts)| CurrencyTotals {
        currency: currency.map(str::to_owned),
        count: amounts.count,
        incoming: amounts.incoming.to_string(),
        outgoing: amounts.outgoing.to_string(),
        net: amounts.net().to_string(),
    };
    totals.by_currency().map(view).collect()
}
