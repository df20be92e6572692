//! Planning a night of many items, with processes that die.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ids::ItemRef,
    night::{
        Begun, DueItems, DuePage, LASTS, NightMessage, NightPlans, NightQueue, PAGE_ITEMS, PlanDeps, Shard,
        ShardMessage, ShardPlan, ShardQueue,
    },
    store::StoreError,
    sync::QueueError,
    time::{Clock, later},
};
use edge::batch::Message;
use futures::future::join_all;
use jiff::{Timestamp, civil::Date};

use super::{
    items::{at, item, number, place},
    run,
    work::{Queue, Shared},
};

/// The function's timeout, and how many of it plan at once.
const TIMEOUT: Duration = Duration::from_secs(50);
const PLANNERS: usize = 8;
/// What calls take at most.
const QUERY: Duration = Duration::from_millis(60);
const WRITE: Duration = Duration::from_millis(30);
const SEND: Duration = Duration::from_millis(40);
/// Messages of one request.
const BATCH: usize = 10;
const LIMIT: Duration = Duration::from_hours(12);
const LOOK: Duration = Duration::from_secs(1);

/// What planning a night came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanFigures {
    /// Items, each counted once by the plans.
    pub queued: u64,
    /// Different items that were sent.
    pub sent: u64,
    /// Items that were sent once more.
    pub sent_again: u64,
    /// Items that did not stand where their place in the index puts them: a message that changed.
    pub misplaced: u64,
    /// Processes that died.
    pub deaths: u64,
    /// Requests to the index.
    pub queries: u64,
    /// Pages that were written down.
    pub checkpoints: u64,
    /// Requests to the queue.
    pub requests: u64,
    /// Bytes that they carried.
    pub bytes: u64,
    /// How long it took by the clock of the simulation.
    pub virtual_ms: u64,
}

#[derive(Default)]
struct Counters {
    queries: AtomicU64,
    checkpoints: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
    misplaced: AtomicU64,
    again: AtomicU64,
}

/// The index, the plans and the queue of the night, as far as anybody looks.
struct World {
    shared: Shared,
    items: u32,
    plans: Mutex<HashMap<Shard, ShardPlan>>,
    /// A bit for each item that was sent.
    sent: Mutex<Vec<u64>>,
    counters: Counters,
    shards: Queue<ShardMessage>,
}

/// Plans a night of so many items; of 1,000 deliveries so many end with the death of their process. `None` if it did not
/// come to an end.
pub fn plan(items: u32, deaths: u32, seed: u64) -> Option<PlanFigures> {
    let shared = Shared::new(seed, deaths);
    let words = usize::try_from(items).ok()?.div_ceil(64);
    let world = Arc::new(World {
        items,
        plans: Mutex::default(),
        sent: Mutex::new(vec![0; words]),
        counters: Counters::default(),
        shards: Queue::new(shared.clone()),
        shared: shared.clone(),
    });
    let whole = world.clone();
    run(&shared.time, LIMIT, move |_| async move { whole.run().await })?;
    Some(world.figures())
}

