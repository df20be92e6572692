//! Plaid in process: the sandbox's world behind the client's own way to it, with faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use plaid::{Call, RawAnswer, Transport, TransportError};
use plaid_sandbox::{Change, Fault as SandboxFault, Keys, Mangle, Reply, Sandbox};
use serde::Deserialize;

use crate::{coverage::Phase, database::Shared, process, tally::Fault};

/// A cursor that Plaid gave out, or the beginning of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Issued {
    Beginning,
    Cursor(String),
}

/// What Plaid has said of the items' streams.
#[derive(Default)]
pub(crate) struct Said {
    /// By access token, in order.
    pub(crate) cursors: BTreeMap<String, Vec<Issued>>,
    /// By access token, every transaction that was ever shown, with the pending one it replaces.
    pub(crate) seen: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// The access tokens whose rows were shown with values that cannot be read.
    pub(crate) unread: BTreeSet<String>,
    /// The access tokens whose rows were shown with detail that is too long, and is cut.
    pub(crate) bulky: BTreeSet<String>,
    /// The access tokens whose items changed during a call, which no webhook has told yet.
    untold: BTreeSet<String>,
    /// Cursors from the middle of an update.
    inner: BTreeSet<String>,
    /// Our ids of the items, by access token.
    pub(crate) items: BTreeMap<String, String>,
}

/// Plaid.
#[derive(Clone)]
pub(crate) struct Plaid {
    pub(crate) sandbox: Sandbox,
    shared: Shared,
    said: Arc<Mutex<Said>>,
}

#[derive(Deserialize)]
struct Request {
    access_token: String,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    added: Vec<Row>,
    modified: Vec<Row>,
    removed: Vec<Row>,
    next_cursor: String,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Row {
    transaction_id: String,
    #[serde(default)]
    pending_transaction_id: serde_json::Value,
}

/// What any call meets, each as often as it stands here.
const PLAIN: [Fault; 15] = [
    Fault::PlaidError,
    Fault::PlaidError,
    Fault::PlaidRateLimit,
    Fault::PlaidRetryAfter,
    Fault::PlaidHtml,
    Fault::PlaidTruncated,
    Fault::PlaidReset,
    Fault::PlaidSameCursor,
    Fault::PlaidEndless,
    Fault::PlaidDuplicated,
    Fault::PlaidReordered,
    Fault::PlaidMutation,
    Fault::PlaidCursorRefused,
    Fault::PlaidNoCursor,
    Fault::PlaidUnread,
];
/// What swarms have besides.
const MORE: [Fault; 4] =
    [Fault::PlaidForGood, Fault::PlaidCursorStuck, Fault::PlaidAccountMissing, Fault::PlaidBulky];
const ERRORS: [&str; 7] = [
    "INTERNAL_SERVER_ERROR",
    "PLANNED_MAINTENANCE",
    "INSTITUTION_DOWN",
    "ITEM_LOGIN_REQUIRED",
    "ITEM_NOT_FOUND",
    "INVALID_API_KEYS",
    "BRAND_NEW_CODE",
];
const LIMITS: [&str; 2] = ["TRANSACTIONS_SYNC_LIMIT", "RATE_LIMIT"];
const FOR_GOOD: [&str; 4] = [
    "PRODUCTS_NOT_SUPPORTED",
    "INSTITUTION_NO_LONGER_SUPPORTED",
    "ADDITIONAL_CONSENT_REQUIRED",
    "NO_ACCOUNTS",
];

/// What the sandbox puts into rows whose other values cannot be read.
const UNREAD: &str = "brand_new_field";
/// What it puts into rows with bulky detail, which is cut.
const BULKY: &str = "A counterparty among many";
/// The keys of the sandbox.
pub(crate) const KEY: &str = "key";

impl Plaid {
    pub(crate) fn new(sandbox: Sandbox, shared: Shared) -> Self {
        Self { sandbox, shared, said: Arc::default() }
    }

    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox's answer to one call.
    pub(crate) fn answer(&self, path: &str, body: &[u8]) -> Reply {
        let keys = Keys { client_id: Some(KEY.to_owned()), secret: Some(KEY.to_owned()) };
        self.sandbox.answer(path, &keys, body)
    }

