//! Everything that a schedule consists of: the database, Plaid, the queue, the items, and who acts on them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    event::Nobody,
    household::{Households, NewHousehold, Role},
    ids::{HouseholdId, ItemId, ItemRef},
    item::NewItem,
    removal::{RemovalMessage, RemovalQueue},
    secret::{AccessToken, CredentialError, CredentialSource, PlaidCredentials, PlaidSecret, SealedToken},
    store::NewConnections,
    sync::{self, Budgets, Limits, QueueError},
    time::Random,
    vault::{TokenOpener, VaultError},
};
use plaid_sandbox::Sandbox;
use serde_json::{Value, json};
use store::{Store, Tables};

use crate::{
    coverage::{Phase, Recent},
    database::{Database, Shared, Weather},
    dice::Dice,
    edits::Edits,
    engine::Engine,
    lineage::Lineage,
    moves,
    mutant::Mutated,
    plaid::{KEY, Plaid},
    process,
    queue::Queue,
    schedule::Schedule,
    swarm::Swarm,
    tally::{Fault, Tally},
    time::Time,
    trace::Trace,
};

/// Plaid's limit of syncs of one item in a minute, and more than a schedule's client ever asks.
const ITEM_SYNCS_A_MINUTE: u32 = 50;
const CLIENT_SYNCS_A_MINUTE: u32 = 100_000;
/// The table of data.
const DATA: &str = "DataTable";

/// What is the same for all schedules of a thread.
pub struct Base {
    sdk: aws::SdkConfig,
    tables: Vec<Value>,
    engine: Engine,
}

impl Base {
    /// Reads the template and makes the SDK's configuration. `engine` answers the store.
    ///
    /// # Errors
    /// When the template cannot be read.
    pub fn new(engine: Engine) -> Result<Self, Box<dyn std::error::Error>> {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).ok_or("the repository")?;
        let template = template::Template::load(&root.join("template.yaml"))?;
        // The sync touches no other.
        let tables = template.tables().into_iter().filter(|table| table.id == DATA).map(|table| {
            let mut definition = table.definition;
            if let Some(fields) = definition.as_object_mut() {
                fields.insert("TableName".to_owned(), table.id.into());
            }
            definition
        });
        let read = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://aws.invalid".to_owned()),
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("us-east-1".to_owned()),
            _ => None,
        };
        let sdk = aws::sdk_config(aws::Settings::from_env(read)?)?;
        Ok(Self { sdk, tables: tables.collect(), engine })
    }

    fn store(&self, database: &Database, time: &Time) -> Arc<Store> {
        let sdk = self.sdk.clone().into_builder().http_client(database.clone());
        let sdk = sdk.sleep_impl(time.clone()).build();
        let tables = Tables { data: DATA.to_owned(), ..Tables::default() };
        Arc::new(Store::new(&sdk, tables))
    }
}

/// One connection.
pub(crate) struct Item {
    pub(crate) at: ItemRef,
    pub(crate) token: String,
    /// Plaid's id.
    pub(crate) plaid_id: String,
    pub(crate) edits: Mutex<Edits>,
    /// The highest number whose message was sent.
    pub(crate) asked: AtomicUsize,
}

impl Item {
    pub(crate) fn edits(&self) -> MutexGuard<'_, Edits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A schedule's world.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) shared: Shared,
    pub(crate) database: Database,
    pub(crate) queue: Queue,
    pub(crate) plaid: Plaid,
    /// Over the database with its faults.
    pub(crate) store: Arc<Store>,
    /// Without them.
    pub(crate) direct: Arc<Store>,
    pub(crate) household: HouseholdId,
    pub(crate) items: Arc<Vec<Item>>,
    pub(crate) limits: Limits,
    /// From the link to all of an item's history.
    pub(crate) history_after: Duration,
    /// Actors that are not done yet.
    pub(crate) acting: Arc<AtomicUsize>,
    pub(crate) is_over: Arc<AtomicBool>,
    lineage: Arc<Mutex<Lineage>>,
    /// The bank's moves and people's edits so far: what a cut counts.
    pub(crate) moves: Arc<AtomicUsize>,
    pub(crate) edits: Arc<AtomicUsize>,
}

/// Our keys at Plaid.
pub(crate) struct Keys;

