//! What is remembered of a million items: a few bytes each.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    bank::HistoryStatus,
    event::News,
    ids::{ItemRef, TransactionId},
    item::{Counts, Health, Item, LastFailure, LastRun, Leftovers, SyncState},
    night::{Breaker, NightCounting, NightCounts, NightMessage, Settled},
    secret::{AccessToken, SealedToken},
    store::StoreError,
    sync::{
        Allowance, Announcements, Commit, CommitError, Edit, Leases, LiveRows, PageFacts, StoredRow,
        SyncReads, SyncWrites,
    },
    vault::{TokenOpener, VaultError},
};
use jiff::Timestamp;

use super::{items::number, work::Shared};

/// What a call of the store takes at most.
const CALL: Duration = Duration::from_millis(12);

/// One item.
#[derive(Clone, Copy, Default)]
struct Kept {
    rev: u32,
    want: u32,
    done: u32,
    /// The last run that ended well, in milliseconds since 1970; 0 for none.
    last_run_ms: i64,
    has_failed: bool,
}

/// The store, and the key service beside it.
pub(super) struct Store {
    shared: Shared,
    items: Mutex<Vec<Kept>>,
    /// The places of each message that have been counted, as bits.
    counted: Mutex<HashMap<(u8, u32), u16>>,
    counts: Mutex<NightCounts>,
    held_until_ms: AtomicI64,
    /// The calls that all workers share, and how often they were written.
    leases: Mutex<Leases>,
    pub(super) lease_writes: AtomicU64,
}

impl Store {
    /// So many items; those of which `fresh` says so have been synced ten hours ago.
    pub(super) fn new(shared: &Shared, items: u32, now: Timestamp, fresh: impl Fn(u32) -> bool) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        let ago = |hours: i64| now.as_millisecond() - hours * HOUR_MS;
        let kept = |number| Kept {
            rev: 1,
            want: 1,
            done: 1,
            last_run_ms: if fresh(number) { ago(10) } else { ago(24) },
            has_failed: false,
        };
        Self {
            shared: shared.clone(),
            items: Mutex::new((0..items).map(kept).collect()),
            counted: Mutex::default(),
            counts: Mutex::default(),
            held_until_ms: AtomicI64::new(0),
            leases: Mutex::default(),
            lease_writes: AtomicU64::new(0),
        }
    }

    fn items(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been counted.
    pub(super) fn counts(&self) -> NightCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one to an item's `want`, as a webhook does.
    pub(super) fn want(&self, number: u32) -> Option<u64> {
        let mut items = self.items();
        let kept = items.get_mut(usize::try_from(number).ok()?)?;
        kept.want += 1;
        Some(kept.want.into())
    }

    fn kept(&self, at: &ItemRef) -> Option<Kept> {
        self.items().get(usize::try_from(number(at)).ok()?).copied()
    }

    fn write(&self, commit: &Commit) -> Result<(), CommitError> {
        let mut items = self.items();
        let place = usize::try_from(number(&commit.at)).unwrap_or(usize::MAX);
        let kept = items.get_mut(place).filter(|kept| u64::from(kept.rev) == commit.rev);
        let kept = kept.ok_or(CommitError::Conflict)?;
        kept.rev += 1;
        if let Some(done) = commit.item.done {
            kept.done = u32::try_from(done).unwrap_or(u32::MAX);
        }
        if let Some(run) = commit.item.last_run {
            kept.last_run_ms = run.at.as_millisecond();
        }
        match commit.item.failure {
            Edit::Keep => {}
            Edit::Set(_) => kept.has_failed = true,
            Edit::Clear => kept.has_failed = false,
        }
        Ok(())
    }
}

