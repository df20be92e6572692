//! The part of the command line that makes the running stack's Plaid misbehave, and its banks have news.

use std::str::FromStr;

use clap::Args;
use jiff::civil::Date;
use plaid_sandbox::Mangle;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{Client, StackError, cli::running, output::print};

/// A fault of the next calls.
#[derive(Args)]
pub(crate) struct Fault {
    /// An error code, such as `ITEM_LOGIN_REQUIRED`, or what is done to the answer: html, truncated, reset, same-cursor,
    /// endless, duplicated, reordered, mutate, cursor-refused, no-cursor, unread.
    #[arg(required_unless_present = "delay_ms")]
    what: Option<What>,
    /// The path that it hits.
    #[arg(long, default_value = "/transactions/sync")]
    path: String,
    /// Calls that it hits.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Calls that pass before.
    #[arg(long, default_value_t = 0)]
    after: u32,
    /// The error's type, where it is not the one that belongs to the code.
    #[arg(long)]
    error_type: Option<String>,
    /// The HTTP status, where it is not the answer's own.
    #[arg(long)]
    status: Option<u16>,
    /// Send Retry-After with so many seconds.
    #[arg(long)]
    retry_after: Option<u32>,
    /// Answer only after so many milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
}

/// What goes wrong.
#[derive(Clone)]
enum What {
    Code(String),
    Mangle(Mangle),
}

impl FromStr for What {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
            return Ok(Self::Code(text.to_owned()));
        }
        serde_json::from_value(json!(text.replace('-', "_"))).map(Self::Mangle)
    }
}

impl Fault {
    fn build(&self) -> plaid_sandbox::Fault {
        let (error_code, mangle) = match self.what.clone() {
            Some(What::Code(code)) => (Some(code), None),
            Some(What::Mangle(mangle)) => (None, Some(mangle)),
            None => (None, None),
        };
        plaid_sandbox::Fault {
            path: self.path.clone(),
            after: self.after,
            times: self.times,
            error_code,
            error_type: self.error_type.clone(),
            status: self.status,
            retry_after_s: self.retry_after,
            mangle,
            delay_ms: self.delay_ms,
        }
    }
}

/// The Plaid of the stack that runs.
fn plaid() -> Result<Client, StackError> {
    Client::new(&running()?.plaid_url)
}

/// Has the next calls meet a fault.
pub(crate) async fn fault(fault: &Fault) -> Result<(), StackError> {
    let (status, _) = plaid()?.post("/control/faults", &json!(fault.build())).await?;
    match status {
        204 => Ok(()),
        status => Err(StackError::Unexpected(format!("this Plaid takes no faults: {status}"))),
    }
}

/// A change of an item.
#[derive(Args)]
pub(crate) struct Change {
    /// add, amend, remove, restore, revert, flicker, removed-then-restored, post, settle, churn, login-loss, repair,
    /// trouble, renumber-accounts, reissue-accounts, move-institution, open-account, lose-account, share-account, expire,
    /// revoke or balance.
    #[arg(value_name = "CHANGE")]
    what: String,
    /// Plaid's id of the item; the first one if absent.
    #[arg(long)]
    item: Option<String>,
    /// Plaid's id of the transaction; any one that fits if absent.
    #[arg(long)]
    id: Option<String>,
    /// Plaid's id of the account.
    #[arg(long)]
    account: Option<String>,
    /// The amount.
    #[arg(long, allow_negative_numbers = true)]
    amount: Option<Decimal>,
    /// The bank's text.
    #[arg(long)]
    name: Option<String>,
    /// The date.
    #[arg(long)]
    date: Option<Date>,
    /// Add a pending one.
    #[arg(long)]
    pending: bool,
    /// Post without saying which pending one it was.
    #[arg(long)]
    unlinked: bool,
    /// When the pending one goes: with the posted one, or before or after it; then `settle` does the rest.
    #[arg(long, value_parser = ["with", "before", "after"])]
    removal: Option<String>,
    /// The account's balance.
    #[arg(long, allow_negative_numbers = true)]
    current: Option<Decimal>,
}

impl Change {
    /// The change with what was given, and nothing else: which options go with which change is the sandbox's to say.
    fn json(&self) -> Value {
        let mut change = json!({
            "change": self.what.replace('-', "_"),
            "id": self.id,
            "account": self.account,
            "amount": self.amount,
            "name": self.name,
            "date": self.date,
            "pending": self.pending.then_some(true),
            "linked": self.unlinked.then_some(false),
            "removal": self.removal,
            "current": self.current,
        });
        if let Some(fields) = change.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        change
    }
}

/// Changes an item, and says what it came to.
pub(crate) async fn change(change: &Change) -> Result<(), StackError> {
    let plaid = plaid()?;
    let asked: plaid_sandbox::Change =
        serde_json::from_value(change.json()).map_err(|error| StackError::Unexpected(error.to_string()))?;
    let item = match &change.item {
        Some(item) => item.clone(),
        None => first_item(&plaid).await?,
    };
    let (status, answer) = plaid.post(&format!("/control/items/{item}/changes"), &json!(asked)).await?;
    match (status, answer["id"].as_str()) {
        (200, Some(id)) => {
            print(&format!("{} of item {item}: {id}", change.what));
            Ok(())
        }
        (status, _) => {
            let why = answer["error"].as_str().unwrap_or("this Plaid takes no changes");
            Err(StackError::Unexpected(format!("{why} ({status})")))
        }
    }
}