    /// No more faults.
    pub(crate) fn calm(&self) {
        self.sandbox.world().clear_faults();
    }

    /// Settles open postings and repairs the item. True if a webhook would announce it.
    pub(crate) fn settle(&self, plaid_id: &str, token: &str, tells_all: bool) -> bool {
        let is_untold = self.said().untold.remove(token) && tells_all;
        let mut world = self.sandbox.world();
        let settled = world.change(plaid_id, &Change::Settle).is_some();
        let was_lost = world.login_required(plaid_id);
        if was_lost {
            world.change(plaid_id, &Change::Repair);
        }
        let was_troubled = world.in_trouble(plaid_id);
        if was_troubled {
            world.change(plaid_id, &Change::Trouble { code: None });
        }
        settled || was_lost || was_troubled || is_untold
    }

    /// Prepares the fault that the next call meets, if it exists in this schedule.
    fn add_fault(&self, which: Fault, path: &str, body: &[u8]) {
        let fault = self.sandbox_fault(which);
        if which == Fault::PlaidMutation
            && let Ok(request) = serde_json::from_slice::<Request>(body)
        {
            self.said().untold.insert(request.access_token);
        }
        self.sandbox.world().add_fault(SandboxFault { path: path.to_owned(), ..fault });
    }

    /// A fault that a call meets: any of those that there are.
    fn any_fault(&self) -> Option<Fault> {
        let dice = &self.shared.dice;
        let Some(swarm) = &self.shared.swarm else { return PLAIN.get(dice.below(PLAIN.len())).copied() };
        let there: Vec<_> = PLAIN.into_iter().chain(MORE).filter(|fault| swarm.has(*fault)).collect();
        dice.one_of(&there).copied()
    }

    fn sandbox_fault(&self, which: Fault) -> SandboxFault {
        let dice = &self.shared.dice;
        let code = |codes: &[&str]| dice.one_of(codes).map(|code| (*code).to_owned());
        let error = |error_code, retry_after_s| SandboxFault {
            error_code,
            retry_after_s,
            times: 1,
            ..SandboxFault::default()
        };
        let mangle = match which {
            Fault::PlaidError => return error(code(&ERRORS), None),
            Fault::PlaidForGood => return error(code(&FOR_GOOD), None),
            Fault::PlaidRateLimit => return error(code(&LIMITS), None),
            Fault::PlaidRetryAfter => {
                let seconds = Some(dice.between(0, 90));
                return error(code(&LIMITS), seconds);
            }
            Fault::PlaidTruncated => Mangle::Truncated,
            Fault::PlaidReset => Mangle::Reset,
            Fault::PlaidSameCursor => Mangle::SameCursor,
            Fault::PlaidEndless => Mangle::Endless,
            Fault::PlaidDuplicated => Mangle::Duplicated,
            Fault::PlaidReordered => Mangle::Reordered,
            Fault::PlaidMutation => Mangle::Mutate,
            Fault::PlaidCursorRefused => Mangle::CursorRefused,
            Fault::PlaidCursorStuck => Mangle::CursorStuck,
            Fault::PlaidAccountMissing => Mangle::AccountMissing,
            Fault::PlaidBulky => Mangle::Bulky,
            Fault::PlaidNoCursor => Mangle::NoCursor,
            Fault::PlaidUnread => Mangle::Unread,
            _ => Mangle::Html,
        };
        let times = if which == Fault::PlaidEndless { dice.between(1, 30) } else { 1 };
        SandboxFault { mangle: Some(mangle), times, ..SandboxFault::default() }
    }

    /// What a worker's call is for.
    fn phase(&self, call: &Call<'_>) -> Option<(String, Phase)> {
        let request: Request = serde_json::from_slice(&call.body).ok()?;
        let said = self.said();
        let item = said.items.get(&request.access_token)?.clone();
        let phase = match call.path {
            "/accounts/get" => Phase::Accounts,
            _ if request.cursor.is_some_and(|cursor| said.inner.contains(&cursor)) => Phase::LaterPage,
            _ => Phase::FirstPage,
        };
        Some((item, phase))
    }

