//! A night beside webhooks, against a Plaid that counts.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    admission::OneEach,
    bank::{AccountFeed, TransactionFeed},
    event::Nobody,
    night::{Guarded, LASTS, NightCounts, NightMessage, NightQueue, SHARDS, Shard, ShardMessage, Watch},
    queue::{DeadLetters, Letter},
    removal::{RemovalMessage, RemovalQueue},
    sync::{self, Budgets, Cause, Limits, Pool, QueueError, SyncMessage, SyncQueue},
    time::{Clock, later},
};
use edge::batch::Message;
use futures::future::{join, join_all};
use jiff::civil::Date;

use super::{
    items::{at, item},
    plaid::{Bank, Limit},
    run,
    store::Store,
    work::{Queue, Shared},
};

const TIMEOUT: Duration = Duration::from_secs(50);
const LIMIT: Duration = Duration::from_hours(48);
const LOOK: Duration = Duration::from_millis(500);
const SEND: Duration = Duration::from_millis(20);
/// Messages of a batch of the workers for webhooks.
const BATCH: usize = 10;
/// Syncs of one item in a minute.
const ITEM_SYNCS: u32 = 50;

/// A night, and what happens beside it.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Items that are due.
    pub items: u32,
    /// Of 100 items so many were synced not long ago.
    pub fresh: u32,
    /// Of 1,000 items so many need their user.
    pub broken: u32,
    /// Webhooks in a minute, each of which asks for a sync of some item.
    pub webhooks_a_minute: u32,
    /// Syncs in a minute that people ask for, and wait for.
    pub people_a_minute: u32,
    /// What Plaid allows in any minute.
    pub client_syncs_a_minute: u32,
    /// What the workers are told that it allows, and what of it the night may take.
    pub told_syncs_a_minute: u32,
    /// The night's part.
    pub night_syncs_a_minute: u32,
    /// Workers of the night.
    pub night_workers: u32,
    /// Workers for webhooks.
    pub workers: u32,
    /// Of 1,000 deliveries so many end with the death of their process.
    pub deaths: u32,
    /// What chance is made from.
    pub seed: u64,
}

impl Mix {
    /// As the template has it, with a third of the items fresh.
    pub fn of_items(items: u32) -> Self {
        Self {
            items,
            fresh: 33,
            broken: 10,
            webhooks_a_minute: 150,
            people_a_minute: 20,
            client_syncs_a_minute: 2_500,
            told_syncs_a_minute: 2_500,
            night_syncs_a_minute: 2_000,
            night_workers: 10,
            workers: 20,
            deaths: 2,
            seed: 1,
        }
    }
}

/// What a night beside webhooks came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MixFigures {
    /// What became of the items.
    pub counts: NightCounts,
    /// Minutes until the last item was counted.
    pub minutes: u64,
    /// Syncs that the night asked Plaid for, and how many of them were too many.
    pub night_calls: u64,
    /// The refused ones of these.
    pub night_refused: u64,
    /// Webhooks that came, and whose syncs ended.
    pub webhooks: u64,
    /// Syncs that webhooks caused at Plaid.
    pub webhook_calls: u64,
    /// The refused ones of these.
    pub webhook_refused: u64,
    /// The longest that a webhook waited for its sync, in seconds.
    pub longest_wait_s: u64,
    /// Syncs that people asked for.
    pub people: u64,
    /// The longest that one of them waited, in milliseconds.
    pub longest_person_wait_ms: u64,
    /// Syncs of people that were put off until later.
    pub put_off: u64,
    /// Writes that calls were leased with.
    pub leases: u64,
    /// Processes that died.
    pub deaths: u64,
    /// Items that were put aside.
    pub parked: u64,
}

struct World {
    mix: Mix,
    shared: Shared,
    store: Arc<Store>,
    night_bank: Arc<Bank>,
    webhook_bank: Arc<Bank>,
    night: Queue<NightMessage>,
    /// How far the messages of the night have been handed out: all of them need not be kept.
    planned: Mutex<(u8, u32)>,
    webhooks: Queue<(SyncMessage, u64)>,
    ended: AtomicU64,
    longest_ms: AtomicU64,
    people: AtomicU64,
    longest_person_ms: AtomicU64,
    put_off: AtomicU64,
    parked: AtomicU64,
    is_over: AtomicBool,
}

