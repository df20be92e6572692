//! How often each fault was hit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{coverage::Coverage, names::named};

named! {
    /// Everything that can go wrong.
    Fault, FAULTS, {
        CrashBeforeSend = "crash before a call is sent",
        CrashAfterEffect = "crash after a call's effect",
        CrashAfterAnswer = "crash after a call's answer",
        Killed = "killed at any moment",
        Conflict = "DynamoDB: transaction conflict",
        Throttle = "DynamoDB: throttled",
        ThrottleInTransaction = "DynamoDB: throttled inside a cancelled transaction",
        ServerError = "DynamoDB: internal error, no effect",
        ServerErrorAfter = "DynamoDB: internal error after the effect",
        LostRequest = "DynamoDB: request lost",
        LostAnswer = "DynamoDB: answer lost",
        LateWrite = "DynamoDB: write arrives late",
        Refused = "DynamoDB: write refused",
        OldRead = "DynamoDB: old read",
        LaggingIndex = "DynamoDB: lagging index",
        ShortPage = "DynamoDB: short page of a query",
        UnprocessedKeys = "DynamoDB: unprocessed keys",
        QueueRefuses = "queue: send fails",
        QueueLosesAnswer = "queue: answer of a send lost",
        QueueDoubles = "queue: message delivered twice",
        KeyService = "key service: unavailable",
        PlaidUnreachable = "Plaid: unreachable",
        PlaidTimeout = "Plaid: slow answer, timeout",
        PlaidError = "Plaid: error code",
        PlaidForGood = "Plaid: not supported",
        PlaidRateLimit = "Plaid: 429",
        PlaidRetryAfter = "Plaid: 429 with Retry-After",
        PlaidHtml = "Plaid: HTML 503",
        PlaidTruncated = "Plaid: truncated JSON",
        PlaidReset = "Plaid: reset in the middle of the body",
        PlaidSameCursor = "Plaid: the same cursor again",
        PlaidEndless = "Plaid: empty pages without end",
        PlaidDuplicated = "Plaid: rows twice",
        PlaidReordered = "Plaid: rows in another order",
        PlaidMutation = "Plaid: mutation during pagination",
        PlaidCursorRefused = "Plaid: cursor refused",
        PlaidCursorStuck = "Plaid: mutation for ever",
        PlaidAccountMissing = "Plaid: account missing from the list",
        PlaidBulky = "Plaid: bulky detail",
        PlaidNoCursor = "Plaid: not ready, empty cursor",
        PlaidUnread = "Plaid: values of other types",
        LoginLoss = "bank: log-in lost",
        Trouble = "bank: lasting refusal",
        NewAccountIds = "bank: new account ids",
        NewAccountNames = "bank: new account ids, masks and names",
        NewInstitution = "bank: other institution id",
        LostAccount = "bank: account not shared any more",
        SharedAccount = "bank: account shared again",
        PostBefore = "bank: pending removed before its posting",
        PostWith = "bank: pending removed with its posting",
        PostAfter = "bank: pending removed after its posting",
        PostUnlinked = "bank: posting without a link",
        Revert = "bank: changed and changed back",
        Flicker = "bank: added and removed between two reads",
        RemovedThenRestored = "bank: removed and restored between two reads",
        Restore = "bank: removed and restored later",
        Churn = "bank: churned",
    }
}

/// Counts of all schedules together.
#[derive(Clone)]
pub struct Tally {
    faults: Arc<Vec<AtomicU64>>,
    /// What has happened together.
    pub coverage: Coverage,
}

impl Default for Tally {
    fn default() -> Self {
        let faults = Arc::new(FAULTS.iter().map(|_| AtomicU64::new(0)).collect());
        Self { faults, coverage: Coverage::default() }
    }
}

impl Tally {
    /// Counts one.
    pub(crate) fn hit(&self, fault: Fault) {
        if let Some(count) = self.faults.get(fault.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each fault's name and count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAULTS.iter().zip(self.faults.iter()).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
    }
}