/// A webhook that says just that.
#[derive(Args)]
pub(crate) struct Webhook {
    /// Its type and code, such as ITEM/ERROR or `TRANSACTIONS/SYNC_UPDATES_AVAILABLE`.
    what: String,
    /// Plaid's id of the item; the first one if absent.
    #[arg(long)]
    item: Option<String>,
    /// The error's code.
    #[arg(long)]
    error_code: Option<String>,
    /// More fields, as name=value.
    #[arg(long)]
    field: Vec<String>,
    /// Deliver this and the next webhooks so many times.
    #[arg(long)]
    copies: Option<u32>,
    /// What happens to it on its way.
    #[arg(long, value_parser = ["lost", "reordered", "expired-key", "stale-iat"])]
    flaw: Option<String>,
}

/// Sends a webhook of an item.
pub(crate) async fn webhook(webhook: &Webhook) -> Result<(), StackError> {
    let plaid = plaid()?;
    let (kind, code) = webhook.what.split_once('/').ok_or_else(|| {
        StackError::Unexpected(format!("{} is no type and code, such as ITEM/ERROR", webhook.what))
    })?;
    let item = match &webhook.item {
        Some(item) => item.clone(),
        None => first_item(&plaid).await?,
    };
    if webhook.copies.is_some() || webhook.flaw.is_some() {
        let flaw = webhook.flaw.as_ref().map(|flaw| flaw.replace('-', "_"));
        let fault = json!({"times": 1, "copies": webhook.copies.unwrap_or(1), "flaw": flaw});
        taken(plaid.post("/control/webhooks/faults", &fault).await?)?;
    }
    let mut body = json!({"webhook_type": kind, "webhook_code": code});
    if let Some(fields) = body.as_object_mut() {
        fields.extend(webhook.error_code.iter().map(|code| ("error_code".to_owned(), json!(code))));
        let given = webhook.field.iter().filter_map(|field| field.split_once('='));
        fields.extend(given.map(|(name, value)| (name.to_owned(), json!(value))));
    }
    taken(plaid.post(&format!("/control/items/{item}/webhooks"), &body).await?)
}

fn taken((status, answer): (u16, Value)) -> Result<(), StackError> {
    if status < 300 {
        return Ok(());
    }
    let why = answer["error"].as_str().unwrap_or("this Plaid does not take it");
    Err(StackError::Unexpected(format!("{why} ({status})")))
}

async fn first_item(plaid: &Client) -> Result<String, StackError> {
    let (_, answer) = plaid.get("/control/items").await?;
    let first = answer["item_ids"][0].as_str();
    first
        .map(str::to_owned)
        .ok_or_else(|| StackError::Unexpected("no item is connected at this Plaid".to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Cli {
        Plaid(Fault),
        PlaidChange(Change),
    }

    fn parse(line: &str) -> Result<Value, String> {
        let words = ["dev"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).map_err(|error| error.to_string())? {
            Cli::Plaid(fault) => Ok(json!(fault.build())),
            Cli::PlaidChange(change) => {
                let asked: Result<plaid_sandbox::Change, _> = serde_json::from_value(change.json());
                asked.map(|_| change.json()).map_err(|error| error.to_string())
            }
        }
    }

    #[test]
    fn a_fault_is_a_code_or_what_is_done_to_the_answer() {
        let fault = parse("plaid RATE_LIMIT --retry-after 3 --after 2").unwrap();
        assert_eq!((&fault["error_code"], &fault["retry_after_s"]), (&json!("RATE_LIMIT"), &json!(3)));
        assert_eq!((&fault["after"], &fault["path"]), (&json!(2), &json!("/transactions/sync")));
        let fault = parse("plaid same-cursor --times 9 --path *").unwrap();
        assert_eq!((&fault["mangle"], &fault["times"]), (&json!("same_cursor"), &json!(9)));
        assert_eq!(parse("plaid --delay-ms 5000").unwrap()["delay_ms"], 5000);
        assert!(parse("plaid upside-down").unwrap_err().contains("expected one of `html`"));
        assert!(parse("plaid").is_err());
    }

    #[test]
    fn a_change_has_what_was_given() {
        let change = parse("plaid-change post --unlinked --removal before --id x").unwrap();
        assert_eq!(change, json!({"change": "post", "linked": false, "removal": "before", "id": "x"}));
        let change = parse("plaid-change add --amount -12.30 --date 2026-01-31").unwrap();
        assert_eq!(change, json!({"change": "add", "amount": "-12.30", "date": "2026-01-31"}));
        assert!(parse("plaid-change login-loss").is_ok());
        assert!(parse("plaid-change amend --removal with").unwrap_err().contains("unknown field"));
        assert!(parse("plaid-change explode").unwrap_err().contains("unknown variant"));
    }
}