#[async_trait]
impl CredentialSource for Keys {
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError> {
        Ok(PlaidCredentials { client_id: KEY.to_owned(), secret: PlaidSecret::new(KEY.to_owned()) })
    }
}

/// Loses each message of a removal: no item of a schedule is removed.
struct NoRemovals;

#[async_trait]
impl RemovalQueue for NoRemovals {
    async fn send(&self, _: &RemovalMessage, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}

/// Opens tokens that are not sealed at all, when it can be reached.
struct Vault(Shared);

#[async_trait]
impl TokenOpener for Vault {
    async fn open(&self, at: &ItemRef, sealed: &SealedToken) -> Result<AccessToken, VaultError> {
        let process = process::current();
        if let Some(process) = &process {
            process.enter(at.item.as_str(), Phase::Token);
        }
        self.0.kill_soon(process.as_ref());
        self.0.time.wait(self.0.dice.within(Duration::from_millis(20))).await;
        process::call(process.as_deref(), || ()).await;
        if self.0.dice.in_1000(self.0.rate(process.as_deref(), self.0.weather().others))
            && self.0.may(Fault::KeyService)
        {
            self.0.meet(process.as_deref(), Fault::KeyService);
            return Err(VaultError::Unavailable);
        }
        Ok(AccessToken::new(String::from_utf8_lossy(&sealed.0).into_owned()))
    }
}

fn weather(dice: &Dice) -> Weather {
    let rate = |rates: &[u32]| dice.one_of(rates).copied().unwrap_or_default();
    Weather {
        database: rate(&[0, 10, 30, 80]),
        plaid: rate(&[0, 30, 100, 250]),
        others: rate(&[0, 20, 60]),
        crashes: rate(&[0, 150, 400]),
    }
}

/// A log-in with `accounts` accounts, some of which look alike, and a history.
fn custom_user(dice: &Dice, accounts: usize) -> String {
    let transaction = |n: usize| {
        let day = format!("2026-{:02}-{:02}", 2 + dice.below(4), 1 + dice.below(28));
        let amount = dice.between(1, 3);
        json!({"date_transacted": day, "date_posted": day, "amount": amount, "description": format!("Shop {n}")})
    };
    let account = |_| {
        let transactions: Vec<_> = (0..dice.below(5)).map(transaction).collect();
        let meta = json!({"name": moves::name(dice), "mask": format!("{:04}", dice.below(3))});
        json!({"type": "depository", "subtype": "checking", "meta": meta, "transactions": transactions})
    };
    json!({"override_accounts": (0..accounts).map(account).collect::<Vec<_>>()}).to_string()
}

fn limits(dice: &Dice) -> Limits {
    Limits {
        small: dice.below(16),
        chunk: 3 + dice.below(8),
        chunk_bytes: if dice.in_1000(200) { 2_000 } else { Limits::default().chunk_bytes },
        accounts: 1 + dice.below(3),
        kept_pages: dice.between(0, 3),
        ..Limits::default()
    }
}

impl Scene {
    /// A new world from a seed.
    pub(crate) async fn new(base: &Base, schedule: &Schedule, time: Time, tally: &Tally) -> Self {
        let seed = schedule.seed;
        let dice = Dice::new(seed);
        let shared = Shared {
            time: time.clone(),
            weather: Arc::new(Mutex::new(weather(&dice))),
            dice,
            tally: tally.clone(),
            mutant: schedule.mutant,
            trace: Trace(schedule.is_traced),
            swarm: Swarm::of(seed).map(Arc::new),
            cut: Arc::new(schedule.cut.clone()),
            recent: Recent::new(&tally.coverage),
        };
        let dice = &shared.dice;
        let database = Database::new(base.engine, &base.tables, shared.clone());
        let initial = dice.within(Duration::from_secs(20));
        let history_after = initial + dice.within(Duration::from_secs(90));
        let sandbox = Sandbox::open(plaid_sandbox::Config {
            client_id: KEY.to_owned(),
            secret: KEY.to_owned(),
            initial_after: initial,
            historical_after: history_after,
            time_scale: 1,
            seed,
            file: None,
            clock: Arc::new(time.clone()),
        });
        let sandbox = sandbox.unwrap_or_else(|error| unreachable!("{error}"));
        if dice.in_1000(850) {
            sandbox.world().set_page_size(Some(1 + dice.below(7)));
        }
        let mut scene = Self {
            database: database.clone(),
            queue: Queue::new(shared.clone()),
            plaid: Plaid::new(sandbox, shared.clone()),
            store: base.store(&database, &time),
            direct: base.store(&database.direct(), &time),
            household: HouseholdId::from_entropy(dice.entropy()),
            items: Arc::default(),
            limits: limits(dice),
            history_after,
            acting: Arc::default(),
            is_over: Arc::default(),
            lineage: Arc::default(),
            moves: Arc::default(),
            edits: Arc::default(),
            shared: shared.clone(),
        };
        let two = if shared.swarm.is_some() { 400 } else { 250 };
        scene.connect(1 + usize::from(dice.in_1000(two))).await;
        scene
    }

