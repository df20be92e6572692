//! `cargo dev runs`: what the syncs of an item did, and what was on its accounts.

use clap::Args;
use domain::{
    ids::{AccountId, HouseholdId, ItemId, ItemRef},
    store::StoreError,
    sync::{DayBalance, Ledger, RunEntry},
};

use crate::{StackError, cli::running, output::print, stack::store_at};

/// Whose runs.
#[derive(Args)]
pub(crate) struct Runs {
    /// An item, or an account of it.
    of: String,
    /// The last so many runs.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(options: &Runs) -> Result<(), StackError> {
    let wrong = || StackError::Unexpected(format!("{} is neither an item nor an account", options.of));
    let item = options
        .of
        .parse::<AccountId>()
        .map(|account| account.item())
        .or_else(|_| options.of.parse::<ItemId>())
        .map_err(|_bad| wrong())?;
    let ready = running()?;
    let store = store_at(&ready.aws_url)?;
    let unreadable = |error: StoreError| StackError::Unexpected(error.to_string());
    for household in ready.households.values() {
        let household: HouseholdId = household.parse().map_err(|_bad| wrong())?;
        let at = ItemRef { household, item: item.clone() };
        for entry in store.runs(&at, options.limit).await.map_err(unreadable)? {
            print(&line(&entry));
        }
        for balance in store.balances(&at).await.map_err(unreadable)? {
            print(&balance_line(&balance));
        }
    }
    Ok(())
}

fn line(entry: &RunEntry) -> String {
    let ms = entry.at.duration_since(entry.began).as_millis();
    let counts = entry.counts;
    let outcome = entry.failure.as_deref().unwrap_or("finished");
    format!(
        "{}  {ms:>7} ms  {:<8} {outcome}  +{} ~{} -{}  {} page(s)  {}",
        entry.at,
        format!("{:?}", entry.cause).to_lowercase(),
        counts.added,
        counts.modified,
        counts.removed,
        entry.pages,
        entry.request_ids.join(" ")
    )
}

fn balance_line(balance: &DayBalance) -> String {
    let amount =
        |value: Option<rust_decimal::Decimal>| value.map_or("-".to_owned(), |value| value.to_string());
    let on = &balance.balances;
    format!(
        "{}  {}  {} current, {} available, limit {}  {}",
        balance.date,
        balance.account,
        amount(on.current),
        amount(on.available),
        amount(on.limit),
        balance.currency.as_ref().map_or("", domain::money::Currency::code)
    )
}
