//! Transactions: the stream of updates, the range, and what makes news.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Call, TokenRequest, item::item_view, ok};
use crate::{
    cursor::{Cursor, page},
    errors::PlaidError,
    item::{History, Item},
    ledger::{Tick, Transaction},
    wire::{self, WireAccount, WireTransaction},
};

/// Transactions of a page, by default and at most.
const DEFAULT_COUNT: usize = 100;
const LARGEST_COUNT: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SyncRequest {
    access_token: String,
    cursor: Option<String>,
    count: Option<usize>,
    #[serde(default, rename = "options")]
    _options: SyncOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SyncOptions {
    #[serde(rename = "include_original_description")]
    _include_original_description: Option<bool>,
    #[serde(rename = "personal_finance_category_version")]
    _personal_finance_category_version: Option<String>,
    #[serde(rename = "days_requested")]
    _days_requested: Option<u16>,
}

#[derive(Serialize)]
struct SyncAnswer {
    transactions_update_status: &'static str,
    accounts: Vec<WireAccount>,
    added: Vec<WireTransaction>,
    modified: Vec<WireTransaction>,
    removed: Vec<Value>,
    next_cursor: String,
    has_more: bool,
}

fn count(call: &Call<'_>, asked: Option<usize>) -> Result<usize, PlaidError> {
    match asked.unwrap_or(DEFAULT_COUNT) {
        count @ 1..=LARGEST_COUNT => Ok(call.world.page_size.map_or(count, |size| size.min(count))),
        _ => Err(PlaidError::request("INVALID_FIELD", "count must be between 1 and 500")),
    }
}

/// Where a request of an item reads on.
fn start(item: &Item, cursor: Option<&str>, tick: Tick) -> Result<Cursor, PlaidError> {
    let Some(text) = cursor.filter(|cursor| !cursor.is_empty()) else {
        return Ok(Cursor { item: item.item_id.clone(), from: 0, to: tick, offset: 0 });
    };
    let cursor = Cursor::decode(text).filter(|cursor| cursor.item == item.item_id);
    let cursor = cursor.ok_or_else(PlaidError::foreign_cursor)?;
    // A cursor between two updates reads up to now; one inside an update reads that update on.
    Ok(if cursor.offset == 0 { Cursor { from: cursor.to, to: tick, ..cursor } } else { cursor })
}

pub(super) fn transactions_sync(call: &mut Call<'_>, request: &SyncRequest) -> Answer {
    let count = count(call, request.count)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    item.is_synced = true;
    // What changes before the first history has arrived waits for it.
    let tick = if item.history == History::NotReady { 0 } else { item.ledger.tick() };
    let start = start(item, request.cursor.as_deref(), tick)?;
    let is_stuck = request.cursor.is_some() && request.cursor == item.stuck_cursor;
    if start.to != tick || is_stuck {
        let why = "underlying transaction data changed since last page was fetched. please restart pagination from last \
                   update.";
        return Err(PlaidError::new(
            "TRANSACTIONS_ERROR",
            "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
            why,
        ));
    }
    let (delta, has_more) = page(item.delta(start.from, start.to), start.offset, count);
    let next = if has_more {
        Cursor { offset: start.offset + count, ..start }
    } else {
        Cursor { from: start.to, offset: 0, ..start }
    };
    let named = |id: &String| delta.added.iter().chain(&delta.modified).any(|t| t.account_id == *id);
    let accounts =
        item.accounts.iter().filter(|account| named(&account.account_id)).map(wire::account).collect();
    let view = |list: Vec<&Transaction>| list.into_iter().cloned().map(wire::transaction).collect();
    let removed = |t: &&Transaction| json!({"transaction_id": t.id, "account_id": t.account_id});
    ok(SyncAnswer {
        transactions_update_status: wire::status(item.history),
        accounts,
        removed: delta.removed.iter().map(removed).collect(),
        added: view(delta.added),
        modified: view(delta.modified),
        next_cursor: if item.history == History::NotReady { String::new() } else { next.encode() },
        has_more,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GetRequest {
    access_token: String,
    start_date: Date,
    end_date: Date,
    #[serde(default)]
    options: GetOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct GetOptions {
    account_ids: Option<Vec<String>>,
    count: Option<usize>,
    offset: Option<usize>,
    #[serde(rename = "include_original_description")]
    _include_original_description: Option<bool>,
    #[serde(rename = "personal_finance_category_version")]
    _personal_finance_category_version: Option<String>,
    #[serde(rename = "days_requested")]
    _days_requested: Option<u16>,
}

#[derive(Serialize)]
struct GetAnswer {
    accounts: Vec<WireAccount>,
    transactions: Vec<WireTransaction>,
    total_transactions: usize,
    item: Value,
}

pub(super) fn transactions_get(call: &mut Call<'_>, request: &GetRequest) -> Answer {
    let count = count(call, request.options.count)?;
    let view = item_view(call, &request.access_token)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    if item.history == History::NotReady {
        return Err(PlaidError::item("PRODUCT_NOT_READY", "the requested product is not yet ready"));
    }
    let wanted = request.options.account_ids.as_ref();
    let is_wanted = |t: &&Transaction| wanted.is_none_or(|ids| ids.contains(&t.account_id));
    let dates = request.start_date..=request.end_date;
    let mut all: Vec<_> = item.live().filter(|t| dates.contains(&t.date)).filter(is_wanted).collect();
    all.sort_by(|a, b| (b.date, &b.id).cmp(&(a.date, &a.id)));
    let total_transactions = all.len();
    let page = all.into_iter().skip(request.options.offset.unwrap_or(0)).take(count);
    ok(GetAnswer {
        accounts: item.accounts.iter().map(wire::account).collect(),
        transactions: page.cloned().map(wire::transaction).collect(),
        total_transactions,
        item: view,
    })
}

pub(super) fn transactions_refresh(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let item = call.item(&request.access_token)?;
    item.usable()?;
    let (item_id, before) = (item.item_id.clone(), item.ledger.tick());
    call.world.refresh(&item_id, call.now);
    // Plaid says something only if something changed.
    call.world.tell(&item_id, |item| if item.ledger.tick() == before { Vec::new() } else { item.news() });
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransactionsCreate {
    access_token: String,
    transactions: Vec<NewTransaction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTransaction {
    date_transacted: Date,
    date_posted: Date,
    amount: Box<serde_json::value::RawValue>,
    description: String,
    iso_currency_code: Option<String>,
}

pub(super) fn transactions_create(call: &mut Call<'_>, request: TransactionsCreate) -> Answer {
    if request.transactions.is_empty() || request.transactions.len() > 10 {
        return Err(PlaidError::request("INVALID_FIELD", "transactions must have 1 to 10 entries"));
    }
    let mut ids = Vec::new();
    for _ in &request.transactions {
        ids.push(call.world.generator.id());
    }
    let item = call.item(&request.access_token)?;
    if item.person != crate::people::Person::Dynamic {
        let why = "only items of user_transactions_dynamic take transactions";
        return Err(PlaidError::request("INVALID_FIELD", why));
    }
    let account = item.accounts.iter().find(|account| account.kind == "depository").cloned();
    let account =
        account.ok_or_else(|| PlaidError::item("NO_ACCOUNTS", "the item has no depository account"))?;
    for (id, new) in ids.into_iter().zip(request.transactions) {
        let amount = domain::money::parse_amount(new.amount.get());
        item.ledger.put(Transaction {
            id,
            account_id: account.account_id.clone(),
            amount: amount.ok_or_else(|| PlaidError::request("INVALID_FIELD", "amount is not a number"))?,
            currency: new.iso_currency_code.unwrap_or_else(|| account.currency.clone()),
            date: new.date_posted,
            authorized_date: Some(new.date_transacted),
            name: new.description,
            merchant_name: None,
            pending: false,
            pending_transaction_id: None,
            payment_channel: "other".to_owned(),
            category: ("GENERAL_SERVICES".to_owned(), "GENERAL_SERVICES_OTHER_GENERAL_SERVICES".to_owned()),
            reference_number: None,
        });
    }
    let item_id = item.item_id.clone();
    call.world.tell(&item_id, Item::news);
    ok(json!({}))
}