/// Runs a night. `None` if it did not come to an end.
pub fn mix(mix: Mix) -> Option<MixFigures> {
    let shared = Shared::new(mix.seed, mix.deaths);
    let now = shared.time.now();
    let limit = Arc::new(Limit::new(usize::try_from(mix.client_syncs_a_minute).ok()?));
    let fresh = |number: u32| number.wrapping_mul(2_654_435_761) % 100 < mix.fresh;
    let world = Arc::new(World {
        store: Arc::new(Store::new(&shared, mix.items, now, fresh)),
        night_bank: Arc::new(Bank::new(&shared, &limit, mix.broken)),
        webhook_bank: Arc::new(Bank::new(&shared, &limit, 0)),
        night: Queue::new(shared.clone()),
        planned: Mutex::default(),
        webhooks: Queue::new(shared.clone()),
        ended: AtomicU64::new(0),
        longest_ms: AtomicU64::new(0),
        people: AtomicU64::new(0),
        longest_person_ms: AtomicU64::new(0),
        put_off: AtomicU64::new(0),
        parked: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        mix,
        shared: shared.clone(),
    });
    let whole = world.clone();
    let (sent, minutes) = run(&shared.time, LIMIT, move |_| async move { whole.run().await })?;
    Some(world.figures(sent, minutes))
}

impl World {
    async fn run(self: Arc<Self>) -> (u64, u64) {
        let nights = (0..self.mix.night_workers).map(|_| self.clone().night_worker());
        let days = (0..self.mix.workers).map(|_| self.clone().webhook_worker());
        let night = async {
            join_all(nights).await;
            self.is_over.store(true, Ordering::Relaxed);
            self.shared.time.now_ms() / 60_000
        };
        let webhooks = self.ask(Cause::Webhook, self.mix.webhooks_a_minute);
        let people = self.ask(Cause::Person, self.mix.people_a_minute);
        let ((sent, minutes), _) = join(join(webhooks, night), join(people, join_all(days))).await;
        (sent, minutes)
    }

