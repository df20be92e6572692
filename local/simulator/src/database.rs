//! DynamoDB in process, behind an HTTP client of the SDK's that adds what the embedded engine never does: conflicts,
//! throttles, lost and late answers, old reads, an index that lags.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::{
    coverage::{Phase, Recent},
    cut::Cut,
    dice::Dice,
    engine::{Engine, Opened},
    mutant::Mutant,
    process::{self, Process},
    swarm::Swarm,
    tally::{Fault, Tally},
    time::Time,
    trace::Trace,
};

/// How the weather is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Of 1,000 calls of the database, so many meet a fault.
    pub(crate) database: u32,
    /// Of 1,000 calls of Plaid.
    pub(crate) plaid: u32,
    /// Of 1,000 calls of the queue and of the key service.
    pub(crate) others: u32,
    /// Of 1,000 processes, so many die.
    pub(crate) crashes: u32,
}

impl Weather {
    pub(crate) const CALM: Self = Self { database: 0, plaid: 0, others: 0, crashes: 0 };
}

/// What all parts of a schedule share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) time: Time,
    pub(crate) dice: Dice,
    pub(crate) tally: Tally,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) trace: Trace,
    /// Which moves and faults there are, if not all.
    pub(crate) swarm: Option<Arc<Swarm>>,
    pub(crate) cut: Arc<Cut>,
    pub(crate) recent: Recent,
}

/// Faults and deaths in 1,000 calls, in the phase that a swarm looks at.
const FOCUSED: u32 = 250;
const KILLED: u32 = 60;
/// A process sends one message, and makes many calls of the other phases.
const KILLED_AT_QUEUE: u32 = 400;

impl Shared {
    /// Whether a fault exists in this schedule.
    pub(crate) fn may(&self, fault: Fault) -> bool {
        !self.cut.has_fault(fault) && self.swarm.as_ref().is_none_or(|swarm| swarm.has(fault))
    }

    /// Faults in 1,000 calls: more in the phase that the swarm looks at.
    pub(crate) fn rate(&self, process: Option<&Process>, usual: u32) -> u32 {
        let is_in_focus = usual > 0 && self.focus(process);
        if is_in_focus { usual.max(FOCUSED) } else { usual }
    }

    /// Whether a process is where the swarm looks.
    fn focus(&self, process: Option<&Process>) -> bool {
        let focus = self.swarm.as_ref().and_then(|swarm| swarm.focus);
        focus.is_some() && focus == process.and_then(Process::phase)
    }

    /// Once in a while a process that is where the swarm looks is killed a moment later.
    pub(crate) fn kill_soon(&self, process: Option<&Arc<Process>>) {
        let crashes = self.weather().crashes;
        let Some(process) = process.filter(|process| crashes > 0 && self.focus(Some(process))) else {
            return;
        };
        let is_at_queue = process.phase() == Some(Phase::Queue);
        let rate = if is_at_queue { KILLED_AT_QUEUE } else { KILLED };
        if self.dice.in_1000(rate) && self.may(Fault::Killed) {
            let (shared, process) = (self.clone(), process.clone());
            self.time.later(self.dice.within(Duration::from_millis(30)), move || {
                if !process.is_dead() {
                    shared.meet(Some(&process), Fault::Killed);
                    process.kill();
                }
            });
        }
    }

    /// Counts a fault that a process meets.
    pub(crate) fn meet(&self, process: Option<&Process>, fault: Fault) {
        self.tally.hit(fault);
        if let Some(process) = process {
            process.meet(fault);
        }
    }

    pub(crate) fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }
}

/// What a committed write did to an item's cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CursorMove {
    Set(String),
    Cleared,
}

struct Inner {
    primary: Opened,
    /// What eventually consistent reads see: the writes of the primary, some time later. Made when somebody asks.
    replica: Option<Opened>,
    behind: VecDeque<(String, String)>,
    tokens: HashSet<String>,
    /// By item, in the order of the commits.
    moves: Vec<(String, CursorMove)>,
    late: usize,
}