fn state(at: &ItemRef, kept: Kept) -> Option<SyncState> {
    let last_run = Timestamp::from_millisecond(kept.last_run_ms).ok()?;
    let failure = LastFailure {
        at: last_run,
        since: last_run,
        want: kept.want.into(),
        code: "ITEM_LOGIN_REQUIRED".to_owned(),
        retry_at: None,
    };
    let item = Item {
        awaits_admission: false,
        at: at.clone(),
        user: "anna".parse().ok()?,
        institution: None,
        institution_name: None,
        health: Health::healthy(Timestamp::UNIX_EPOCH),
        history: HistoryStatus::Complete,
        want: kept.want.into(),
        done: kept.done.into(),
        last_run: Some(LastRun { began: last_run, at: last_run, counts: Counts::default() }),
        failure: kept.has_failed.then_some(failure),
        totals: Counts::default(),
        new_accounts: false,
    };
    Some(SyncState {
        accounts_selected: false,
        refused_for: None,
        item,
        accounts: Vec::new(),
        plaid_item: at.item.as_str().parse().ok()?,
        rev: kept.rev.into(),
        token: SealedToken(number(at).to_string().into_bytes()),
        cursor: "cursor".parse().ok(),
        stage: None,
        months: std::collections::BTreeSet::new(),
        accounts_known: true,
        looked_at: None,
        calm: None,
        succession: 0,
        budget: None,
        news: None,
        leftovers: Leftovers::default(),
    })
}

#[async_trait]
impl SyncReads for Store {
    async fn state(&self, at: &ItemRef) -> Result<Option<SyncState>, StoreError> {
        Ok(self.shared.call(CALL, || self.kept(at).and_then(|kept| state(at, kept))).await)
    }

    async fn rows(
        &self,
        _: &ItemRef,
        _: &[TransactionId],
    ) -> Result<HashMap<TransactionId, StoredRow>, StoreError> {
        Ok(HashMap::new())
    }

    async fn live_rows(&self, _: &ItemRef, _: Option<&TransactionId>) -> Result<LiveRows, StoreError> {
        Ok(LiveRows { rows: Vec::new(), next: None })
    }
}

#[async_trait]
impl SyncWrites for Store {
    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.shared.call(CALL, || self.write(commit)).await
    }

    async fn stage_page(&self, _: &ItemRef, _: u64, _: u32) -> Result<Option<PageFacts>, StoreError> {
        Ok(None)
    }

    async fn drop_pages(&self, _: &ItemRef, _: u64, _: u32) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Announcements for Store {
    async fn announced(&self, _: &ItemRef, _: &News) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl TokenOpener for Store {
    async fn open(&self, _: &ItemRef, sealed: &SealedToken) -> Result<AccessToken, VaultError> {
        let text = String::from_utf8_lossy(&sealed.0).into_owned();
        Ok(self.shared.call(CALL, || AccessToken::new(text)).await)
    }
}

#[async_trait]
impl NightCounting for Store {
    async fn count(
        &self,
        message: &NightMessage,
        settled: &[(u8, Settled)],
        _: Timestamp,
    ) -> Result<NightCounts, StoreError> {
        let count = || {
            let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            let places = all.entry((message.shard.into(), message.number)).or_default();
            let mut counted = NightCounts::default();
            for (place, settled) in settled {
                let bit = 1_u16 << place;
                if *places & bit == 0 {
                    *places |= bit;
                    counted += *settled;
                }
            }
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            *counts += counted;
            counted
        };
        Ok(self.shared.call(CALL, count).await)
    }
}

#[async_trait]
impl Allowance for Store {
    async fn leases(&self) -> Result<Leases, StoreError> {
        let read = || self.leases.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(self.shared.call(CALL, read).await)
    }

    async fn store_leases(&self, leases: &Leases) -> Result<bool, StoreError> {
        let store = || {
            self.lease_writes.fetch_add(1, Ordering::Relaxed);
            let mut stored = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            let is_read = stored.rev == leases.rev;
            if is_read {
                *stored = Leases { rev: leases.rev + 1, ..leases.clone() };
            }
            is_read
        };
        Ok(self.shared.call(CALL, store).await)
    }
}

#[async_trait]
impl Breaker for Store {
    async fn held_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = || self.held_until_ms.load(Ordering::Relaxed);
        let ms = self.shared.call(CALL, read).await;
        Ok(Timestamp::from_millisecond(ms).ok().filter(|_| ms > 0))
    }

    async fn hold(&self, until: Timestamp) -> Result<(), StoreError> {
        let hold = || self.held_until_ms.fetch_max(until.as_millisecond(), Ordering::Relaxed);
        self.shared.call(CALL, hold).await;
        Ok(())
    }
}