    fn pool(&self) -> Pool {
        Pool::per_minute(self.store.clone(), self.mix.night_syncs_a_minute, &self.shared.dice)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.shared.time.clone())
    }

    fn sync<F: TransactionFeed + AccountFeed + 'static>(&self, bank: Arc<F>, budgets: Budgets) -> sync::Deps {
        sync::Deps {
            feed: bank.clone(),
            accounts: bank,
            vault: self.store.clone(),
            reads: self.store.clone(),
            writes: self.store.clone(),
            clock: self.clock(),
            random: Arc::new(self.shared.dice.clone()),
            events: Arc::new(Nobody),
            admissions: Arc::new(OneEach),
            announcements: self.store.clone(),
            webhooks: None,
            budgets: Arc::new(budgets),
            limits: Limits::default(),
        }
    }

    /// The next message of the night: one that came back, else the next of the plan.
    fn next_planned(&self) -> Option<NightMessage> {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (shard, number) = *planned;
            if shard == SHARDS {
                return None;
            }
            let name = Shard::try_from(shard).ok()?;
            let places = number * 10..number * 10 + 10;
            let page: Vec<_> =
                places.map(|place| at(name, place)).filter(|n| *n < self.mix.items).map(item).collect();
            if page.is_empty() {
                *planned = (shard + 1, 0);
                continue;
            }
            *planned = (shard, number + 1);
            let of = ShardMessage {
                night: Date::constant(2026, 6, 15),
                shard: name,
                ends: later(self.shared.time.now(), LASTS),
            };
            return NightMessage::of_page(&of, number, &page).pop();
        }
    }

    async fn night_worker(self: Arc<Self>) {
        let watch = Arc::new(Watch::new(self.store.clone(), self.clock()));
        let bank = Arc::new(Guarded::new(self.night_bank.clone(), watch.clone()));
        let most = self.mix.night_syncs_a_minute / self.mix.night_workers.max(1);
        let leftovers = Arc::new(sync_night::Leftovers::new(self.store.clone()));
        let sync = self.sync(bank, Budgets::of_night(ITEM_SYNCS, most, self.pool()));
        let deps = sync_night::Deps {
            sync: sync::Deps { reads: leftovers.clone(), ..sync },
            watch,
            counting: self.store.clone(),
            queue: Arc::new(self.night.clone()),
            leftovers,
            removals: Arc::new(Outbox(self.clone())),
            merging: None,
            dead_letters: Arc::new(Outbox(self.clone())),
        };
        while self.store.counts().items() < u64::from(self.mix.items) {
            if let Some(message) = self.next_planned() {
                self.night.put(message, Duration::ZERO);
            }
            let handle = |content| {
                let deadline = later(self.shared.time.now(), TIMEOUT);
                sync_night::handle(&deps, Message { content, deadline })
            };
            if !self.night.work(handle).await {
                self.shared.time.wait(LOOK).await;
            }
        }
    }

    /// Asks for syncs at random moments, until the night is over.
    async fn ask(&self, cause: Cause, a_minute: u32) -> u64 {
        let mut sent = 0;
        while a_minute > 0 && !self.is_over.load(Ordering::Relaxed) {
            let mean_ms = 60_000 / u64::from(a_minute);
            self.shared.time.wait(self.shared.dice.within(Duration::from_millis(2 * mean_ms))).await;
            let number = u32::try_from(self.shared.dice.below(usize::try_from(self.mix.items).unwrap_or(1)));
            let number = number.unwrap_or_default();
            if let Some(want) = self.store.want(number) {
                let message = SyncMessage::numbered(item(number), want, cause);
                self.webhooks.put((message, self.shared.time.now_ms()), Duration::ZERO);
                sent += 1;
            }
        }
        sent
    }

    async fn webhook_worker(self: Arc<Self>) {
        let share = self.mix.told_syncs_a_minute.saturating_sub(self.mix.night_syncs_a_minute)
            / self.mix.workers.max(1);
        let deps = sync_item::Deps {
            sync: self.sync(self.webhook_bank.clone(), Budgets::with_pool(ITEM_SYNCS, share, self.pool())),
            queue: Arc::new(Later(self.clone())),
            removals: Arc::new(Outbox(self.clone())),
            merging: None,
            turns: domain::sync::Turns::default(),
        };
        while !self.is_over.load(Ordering::Relaxed) {
            let batch: Vec<_> = std::iter::from_fn(|| self.webhooks.take()).take(BATCH).collect();
            if batch.is_empty() {
                self.shared.time.wait(LOOK).await;
                continue;
            }
            let one = |(content, came_ms): (SyncMessage, u64)| {
                let (deps, world) = (&deps, &self);
                async move {
                    let deadline = later(world.shared.time.now(), TIMEOUT);
                    let is_person = content.cause == Cause::Person;
                    sync_item::handle(deps, Message { content, deadline }).await;
                    let waited = world.shared.time.now_ms() - came_ms;
                    if is_person {
                        world.people.fetch_add(1, Ordering::Relaxed);
                        world.longest_person_ms.fetch_max(waited, Ordering::Relaxed);
                    } else {
                        world.ended.fetch_add(1, Ordering::Relaxed);
                        world.longest_ms.fetch_max(waited, Ordering::Relaxed);
                    }
                }
            };
            join_all(batch.into_iter().map(one)).await;
        }
    }

    fn figures(&self, sent: u64, minutes: u64) -> MixFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MixFigures {
            counts: self.store.counts(),
            minutes,
            night_calls: Bank::count(&self.night_bank.calls),
            night_refused: Bank::count(&self.night_bank.refused),
            webhooks: sent.min(of(&self.ended)),
            webhook_calls: Bank::count(&self.webhook_bank.calls),
            webhook_refused: Bank::count(&self.webhook_bank.refused),
            longest_wait_s: of(&self.longest_ms) / 1_000,
            people: of(&self.people),
            longest_person_wait_ms: of(&self.longest_person_ms),
            put_off: of(&self.put_off),
            leases: of(&self.store.lease_writes),
            deaths: self.shared.tally.counts().map(|(_, count)| count).sum(),
            parked: of(&self.parked),
        }
    }
}

#[async_trait]
impl NightQueue for Queue<NightMessage> {
    async fn send_all(&self, messages: &[NightMessage]) -> Result<(), QueueError> {
        let send = || messages.iter().for_each(|message| self.put(message.clone(), Duration::ZERO));
        self.shared.call(SEND, send).await;
        Ok(())
    }

    async fn send(&self, message: &NightMessage, delay: Duration) -> Result<(), QueueError> {
        self.shared.call(SEND, || self.put(message.clone(), delay)).await;
        Ok(())
    }
}

/// Where items go that are not synced: counted, and nothing else.
struct Outbox(Arc<World>);

#[async_trait]
impl DeadLetters for Outbox {
    async fn park(&self, _: &Letter) -> Result<(), QueueError> {
        self.0.shared.call(SEND, || self.0.parked.fetch_add(1, Ordering::Relaxed)).await;
        Ok(())
    }
}

#[async_trait]
impl RemovalQueue for Outbox {
    async fn send(&self, _: &RemovalMessage, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}

/// The queue of syncs, for what comes later: its wait began when it was sent.
struct Later(Arc<World>);

#[async_trait]
impl SyncQueue for Later {
    async fn send(&self, message: &SyncMessage, delay: Duration) -> Result<(), QueueError> {
        let world = &self.0;
        if message.cause == Cause::Person {
            world.put_off.fetch_add(1, Ordering::Relaxed);
        }
        let send = || world.webhooks.put((message.clone(), world.shared.time.now_ms()), delay);
        world.shared.call(SEND, send).await;
        Ok(())
    }
}