/// The database of one schedule.
#[derive(Clone)]
pub(crate) struct Database {
    inner: Arc<Mutex<Inner>>,
    tables: Arc<[Value]>,
    engine: Engine,
    shared: Shared,
    /// For the checks: no faults, and every read sees everything.
    is_direct: bool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

const WRITES: [&str; 4] = ["TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"];
const LOCK: &str = "rev = :read AND hs";
const NO_LOCK: &str = "(rev = :read OR rev <> :read) AND hs";

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meets {
    Refusal(Fault),
    Loss(Fault),
    Late,
    AnswerLost,
    ErrorAfter,
}

impl Meets {
    fn fault(self) -> Fault {
        match self {
            Self::Refusal(fault) | Self::Loss(fault) => fault,
            Self::Late => Fault::LateWrite,
            Self::AnswerLost => Fault::LostAnswer,
            Self::ErrorAfter => Fault::ServerErrorAfter,
        }
    }
}

/// The item that a request is about, by our id, and what a worker sends it for.
fn phase(operation: &str, body: &str) -> Option<(String, Phase)> {
    let rest = body.split_once("I#itm_")?.1;
    let item: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let phase = match operation {
        "TransactWriteItems" if body.contains("STAGE#") => Phase::StageCommit,
        "TransactWriteItems" | "UpdateItem"
            if body.contains("REMOVE sg") && body.contains("done = :done") =>
        {
            Phase::FinalCommit
        }
        "TransactWriteItems" if body.contains("sg = :sg") => Phase::ApplyCommit,
        "TransactWriteItems" => Phase::SmallCommit,
        "UpdateItem" if body.contains("REMOVE") && body.contains(" sg") => Phase::Cleanup,
        "UpdateItem" if body.contains("rev = :rev") => Phase::SmallCommit,
        "DeleteItem" => Phase::Cleanup,
        "Query" | "GetItem" | "BatchGetItem" => Phase::Read,
        _ => return None,
    };
    Some((format!("itm_{item}"), phase))
}

impl Database {
    /// A database with the tables of the template.
    pub(crate) fn new(engine: Engine, tables: &[Value], shared: Shared) -> Self {
        let inner = Inner {
            primary: engine.open(tables),
            replica: None,
            behind: VecDeque::new(),
            tokens: HashSet::new(),
            moves: Vec::new(),
            late: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            tables: Arc::from(tables),
            engine,
            shared,
            is_direct: false,
        }
    }

