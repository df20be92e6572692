//! From the domain to attributes. Names are short since a row of 1 KB costs half of one of 1.1 KB.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    account::AccountState,
    event::News,
    ids::{AccountId, ItemRef, TransactionId},
    item::{Counts, Health, HealthState, LastFailure, LastRun, Phase, Stage, Twin},
    money::Currency,
    store::StoreError,
    sync::AccountWrite,
    transaction::{BankFacts, Digest, Month, PaymentMeta},
};

use crate::{
    keys,
    row::{Change, Row, bytes, number, pack, text},
};

/// The version of every row's schema. Readers upgrade, a command rewrites.
pub(crate) const SCHEMA: u32 = 1;

/// Marks a code that ISO does not name.
const UNOFFICIAL: char = '~';
/// Detail that is shorter does not get smaller.
const WORTH_PACKING: usize = 200;

pub(crate) fn currency(currency: &Currency) -> AttributeValue {
    match currency {
        Currency::Iso(code) => text(code),
        Currency::Unofficial(code) => text(format!("{UNOFFICIAL}{code}")),
    }
}

pub(crate) fn read_currency(stored: &str) -> Currency {
    stored
        .strip_prefix(UNOFFICIAL)
        .map_or_else(|| Currency::Iso(stored.to_owned()), |code| Currency::Unofficial(code.to_owned()))
}

/// What the bank half consists of, besides its place in the index (`ms`), which names the row.
pub(crate) const BANK: [&str; 26] = [
    "id", "h", "ac", "dt", "nm", "am", "cu", "pd", "pe", "ad", "mn", "ch", "cp", "cd", "cc", "cv", "pm",
    "ck", "co", "lo", "z", "rw", "nx", "mp", "ge", "gu",
];

/// The bank half of a transaction, all of it: what the bank does not say is taken away.
pub(crate) fn bank_half(
    at: &ItemRef,
    row: &TransactionId,
    (account, generation): (&AccountId, u32),
    facts: &BankFacts,
    digest: Digest,
    next: Option<&TransactionId>,
    guessed: bool,
) -> Result<Change, StoreError> {
    let category = facts.category.as_ref();
    let or_text = |value: &Option<String>| value.as_ref().map(text);
    let mut change = Change::default();
    change
        .set("v", number(SCHEMA))
        .set("id", text(facts.id.as_str()))
        .set("h", bytes(digest.0))
        .set("ac", text(account.tail()))
        .set("dt", text(facts.date.to_string()))
        .set("nm", text(&facts.name))
        .set("mp", text(keys::month(&at.household, Month::of(facts.date))))
        .set("ms", text(keys::place(facts.date, row)))
        .put("am", facts.amount.map(number))
        .put("cu", facts.currency.as_ref().map(currency))
        .put("pd", facts.pending_of.as_ref().map(|id| text(id.as_str())))
        .put("ge", (generation > 0).then(|| number(generation)))
        .put("nx", next.map(|id| text(id.as_str())))
        .put("gu", guessed.then_some(AttributeValue::Bool(true)))
        .put("pe", facts.pending.then_some(AttributeValue::Bool(true)))
        .put("ad", facts.authorized_date.map(|date| text(date.to_string())))
        .put("mn", or_text(&facts.merchant_name))
        .put("ch", or_text(&facts.payment_channel))
        .put("cp", category.map(|category| text(&category.primary)))
        .put("cd", category.and_then(|category| or_text(&category.detailed)))
        .put("cc", category.and_then(|category| or_text(&category.confidence)))
        .put("cv", category.and_then(|category| or_text(&category.version)))
        .put("pm", payment_meta(&facts.payment_meta))
        .put("ck", or_text(&facts.check_number))
        .put("co", or_text(&facts.code))
        .put("lo", or_text(&facts.logo_url))
        .put("z", facts.detail.as_ref().map(|detail| packed(detail)).transpose()?)
        .put("rw", facts.raw.as_ref().map(|raw| pack(raw.as_bytes()).map(bytes)).transpose()?);
    revive(&mut change);
    Ok(change)
}

/// Takes away what only an alias or a tombstone has.
pub(crate) fn revive(change: &mut Change) {
    change.remove("of").remove("gone").remove("ttl");
}

/// Short detail as text, long detail compressed.
fn packed(detail: &str) -> Result<AttributeValue, StoreError> {
    Ok(if detail.len() < WORTH_PACKING { text(detail) } else { bytes(pack(detail.as_bytes())?) })
}

/// What a tombstone no longer has. Amount, date, name and account stay, so that an orphaned edit can be shown.
pub(crate) const ENDED: [&str; 18] = [
    "id", "h", "mp", "ms", "pd", "nx", "pe", "mn", "ch", "cp", "cd", "cc", "cv", "pm", "lo", "z", "rw", "ge",
];

fn payment_meta(meta: &PaymentMeta) -> Option<AttributeValue> {
    let fields = [
        ("reference_number", &meta.reference_number),
        ("ppd_id", &meta.ppd_id),
        ("payee", &meta.payee),
        ("by_order_of", &meta.by_order_of),
        ("payer", &meta.payer),
        ("payment_method", &meta.payment_method),
        ("payment_processor", &meta.payment_processor),
        ("reason", &meta.reason),
    ];
    let map: Row = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), text(value.as_ref()?))))
        .collect();
    (!map.is_empty()).then_some(AttributeValue::M(map))
}

