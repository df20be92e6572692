//! From attributes to the domain.

use domain::{
    account::{Account, AccountHalf, AccountKind, AccountState, Balances, BankAccount, Generation},
    bank::HistoryStatus,
    event::News,
    ids::{AccountId, HouseholdId, ItemId, ItemRef},
    item::{
        Counts, Health, HealthState, Item, LastFailure, LastRun, Leftovers, Phase, Stage, SyncState, Twin,
    },
    secret::SealedToken,
    store::StoreError,
};

use crate::{
    admission::{AWAITS, TWIN},
    encode::{self, health_name, read_currency},
    merging,
    row::{Reader, Row},
};

/// An item or an account, as the sort key tells.
pub(crate) enum ItemRow {
    Item(ItemId),
    Account(ItemId, String),
}

pub(crate) fn item_row(row: &Row) -> Result<ItemRow, StoreError> {
    let sort = Reader(row).text("sk")?;
    let rest = sort.strip_prefix("I#").ok_or(StoreError::Corrupt("sk"))?;
    let id = |text: &str| text.parse::<ItemId>().map_err(|_bad| StoreError::Corrupt("sk"));
    match rest.split_once("#A#") {
        Some((item, tail)) => Ok(ItemRow::Account(id(item)?, tail.to_owned())),
        None => Ok(ItemRow::Item(id(rest)?)),
    }
}

pub(crate) fn item(household: &HouseholdId, id: ItemId, row: &Row) -> Result<Item, StoreError> {
    let row = Reader(row);
    Ok(Item {
        at: ItemRef { household: household.clone(), item: id },
        user: row.parsed("us")?,
        institution: row.maybe_parsed("in"),
        institution_name: row.owned("im"),
        health: health(row)?,
        history: HistoryStatus::from(row.text("hi")?),
        want: row.number("want")?,
        done: row.number("done")?,
        last_run: row.map("lr").map(last_run).transpose()?,
        failure: row.map("fa").map(failure).transpose()?,
        totals: row.map("tt").map(counts).transpose()?.unwrap_or_default(),
        new_accounts: row.flag("na"),
        awaits_admission: row.flag(AWAITS),
    })
}

pub(crate) fn sync_state(household: &HouseholdId, id: ItemId, row: &Row) -> Result<SyncState, StoreError> {
    let item = item(household, id, row)?;
    let row = Reader(row);
    // A tombstone has none.
    let token = match (row.bytes("tk"), item.health.state) {
        (Some(token), _) => token.to_vec(),
        (None, HealthState::Removed) => Vec::new(),
        (None, _) => return Err(StoreError::Corrupt("tk")),
    };
    let looked: Option<u64> = row.maybe_number("ad");
    let look: u64 = row.maybe_number("al").unwrap_or_default();
    Ok(SyncState {
        item,
        accounts: Vec::new(),
        plaid_item: row.parsed("pi")?,
        rev: row.number("rev")?,
        token: SealedToken(token),
        cursor: row.maybe_parsed("cr"),
        stage: row.map("sg").map(stage).transpose()?,
        months: row.set("mo"),
        accounts_known: looked.is_some_and(|looked| looked >= look),
        accounts_selected: row.flag("ch"),
        succession: row.maybe_number("ep").unwrap_or_default(),
        calm: row.maybe_parsed("cm"),
        looked_at: row.maybe_parsed("lk"),
        budget: row.maybe_parsed("bu"),
        news: row.map("nt").map(news).transpose()?,
        leftovers: Leftovers {
            replaced: row.all_bytes("ot").into_iter().map(SealedToken).collect(),
            keep_data: row.flag("kd"),
        },
        refused_for: row.map(TWIN).map(twin).transpose()?,
    })
}