    /// Remembers what a whole answer said.
    fn note(&self, body: &[u8], answer: &[u8]) {
        let Ok(request) = serde_json::from_slice::<Request>(body) else { return };
        let Ok(page) = serde_json::from_slice::<Page>(answer) else { return };
        let mut said = self.said();
        let Said { cursors, seen, unread, bulky, inner, .. } = &mut *said;
        if page.has_more && request.cursor.as_ref() != Some(&page.next_cursor) {
            inner.insert(page.next_cursor.clone());
        }
        let text = String::from_utf8_lossy(answer);
        for (mark, marked) in [(UNREAD, unread), (BULKY, bulky)] {
            if text.contains(mark) {
                marked.insert(request.access_token.clone());
            }
        }
        let issued = cursors.entry(request.access_token.clone()).or_default();
        if request.cursor.is_none_or(|cursor| cursor.is_empty()) {
            issued.push(Issued::Beginning);
        }
        if !page.next_cursor.is_empty() {
            issued.push(Issued::Cursor(page.next_cursor));
        }
        let seen = seen.entry(request.access_token).or_default();
        for row in page.added.into_iter().chain(page.modified) {
            let link = row.pending_transaction_id.as_str().map(str::to_owned);
            let known = seen.entry(row.transaction_id).or_default();
            *known = known.take().or(link);
        }
    }
}

#[async_trait]
impl Transport for Plaid {
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError> {
        let process = process::current();
        let Shared { time, dice, trace, .. } = &self.shared;
        time.wait(dice.within(Duration::from_millis(300))).await;
        if let Some((process, (item, phase))) = process.as_ref().zip(self.phase(&call)) {
            process.enter(&item, phase);
        }
        self.shared.kill_soon(process.as_ref());
        let is_bad = dice.in_1000(self.shared.rate(process.as_deref(), self.shared.weather().plaid));
        let meet = |fault: Option<Fault>| {
            let fault = fault.filter(|fault| self.shared.may(*fault))?;
            self.shared.meet(process.as_deref(), fault);
            Some(fault)
        };
        let kind = is_bad.then(|| dice.below(10));
        match kind {
            Some(0) if meet(Some(Fault::PlaidUnreachable)).is_some() => {
                return Err(TransportError::Unreachable);
            }
            Some(1) if meet(Some(Fault::PlaidTimeout)).is_some() => {
                time.wait(call.timeout).await;
                return Err(TransportError::Timeout);
            }
            _ => {}
        }
        // A process that dies before it sends meets none of these.
        let effect = || {
            if kind.is_some_and(|kind| kind > 1)
                && let Some(fault) = meet(self.any_fault())
            {
                self.add_fault(fault, call.path, &call.body);
            }
            self.answer(call.path, &call.body)
        };
        let reply = process::call(process.as_deref(), effect).await;
        trace.line(time, || {
            let asked: Option<Request> = serde_json::from_slice(&call.body).ok();
            let cursor = asked.and_then(|request| request.cursor).unwrap_or_default();
            let said = String::from_utf8_lossy(&reply.body);
            format!("Plaid {} after {cursor} → {} {}", call.path, reply.status, brief(&said))
        });
        if reply.cut.is_some() {
            return Err(TransportError::Interrupted);
        }
        if reply.status == 200 {
            self.note(&call.body, &reply.body);
        }
        Ok(RawAnswer { status: reply.status, retry_after_s: reply.retry_after_s, body: reply.body })
    }
}

/// The ids and links of an answer, without the rest.
fn brief(answer: &str) -> String {
    let Ok(page) = serde_json::from_str::<Page>(answer) else { return answer.chars().take(200).collect() };
    let ids = |rows: &[Row]| {
        let texts = rows.iter().map(|row| {
            let link =
                row.pending_transaction_id.as_str().map(|link| format!("←{link:.5}")).unwrap_or_default();
            format!("{:.5}{link}", row.transaction_id)
        });
        texts.collect::<Vec<_>>().join(" ")
    };
    format!(
        "+[{}] ~[{}] -[{}] {}",
        ids(&page.added),
        ids(&page.modified),
        ids(&page.removed),
        page.next_cursor
    )
}
