//! What has happened together: a move of the bank's since the last good sync, a fault, and the phase of the sync that it
//! hit.

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
        let (mut possible, mut never) = (0, Vec::new());
        for (which, (_, move_name)) in MOVES.iter().enumerate() {
            for (at, (fault, fault_name)) in FAULTS.iter().enumerate() {
                for (place, (phase, phase_name)) in PHASES.iter().enumerate() {
                    if !is_possible(*fault, *phase) {
                        continue;
                    }
                    possible += 1;
                    let count = self.0.get(cell(which, at, place));
                    if count.is_none_or(|count| count.load(Ordering::Relaxed) == 0) {
                        never.push(format!("{move_name} × {fault_name} × {phase_name}"));
                    }
                }
            }
        }
        (possible, never)
    }
}

/// The bank's moves on each item since its last good sync, in one schedule.
#[derive(Clone)]
pub(crate) struct Recent {
    moves: Arc<Mutex<BTreeMap<String, u32>>>,
    coverage: Coverage,
}

impl Recent {
    pub(crate) fn new(coverage: &Coverage) -> Self {
        Self { moves: Arc::default(), coverage: coverage.clone() }
    }

    /// The bank moves. `item` is our id of it.
    pub(crate) fn add(&self, item: &str, which: Move) {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        *moves.entry(item.to_owned()).or_default() |= 1 << which.place();
    }

    /// A sync ended well.
    pub(crate) fn clear(&self, item: &str) {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).remove(item);
    }

    /// A fault hits a sync.
    pub(crate) fn meet(&self, item: &str, fault: Fault, phase: Phase) {
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner).get(item).copied();
        if let Some(moves) = moves {
            self.coverage.hit(moves, fault, phase);
        }
    }
}