fn health(row: Reader<'_>) -> Result<Health, StoreError> {
    let name = row.text("hs")?;
    let states = [
        HealthState::Healthy,
        HealthState::Expiring,
        HealthState::NeedsLogin,
        HealthState::Revoked,
        HealthState::Unsupported,
        HealthState::Removing,
        HealthState::Removed,
    ];
    let state =
        states.into_iter().find(|state| health_name(*state) == name).ok_or(StoreError::Corrupt("hs"))?;
    Ok(Health { state, since: row.time("ha")?, reason: row.owned("hr"), until: row.maybe_parsed("hu") })
}

fn twin(row: Reader<'_>) -> Result<Twin, StoreError> {
    Ok(Twin { item: row.parsed("i")?, account: row.text("n")?.to_owned() })
}

fn news(row: Reader<'_>) -> Result<News, StoreError> {
    Ok(News { since: row.time("t")?, reason: row.owned("c") })
}

fn account_state(name: Option<&str>) -> Result<AccountState, StoreError> {
    let states = [
        AccountState::Live,
        AccountState::Unshared { missed_sweep: false },
        AccountState::Unshared { missed_sweep: true },
        AccountState::Manual,
        AccountState::Merged,
        AccountState::Removed { erased: false },
        AccountState::Removed { erased: true },
    ];
    let found = states.into_iter().find(|state| encode::account_state(*state) == name);
    found.ok_or(StoreError::Corrupt("st"))
}

pub(crate) fn counts(row: Reader<'_>) -> Result<Counts, StoreError> {
    Ok(Counts { added: row.number("a")?, modified: row.number("m")?, removed: row.number("r")? })
}

fn last_run(row: Reader<'_>) -> Result<LastRun, StoreError> {
    Ok(LastRun { began: row.time("b")?, at: row.time("t")?, counts: counts(row)? })
}

fn failure(row: Reader<'_>) -> Result<LastFailure, StoreError> {
    let at = row.time("t")?;
    Ok(LastFailure {
        at,
        since: row.maybe_parsed("s").unwrap_or(at),
        want: row.number("w")?,
        code: row.text("c")?.to_owned(),
        retry_at: row.maybe_parsed("n"),
    })
}

fn stage(row: Reader<'_>) -> Result<Stage, StoreError> {
    let phase = match row.maybe_parsed("c") {
        Some(cursor) => Phase::Fetching(cursor),
        None => Phase::Applying(row.number("d")?),
    };
    Ok(Stage {
        run: row.number("u")?,
        phase,
        pages: row.number("p")?,
        want: row.number("w")?,
        began: row.time("b")?,
        touched: row.time("t")?,
        empty_pages: row.maybe_number("e").unwrap_or_default(),
        history: HistoryStatus::from(row.text("h")?),
        counts: counts(row)?,
        sweeps: row.flag("s"),
    })
}

pub(crate) fn account(item: &ItemId, tail: &str, row: &Row) -> Result<Account, StoreError> {
    let row = Reader(row);
    Ok(Account {
        id: AccountId::of(item, tail).map_err(|_bad| StoreError::Corrupt("sk"))?,
        bank: BankAccount {
            id: row.parsed("pi")?,
            persistent_id: row.owned("pa"),
            name: row.text("nm")?.to_owned(),
            official_name: row.owned("on"),
            mask: row.owned("mk"),
            kind: AccountKind::from(row.text("ty")?),
            subtype: row.owned("su"),
            balances: Balances {
                current: row.decimal("bc"),
                available: row.decimal("ba"),
                limit: row.decimal("bl"),
            },
            currency: row.maybe_text("cu").map(read_currency),
        },
        half: AccountHalf {
            rev: row.maybe_number("ar").unwrap_or_default(),
            name: row.owned("un"),
            is_left_out: row.flag("xb"),
            hidden: row.flag("uh"),
            closed: row.flag("cl"),
            balance: row.decimal("ub"),
        },
        state: account_state(row.maybe_text("st"))?,
        generation: Generation {
            number: row.maybe_number("ge").unwrap_or_default(),
            since: row.maybe_parsed("gt"),
            item: row.maybe_number("gi").unwrap_or_default(),
            reaches: row.maybe_number("gr").unwrap_or_default(),
        },
        compared: merging::compared(row),
    })
}