impl World {
    fn plans(&self) -> MutexGuard<'_, HashMap<Shard, ShardPlan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let clock: Arc<dyn Clock> = Arc::new(self.shared.time.clone());
        let night = Date::constant(2026, 6, 15);
        let ends = later(clock.now(), LASTS);
        for shard in Shard::all() {
            self.shards.put(ShardMessage { night, shard, ends }, Duration::ZERO);
        }
        let plan = PlanDeps {
            due: self.clone(),
            plans: self.clone(),
            queue: self.clone(),
            clock: clock.clone(),
            page_items: PAGE_ITEMS,
        };
        let deps = plan_sync_shard::Deps { plan, shards: Arc::new(self.shards.clone()) };
        join_all((0..PLANNERS).map(|_| self.planner(&deps, &clock))).await;
    }

    async fn planner(&self, deps: &plan_sync_shard::Deps, clock: &Arc<dyn Clock>) {
        while !self.is_over() {
            let handle = |content| {
                let deadline = later(clock.now(), TIMEOUT);
                plan_sync_shard::handle(deps, Message { content, deadline })
            };
            if !self.shards.work(handle).await {
                self.shared.time.wait(LOOK).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        let plans = self.plans();
        Shard::all().all(|shard| plans.get(&shard).is_some_and(ShardPlan::is_over))
    }

    /// Marks an item as sent, and checks that it stands where it must.
    fn mark(&self, message: &NightMessage, place_in_message: u8, at: &ItemRef) {
        let number = number(at);
        let expected = u64::from(message.number) * 10 + u64::from(place_in_message);
        if expected != u64::from(place(number)) {
            self.counters.misplaced.fetch_add(1, Ordering::Relaxed);
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let bit = 1_u64 << (number % 64);
        let word = usize::try_from(number / 64).ok().and_then(|word| sent.get_mut(word));
        if let Some(word) = word {
            let was_sent = *word & bit != 0;
            self.counters.again.fetch_add(u64::from(was_sent), Ordering::Relaxed);
            *word |= bit;
        }
    }

    fn figures(&self) -> PlanFigures {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PlanFigures {
            queued: self.plans().values().map(|plan| plan.queued).sum(),
            sent: sent.iter().map(|word| u64::from(word.count_ones())).sum(),
            sent_again: of(&self.counters.again),
            misplaced: of(&self.counters.misplaced),
            deaths: self.shared.tally.counts().map(|(_, count)| count).sum(),
            queries: of(&self.counters.queries),
            checkpoints: of(&self.counters.checkpoints),
            requests: of(&self.counters.requests),
            bytes: of(&self.counters.bytes),
            virtual_ms: self.shared.time.now_ms(),
        }
    }
}

#[async_trait]
impl DueItems for World {
    async fn due(&self, shard: Shard, after: Option<&ItemRef>, limit: usize) -> Result<DuePage, StoreError> {
        let first = after.map_or(0, |at| place(number(at)) + 1);
        let page = || {
            self.counters.queries.fetch_add(1, Ordering::Relaxed);
            let numbers = (first..).map(|place| at(shard, place)).take_while(|number| *number < self.items);
            let items: Vec<_> = numbers.take(limit).map(item).collect();
            // A page that is full says that there may be more, even where there are none.
            let next = items.last().filter(|_| items.len() == limit).cloned();
            DuePage { items, next }
        };
        Ok(self.shared.call(QUERY, page).await)
    }
}

#[async_trait]
impl NightPlans for World {
    async fn begin(&self, _: Date, now: Timestamp) -> Result<Begun, StoreError> {
        Ok(Begun { at: now, is_new: true })
    }

    async fn shard_plan(&self, _: Date, shard: Shard) -> Result<ShardPlan, StoreError> {
        Ok(self.shared.call(WRITE, || self.plans().get(&shard).cloned().unwrap_or_default()).await)
    }

    async fn save_shard_plan(
        &self,
        _: Date,
        shard: Shard,
        plan: &ShardPlan,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let save = || {
            self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
            let mut plans = self.plans();
            let is_next = plans.get(&shard).map_or(0, |plan| plan.rev) + 1 == plan.rev;
            if is_next {
                plans.insert(shard, plan.clone());
            }
            is_next
        };
        Ok(self.shared.call(WRITE, save).await)
    }
}

#[async_trait]
impl NightQueue for World {
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError> {
        let send = |batch: &[NightMessage]| {
            self.counters.requests.fetch_add(1, Ordering::Relaxed);
            for message in batch {
                let body = serde_json::to_string(message).unwrap_or_default();
                let bytes = u64::try_from(body.len()).unwrap_or_default();
                self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
                for item in &message.items {
                    self.mark(message, item.place, &item.at);
                }
            }
        };
        let batches = messages.chunks(BATCH).map(|batch| self.shared.call(SEND, move || send(batch)));
        join_all(batches).await;
        Ok(())
    }

    async fn send(&self, message: &NightMessage, _: Duration) -> Result<(), QueueError> {
        self.send_all(std::slice::from_ref(message)).await
    }
}

#[async_trait]
impl ShardQueue for Queue<ShardMessage> {
    async fn send_all(&self, messages: &[ShardMessage]) -> Result<(), QueueError> {
        let send = || messages.iter().for_each(|message| self.put(message.clone(), Duration::ZERO));
        self.shared.call(SEND, send).await;
        Ok(())
    }
}
