//! What has happened together: a move of the bank's, a fault, and the phase of the sync that it hit.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    moves::{MOVES, Move},
    names::named,
    tally::{FAULTS, Fault},
};

named! {
    /// What a sync is at when a fault hits it.
    Phase, PHASES, {
        FirstPage = "first page",
        LaterPage = "later page",
        Accounts = "list of accounts",
        Token = "token",
        Read = "read",
        SmallCommit = "small commit",
        StageCommit = "page of the redo log",
        ApplyCommit = "chunk of a stage",
        FinalCommit = "end of a stage",
        Cleanup = "clean-up of a stage",
        Queue = "queue",
    }
}

/// Whether a fault can hit a sync in a phase.
fn is_possible(fault: Fault, phase: Phase) -> bool {
    let is_commit =
        matches!(phase, Phase::SmallCommit | Phase::StageCommit | Phase::ApplyCommit | Phase::FinalCommit);
    let is_page = matches!(phase, Phase::FirstPage | Phase::LaterPage);
    let is_plaid = is_page || phase == Phase::Accounts;
    match fault {
        Fault::CrashBeforeSend | Fault::CrashAfterEffect | Fault::CrashAfterAnswer | Fault::Killed => true,
        Fault::Conflict | Fault::ServerErrorAfter | Fault::LostAnswer | Fault::LateWrite => {
            is_commit || phase == Phase::Cleanup
        }
        Fault::ThrottleInTransaction | Fault::Refused => is_commit,
        Fault::Throttle | Fault::ServerError | Fault::LostRequest => {
            is_commit || matches!(phase, Phase::Read | Phase::Cleanup)
        }
        Fault::UnprocessedKeys | Fault::ShortPage => phase == Phase::Read,
        Fault::QueueRefuses | Fault::QueueLosesAnswer => phase == Phase::Queue,
        Fault::KeyService => phase == Phase::Token,
        Fault::PlaidUnreachable
        | Fault::PlaidTimeout
        | Fault::PlaidError
        | Fault::PlaidForGood
        | Fault::PlaidRateLimit
        | Fault::PlaidRetryAfter
        | Fault::PlaidHtml
        | Fault::PlaidTruncated
        | Fault::PlaidReset
        | Fault::PlaidMutation => is_plaid,
        Fault::PlaidAccountMissing => phase == Phase::Accounts,
        Fault::PlaidCursorStuck => phase == Phase::FirstPage,
        Fault::PlaidCursorRefused
        | Fault::PlaidSameCursor
        | Fault::PlaidEndless
        | Fault::PlaidDuplicated
        | Fault::PlaidReordered
        | Fault::PlaidNoCursor
        | Fault::PlaidBulky
        | Fault::PlaidUnread => is_page,
        // Readers', queues' and the bank's own.
        Fault::OldRead
        | Fault::LaggingIndex
        | Fault::QueueDoubles
        | Fault::LoginLoss
        | Fault::Trouble
        | Fault::NewAccountIds
        | Fault::NewAccountNames
        | Fault::NewInstitution
        | Fault::LostAccount
        | Fault::SharedAccount
        | Fault::PostBefore
        | Fault::PostWith
        | Fault::PostAfter
        | Fault::PostUnlinked
        | Fault::Revert
        | Fault::Flicker
        | Fault::RemovedThenRestored
        | Fault::Restore
        | Fault::Churn => false,
    }
}

/// How often each move, fault and phase met, over all schedules.
#[derive(Clone)]
pub struct Coverage(Arc<Vec<AtomicU32>>);

impl Default for Coverage {
    fn default() -> Self {
        let cells = MOVES.len() * FAULTS.len() * PHASES.len();
        Self(Arc::new((0..cells).map(|_| AtomicU32::new(0)).collect()))
    }
}

fn cell(which: usize, fault: usize, phase: usize) -> usize {
    (which * FAULTS.len() + fault) * PHASES.len() + phase
}

impl Coverage {
    fn hit(&self, moves: u32, fault: Fault, phase: Phase) {
        let (fault, phase) = (fault.place(), phase.place());
        for which in (0..MOVES.len()).filter(|place| moves & (1 << place) != 0) {
            if let Some(count) = self.0.get(cell(which, fault, phase)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many combinations are possible, and the names of those that were never hit.
    pub fn never_hit(&self) -> (usize, Vec<String>) {
        let all = possible();
        let is_unhit =
            |place: usize| self.0.get(place).is_none_or(|count| count.load(Ordering::Relaxed) == 0);
        let count = all.len();
        (count, all.into_iter().filter(|(place, _)| is_unhit(*place)).map(|(_, name)| name).collect())
    }

    /// Goes on from earlier schedules, which never hit these.
    pub fn resume(&self, never: &[&str]) {
        for (place, _) in possible().into_iter().filter(|(_, name)| !never.contains(&name.as_str())) {
            if let Some(count) = self.0.get(place) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The combinations that can be hit, each with its cell and its name.
fn possible() -> Vec<(usize, String)> {
    let mut all = Vec::new();
    for (which, (_, move_name)) in MOVES.iter().enumerate() {
        for (at, (fault, fault_name)) in FAULTS.iter().enumerate() {
            for (place, (phase, phase_name)) in PHASES.iter().enumerate() {
                if is_possible(*fault, *phase) {
                    all.push((cell(which, at, place), format!("{move_name} × {fault_name} × {phase_name}")));
                }
            }
        }
    }
    all
}

/// The bank's moves on one item, a bit for each.
#[derive(Default, Clone, Copy)]
struct Moves {
    /// Since the last good sync.
    new: u32,
    /// Which the last good sync brought: its clean-up and its messages come after its end.
    synced: u32,
}

/// The bank's moves on each item that its present or its last sync is about, in one schedule.
#[derive(Clone)]
pub(crate) struct Recent {
    moves: Arc<Mutex<BTreeMap<String, Moves>>>,
    coverage: Coverage,
}

impl Recent {
    pub(crate) fn new(coverage: &Coverage) -> Self {
        Self { moves: Arc::default(), coverage: coverage.clone() }
    }

    fn change(&self, item: &str, change: impl FnOnce(&mut Moves)) {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        change(moves.entry(item.to_owned()).or_default());
    }

    /// The bank moves. `item` is our id of it.
    pub(crate) fn add(&self, item: &str, which: Move) {
        self.change(item, |moves| moves.new |= 1 << which.place());
    }

    /// A sync ended well.
    pub(crate) fn end_sync(&self, item: &str) {
        self.change(item, |moves| *moves = Moves { new: 0, synced: moves.new });
    }

    /// A fault hits a sync.
    pub(crate) fn meet(&self, item: &str, fault: Fault, phase: Phase) {
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner).get(item).copied();
        if let Some(Moves { new, synced }) = moves {
            self.coverage.hit(new | synced, fault, phase);
        }
    }
}