/// The bank's half of an account, and how it stands.
pub(crate) fn account(write: &AccountWrite) -> Change {
    let AccountWrite { bank, state, generation, .. } = write;
    let or_text = |value: &Option<String>| value.as_ref().map(text);
    let mut change = Change::default();
    // Only one that is kept by hand can be closed.
    if *state == AccountState::Live {
        change.remove("cl");
    }
    change
        .set("v", number(SCHEMA))
        .set("pi", text(bank.id.as_str()))
        .set("nm", text(&bank.name))
        .set("ty", text(bank.kind.as_str()))
        .put("pa", or_text(&bank.persistent_id))
        .put("on", or_text(&bank.official_name))
        .put("mk", or_text(&bank.mask))
        .put("su", or_text(&bank.subtype))
        .put("bc", bank.balances.current.map(number))
        .put("ba", bank.balances.available.map(number))
        .put("bl", bank.balances.limit.map(number))
        .put("cu", bank.currency.as_ref().map(currency))
        .put("st", account_state(*state).map(text))
        .put("ge", (generation.number > 0).then(|| number(generation.number)))
        .put("gi", (generation.item > 0).then(|| number(generation.item)))
        .put("gr", (generation.reaches > 0).then(|| number(generation.reaches)))
        .put("gt", generation.since.map(|since| text(since.to_string())));
    change
}

/// How an account stands; a live one says nothing.
pub(crate) fn account_state(state: AccountState) -> Option<&'static str> {
    match state {
        AccountState::Live => None,
        AccountState::Unshared { missed_sweep: false } => Some("unshared"),
        AccountState::Unshared { missed_sweep: true } => Some("unshared_unswept"),
        AccountState::Manual => Some("manual"),
        AccountState::Merged => Some("merged"),
        AccountState::Removed { erased: false } => Some("removed"),
        AccountState::Removed { erased: true } => Some("erased"),
    }
}

pub(crate) fn health(change: &mut Change, health: &Health) {
    change
        .set("hs", text(health_name(health.state)))
        .set("ha", text(health.since.to_string()))
        .put("hr", health.reason.as_ref().map(text))
        .put("hu", health.until.map(|until| text(until.to_string())));
}

pub(crate) fn health_name(state: HealthState) -> &'static str {
    match state {
        HealthState::Healthy => "healthy",
        HealthState::Expiring => "expiring",
        HealthState::NeedsLogin => "needs_login",
        HealthState::Revoked => "revoked",
        HealthState::Unsupported => "unsupported",
        HealthState::Removing => "removing",
        HealthState::Removed => "removed",
    }
}

pub(crate) fn news(news: &News) -> AttributeValue {
    map([("t", Some(text(news.since.to_string()))), ("c", news.reason.as_ref().map(text))])
}

pub(crate) fn twin(twin: &Twin) -> AttributeValue {
    map([("i", Some(text(twin.item.as_str()))), ("n", Some(text(&twin.account)))])
}

pub(crate) fn map<const N: usize>(fields: [(&str, Option<AttributeValue>); N]) -> AttributeValue {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    AttributeValue::M(present.collect())
}

pub(crate) fn last_run(run: &LastRun) -> AttributeValue {
    map([
        ("b", Some(text(run.began.to_string()))),
        ("t", Some(text(run.at.to_string()))),
        ("a", Some(number(run.counts.added))),
        ("m", Some(number(run.counts.modified))),
        ("r", Some(number(run.counts.removed))),
    ])
}

pub(crate) fn counts(counts: Counts) -> AttributeValue {
    map([
        ("a", Some(number(counts.added))),
        ("m", Some(number(counts.modified))),
        ("r", Some(number(counts.removed))),
    ])
}

pub(crate) fn failure(failure: &LastFailure) -> AttributeValue {
    map([
        ("t", Some(text(failure.at.to_string()))),
        ("s", Some(text(failure.since.to_string()))),
        ("w", Some(number(failure.want))),
        ("c", Some(text(&failure.code))),
        ("n", failure.retry_at.map(|at| text(at.to_string()))),
    ])
}

pub(crate) fn stage(stage: &Stage) -> AttributeValue {
    let (cursor, applied) = match &stage.phase {
        Phase::Fetching(cursor) => (Some(text(cursor.as_str())), None),
        Phase::Applying(pages) => (None, Some(number(pages))),
    };
    map([
        ("u", Some(number(stage.run))),
        ("c", cursor),
        ("d", applied),
        ("p", Some(number(stage.pages))),
        ("w", Some(number(stage.want))),
        ("b", Some(text(stage.began.to_string()))),
        ("t", Some(text(stage.touched.to_string()))),
        ("e", (stage.empty_pages > 0).then(|| number(stage.empty_pages))),
        ("h", Some(text(stage.history.as_str()))),
        ("a", Some(number(stage.counts.added))),
        ("m", Some(number(stage.counts.modified))),
        ("r", Some(number(stage.counts.removed))),
        ("s", stage.sweeps.then_some(AttributeValue::Bool(true))),
    ])
}