    /// The same database without faults.
    pub(crate) fn direct(&self) -> Self {
        Self { is_direct: true, ..self.clone() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes that are still on their way.
    pub(crate) fn late(&self) -> usize {
        self.inner().late
    }

    /// What became of the cursors.
    pub(crate) fn moves(&self) -> Vec<(String, CursorMove)> {
        self.inner().moves.clone()
    }

    /// One operation, as the database takes it.
    fn apply(&self, operation: &str, body: &str) -> (u16, Vec<u8>) {
        let mut inner = self.inner();
        if !WRITES.contains(&operation) {
            let is_old = !self.is_direct && self.sees_replica(operation, body);
            let database = if is_old { self.catch_up(&mut inner, body) } else { &mut inner.primary };
            return database.answer(operation, body);
        }
        let answer = inner.primary.answer(operation, body);
        if answer.0 == 200 {
            if body.contains("done = :done")
                && let Some((item, _)) = phase(operation, body)
            {
                self.shared.recent.end_sync(&item);
            }
            inner.note(body);
            inner.behind.push_back((operation.to_owned(), body.to_owned()));
        }
        answer
    }

    fn sees_replica(&self, operation: &str, body: &str) -> bool {
        let is_mutated = self.shared.mutant == Some(Mutant::DiffOnAnOldRead) && operation == "BatchGetItem";
        is_mutated || !body.contains(r#""ConsistentRead":true"#)
    }

    /// Lets the replica catch up with some of what it has missed.
    fn catch_up<'a>(&self, inner: &'a mut Inner, body: &str) -> &'a mut Opened {
        let behind = inner.behind.len();
        let calm = self.shared.weather().database == 0;
        let take = if calm { behind } else { behind - self.shared.dice.below(behind + 1) };
        let replica = inner.replica.get_or_insert_with(|| self.engine.open(&self.tables));
        for (operation, body) in inner.behind.drain(..take) {
            replica.answer(&operation, &body);
        }
        if take < behind {
            let is_index = body.contains(r#""IndexName""#);
            self.shared.tally.hit(if is_index { Fault::LaggingIndex } else { Fault::OldRead });
        }
        replica
    }

    async fn answer(
        self,
        process: Option<Arc<Process>>,
        operation: String,
        body: String,
    ) -> Result<HttpResponse, ConnectorError> {
        if self.is_direct {
            let (status, body) = self.apply(&operation, &body);
            return Ok(response(status, body));
        }
        let Shared { time, dice, trace, .. } = &self.shared;
        time.wait(dice.within(Duration::from_millis(20))).await;
        let body = self.mutated(body);
        if let Some((process, (item, phase))) = process.as_deref().zip(phase(&operation, &body)) {
            process.enter(&item, phase);
        }
        self.shared.kill_soon(process.as_ref());
        let process = process.as_deref();
        let rate = self.shared.rate(process, self.shared.weather().database);
        let meets = dice.in_1000(rate).then(|| self.meets(&operation)).flatten();
        let meets = meets.filter(|meets| self.shared.may(meets.fault()));
        trace.line(time, || format!("{operation} {meets:?} {}", brief(&body)));
        if let Some(meets) = meets {
            self.shared.meet(process, meets.fault());
        }
        match meets {
            None => {
                let (status, body) = process::call(process, || self.run(&operation, &body)).await;
                trace.line(time, || format!("  {status}"));
                Ok(response(status, body))
            }
            Some(Meets::Refusal(fault)) => {
                process::call(process, || ()).await;
                Ok(refusal(fault, &operation, &body, dice))
            }
            Some(Meets::Loss(_)) => {
                process::call(process, || ()).await;
                std::future::pending().await
            }
            Some(Meets::Late) => {
                self.write_late(operation, body);
                process::call(process, || ()).await;
                std::future::pending().await
            }
            Some(Meets::AnswerLost) => {
                process::call(process, || self.run(&operation, &body)).await;
                std::future::pending().await
            }
            Some(Meets::ErrorAfter) => {
                process::call(process, || self.run(&operation, &body)).await;
                Ok(refusal(Fault::ServerError, &operation, &body, dice))
            }
        }
    }

    /// A fault that this operation can meet.
    fn meets(&self, operation: &str) -> Option<Meets> {
        // Reads meet the first three, writes all but the last, transactions all.
        let all = [
            Meets::Refusal(Fault::Throttle),
            Meets::Refusal(Fault::ServerError),
            Meets::Loss(Fault::LostRequest),
            Meets::Refusal(Fault::Conflict),
            Meets::ErrorAfter,
            Meets::AnswerLost,
            Meets::Late,
            Meets::Refusal(Fault::ThrottleInTransaction),
        ];
        let some = match operation {
            "TransactWriteItems" => all.len(),
            _ if WRITES.contains(&operation) => all.len() - 1,
            _ => 3,
        };
        let Some(swarm) = &self.shared.swarm else { return all.get(self.shared.dice.below(some)).copied() };
        let refused = (operation == "TransactWriteItems").then_some(Meets::Refusal(Fault::Refused));
        let there: Vec<_> =
            all.into_iter().take(some).chain(refused).filter(|m| swarm.has(m.fault())).collect();
        self.shared.dice.one_of(&there).copied()
    }

    fn mutated(&self, body: String) -> String {
        match self.shared.mutant {
            Some(Mutant::SkipTheRevCondition) => body.replace(LOCK, NO_LOCK),
            _ => body,
        }
    }

    /// One operation; reads may be given less than they asked for.
    fn run(&self, operation: &str, body: &str) -> (u16, Vec<u8>) {
        let dice = &self.shared.dice;
        let is_short = dice.in_1000(self.shared.weather().database * 2);
        match operation {
            "Query" if is_short && !body.contains(r#""Limit""#) && self.shared.may(Fault::ShortPage) => {
                self.shared.meet(process::current().as_deref(), Fault::ShortPage);
                let limit = dice.between(1, 4);
                let body = body.replacen('{', &format!(r#"{{"Limit":{limit},"#), 1);
                self.apply(operation, &body)
            }
            "BatchGetItem" if is_short && self.shared.may(Fault::UnprocessedKeys) => {
                self.read_some(body).unwrap_or_else(|| self.apply(operation, body))
            }
            _ => self.apply(operation, body),
        }
    }

    /// Reads some of the keys, and gives the others back.
    fn read_some(&self, body: &str) -> Option<(u16, Vec<u8>)> {
        let mut request: Value = serde_json::from_str(body).ok()?;
        let (table, asked) = request["RequestItems"].as_object_mut()?.iter_mut().next()?;
        let table = table.clone();
        let keys = asked["Keys"].as_array_mut()?;
        let left = keys.split_off(self.shared.dice.below(keys.len() + 1).max(1));
        let mut unprocessed = asked.clone();
        unprocessed["Keys"] = Value::Array(left.clone());
        let (status, answer) = self.apply("BatchGetItem", &request.to_string());
        if left.is_empty() || status != 200 {
            return Some((status, answer));
        }
        self.shared.meet(process::current().as_deref(), Fault::UnprocessedKeys);
        let mut answer: Value = serde_json::from_slice(&answer).ok()?;
        answer["UnprocessedKeys"] = json!({table: unprocessed});
        Some((status, answer.to_string().into_bytes()))
    }

    fn write_late(&self, operation: String, body: String) {
        self.inner().late += 1;
        let (database, delay) = (self.clone(), self.shared.dice.within(Duration::from_mins(8)));
        self.shared.time.later(delay, move || {
            let (status, _) = database.apply(&operation, &body);
            database.inner().late -= 1;
            let Shared { time, trace, .. } = &database.shared;
            trace.line(time, || format!("late {operation} {status} {}", brief(&body)));
        });
    }
}

impl Inner {
    /// Notes what a write did to an item's cursor. A transaction that came again under its token did nothing.
    fn note(&mut self, body: &str) {
        if let Some(token) = after(body, r#""ClientRequestToken":""#)
            && !self.tokens.insert(token.to_owned())
        {
            return;
        }
        let Some(item) = after(body, r#"{"S":"I#"#) else { return };
        if let Some(cursor) = after(body, r#"":cr":{"S":""#) {
            self.moves.push((item.to_owned(), CursorMove::Set(cursor.to_owned())));
        } else if body.contains("REMOVE cr") {
            self.moves.push((item.to_owned(), CursorMove::Cleared));
        }
    }
}

/// The text behind a mark, up to the next quotation mark.
fn after<'a>(body: &'a str, mark: &str) -> Option<&'a str> {
    body.split_once(mark)?.1.split('"').next()
}

fn brief(body: &str) -> &str {
    body.get(..body.len().min(1200)).unwrap_or(body)
}

fn response(status: u16, body: Vec<u8>) -> HttpResponse {
    let status = status.try_into().unwrap_or_else(|_bad| unreachable!("a status"));
    HttpResponse::new(status, SdkBody::from(body))
}

fn error(status: u16, name: &str, more: &Value) -> HttpResponse {
    let mut body =
        json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "simulated"});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    response(status, body.to_string().into_bytes())
}

fn refusal(fault: Fault, operation: &str, body: &str, dice: &Dice) -> HttpResponse {
    let is_transaction = operation == "TransactWriteItems";
    let cancelled = |code: &str| {
        let actions = body.matches(r#""TableName""#).count().max(1);
        let hit = dice.below(actions);
        let reasons: Vec<_> =
            (0..actions).map(|n| json!({"Code": if n == hit { code } else { "None" }})).collect();
        error(400, "TransactionCanceledException", &json!({"CancellationReasons": reasons}))
    };
    match fault {
        Fault::Conflict if is_transaction => cancelled("TransactionConflict"),
        Fault::Conflict => error(400, "TransactionConflictException", &json!({})),
        Fault::ThrottleInTransaction => cancelled("ThrottlingError"),
        Fault::Throttle => error(400, "ProvisionedThroughputExceededException", &json!({})),
        Fault::Refused => error(400, "ValidationException", &json!({})),
        _ => error(500, "InternalServerError", &json!({})),
    }
}

impl HttpConnector for Database {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        HttpConnectorFuture::new(self.clone().answer(process::current(), operation, body))
    }
}

impl HttpClient for Database {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