    async fn connect(&mut self, count: usize) {
        let dice = &self.shared.dice;
        let now = domain::time::Clock::now(&self.shared.time);
        let user: domain::ids::UserId = "anna".parse().unwrap_or_else(|_bad| unreachable!("a user"));
        let household = NewHousehold {
            id: self.household.clone(),
            name: "A household".parse().unwrap_or_else(|_bad| unreachable!("a name")),
            members: vec![(user.clone(), Role::Owner)],
            at: now,
        };
        self.direct.create(&household).await.unwrap_or_else(|error| unreachable!("{error}"));
        let mut items = Vec::new();
        for _ in 0..count {
            let (user_name, password) = match &self.shared.swarm {
                None => ("user_many", dice.below(9).to_string()),
                Some(swarm) => ("user_custom", custom_user(dice, swarm.accounts)),
            };
            let connected = self.plaid.sandbox.world().connect(user_name, &password, now);
            let Some((token, plaid_id)) = connected else { unreachable!("the sandbox lets everybody in") };
            let at =
                ItemRef { household: self.household.clone(), item: ItemId::from_entropy(dice.entropy()) };
            let new = NewItem {
                at: at.clone(),
                user: user.clone(),
                plaid_item: plaid_id.parse().unwrap_or_else(|_bad| unreachable!("an id")),
                institution: None,
                institution_name: None,
                token: SealedToken(token.clone().into_bytes()),
                at_time: now,
                awaits_admission: false,
            };
            self.direct.add(&new).await.unwrap_or_else(|error| unreachable!("{error}"));
            self.plaid.said().items.insert(token.clone(), at.item.to_string());
            items.push(Item { at, token, plaid_id, edits: Mutex::default(), asked: AtomicUsize::new(1) });
        }
        self.items = Arc::new(items);
    }

    /// What a worker's process works with.
    pub(crate) fn worker(&self) -> sync_item::Deps {
        let plaid = Arc::new(plaid::Client::over(Arc::new(self.plaid.clone()), Arc::new(Keys)));
        let (reads, writes): (Arc<dyn sync::SyncReads>, Arc<dyn sync::SyncWrites>) = match self.shared.mutant
        {
            Some(mutant) => {
                let mutated = Arc::new(Mutated { store: self.store.clone(), mutant });
                (mutated.clone(), mutated)
            }
            None => (self.store.clone(), self.store.clone()),
        };
        sync_item::Deps {
            sync: sync::Deps {
                feed: plaid.clone(),
                accounts: plaid,
                vault: Arc::new(Vault(self.shared.clone())),
                reads,
                writes,
                clock: Arc::new(self.shared.time.clone()),
                random: Arc::new(self.shared.dice.clone()),
                events: Arc::new(Nobody),
                admissions: self.store.clone(),
                announcements: self.store.clone(),
                webhooks: None,
                budgets: Arc::new(Budgets::new(ITEM_SYNCS_A_MINUTE, CLIENT_SYNCS_A_MINUTE)),
                limits: self.limits,
            },
            queue: Arc::new(self.queue.clone()),
            removals: Arc::new(NoRemovals),
            merging: None,
            turns: sync::Turns::default(),
        }
    }

    /// What became of the bank's ids of accounts.
    pub(crate) fn lineage(&self) -> MutexGuard<'_, Lineage> {
        self.lineage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all actors are done.
    pub(crate) fn is_quiet(&self) -> bool {
        self.acting.load(Ordering::SeqCst) == 0
    }

    /// The ids of transactions that Plaid has ever shown of an item.
    pub(crate) fn seen(&self, item: &Item) -> BTreeMap<String, Option<String>> {
        self.plaid.said().seen.get(&item.token).cloned().unwrap_or_default()
    }
}
