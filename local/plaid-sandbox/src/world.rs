//! Everything there is: institutions, tokens, items.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{ids::fingerprint, time::until};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    faults::{Fault, Faults},
    generate::Generator,
    item::Item,
    ledger::Transaction,
    limits::{Meter, RateLimits},
    link::LinkSession,
    people::{self, Account, Login, Person, Window},
    webhooks::{Outbox, WebhookFault},
};

const PUBLIC_TOKEN_LIVES: Duration = Duration::from_mins(30);
/// The bank with a page of its own for log-ins. Its accounts have an id that is the same under every item.
pub(crate) const OAUTH: &str = "ins_127287";

/// A bank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Institution {
    /// Plaid's id.
    pub institution_id: String,
    /// Its name.
    pub name: String,
}

/// A public token that waits to be exchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    item: Item,
    expires: Timestamp,
}

/// Everything there is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    pub(crate) generator: Generator,
    pub(crate) institutions: Vec<Institution>,
    pub(crate) link_sessions: BTreeMap<String, LinkSession>,
    waiting: BTreeMap<String, Waiting>,
    /// Public tokens that were exchanged.
    used: BTreeSet<String>,
    /// By the hash of the access token: like any server, this one does not keep what it gave out.
    pub(crate) items: BTreeMap<String, Item>,
    /// Hashes of the access tokens of items that were removed.
    removed: BTreeSet<String>,
    #[serde(default = "unsent")]
    pub(crate) outbox: Outbox,
    pub(crate) faults: Faults,
    /// Calls so far, by path.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Transactions of a page at most, whatever is asked for.
    #[serde(default)]
    pub(crate) page_size: Option<usize>,
    /// The limits of calls a minute.
    #[serde(default)]
    pub(crate) meter: Meter,
    /// What time it was when the world was last looked at.
    #[serde(skip)]
    pub(crate) now: Timestamp,
    /// From link to the first and to the last of an item's history.
    #[serde(skip)]
    pub(crate) delays: (Duration, Duration),
    /// How much faster than outside Plaid's own waits go by.
    #[serde(skip)]
    pub(crate) time_scale: u32,
    /// When something is to happen to an item by itself, if that is known.
    #[serde(skip)]
    pub(crate) happens: Option<Timestamp>,
}

/// The outbox of a world that was kept before there was one.
fn unsent() -> Outbox {
    Outbox::new(0)
}

/// What a new item is made from.
pub(crate) struct NewItem<'a> {
    pub(crate) institution_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) products: Vec<String>,
    pub(crate) webhook: Option<String>,
    pub(crate) days_requested: u16,
}

impl<'a> NewItem<'a> {
    /// Transactions at the first bank.
    fn usual(username: &'a str, password: &'a str, days_requested: u16) -> Self {
        let products = vec!["transactions".to_owned()];
        Self { institution_id: "ins_109508", username, password, products, webhook: None, days_requested }
    }
}

pub(crate) fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

pub(crate) fn plus(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

impl World {
    /// A world with banks and nobody in it.
    pub fn new(seed: u64) -> Self {
        let institutions = [
            ("ins_109508", "First Platypus Bank"),
            ("ins_109509", "First Gingham Credit Union"),
            ("ins_109510", "Tattersall Federal Credit Union"),
            ("ins_109511", "Tartan Bank"),
            ("ins_109512", "Houndstooth Bank"),
            ("ins_43", "Tartan-Dominion Bank of Canada"),
            (OAUTH, "Platypus OAuth Bank"),
            ("ins_130016", "Platypus Balance Bank"),
        ];
        Self {
            generator: Generator::new(seed),
            institutions: institutions
                .map(|(id, name)| Institution { institution_id: id.to_owned(), name: name.to_owned() })
                .to_vec(),
            link_sessions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            used: BTreeSet::new(),
            items: BTreeMap::new(),
            removed: BTreeSet::new(),
            outbox: Outbox::new(seed),
            faults: Faults::default(),
            calls: BTreeMap::new(),
            page_size: None,
            meter: Meter::default(),
            now: Timestamp::default(),
            delays: (Duration::ZERO, Duration::ZERO),
            time_scale: 1,
            happens: None,
        }
    }

    pub(crate) fn institution(&self, id: &str) -> Result<&Institution, PlaidError> {
        let found = self.institutions.iter().find(|institution| institution.institution_id == id);
        found.ok_or_else(|| PlaidError::input("INVALID_INSTITUTION", "invalid institution_id provided"))
    }

    /// Logs in, and gives a public token with the item's accounts.
    pub(crate) fn log_in(
        &mut self,
        new: NewItem<'_>,
        now: Timestamp,
    ) -> Result<(String, Vec<Account>), PlaidError> {
        self.institution(new.institution_id)?;
        let window = Window { today: today(now), days: new.days_requested };
        let Login { person, mut accounts, history } =
            people::log_in(new.username, new.password, window, &mut self.generator)?;
        if new.institution_id == OAUTH {
            for account in accounts.iter_mut().filter(|account| account.kind == "depository") {
                let whose = format!("{} {:?} {}", new.username, account.mask, account.name);
                account.persistent_id = Some(fingerprint(&whose));
            }
        }
        let item = Item {
            webhook: new.webhook,
            products: new.products,
            accounts: accounts.clone(),
            arriving: history,
            ..Item::new(self.generator.id(), new.institution_id, person, now)
        };
        let token = self.wait(item);
        Ok((token, accounts))
    }

    /// A public token of nothing: it cannot be exchanged.
    pub(crate) fn public_token(&mut self) -> String {
        format!("public-sandbox-{}", self.generator.uuid())
    }

    /// A public token that an item waits under to be exchanged.
    pub(crate) fn wait(&mut self, item: Item) -> String {
        let token = self.public_token();
        let expires = plus(self.now, PUBLIC_TOKEN_LIVES);
        self.waiting.insert(token.clone(), Waiting { item, expires });
        token
    }

    /// A log-in under a public token of the caller's choice, for events that stand in files.
    pub fn prepare(&mut self, public_token: &str, now: Timestamp) -> bool {
        let new = NewItem::usual("user_good", "pass_good", 90);
        let Ok((token, _)) = self.log_in(new, now) else { return false };
        let Some(waiting) = self.waiting.remove(&token) else { return false };
        self.waiting.insert(public_token.to_owned(), waiting);
        true
    }

    /// A connection in one go: logs in at `ins_109508` for two years of history and exchanges, and gives the access token
    /// and the item's id; `None` if the log-in is refused. `user_many` with the password `0` has three accounts and an empty
    /// ledger.
    pub fn connect(&mut self, username: &str, password: &str, now: Timestamp) -> Option<(String, String)> {
        self.now = now;
        let (public_token, _) = self.log_in(NewItem::usual(username, password, 730), now).ok()?;
        let (access_token, item_id) = self.exchange(&public_token, now).ok()?;
        // What is due at once is there at once.
        self.item(&access_token).ok()?;
        Some((access_token, item_id))
    }

    /// Turns a public token into an item: once, within 30 minutes.
    pub(crate) fn exchange(
        &mut self,
        public_token: &str,
        now: Timestamp,
    ) -> Result<(String, String), PlaidError> {
        let refused = |why| PlaidError::input("INVALID_PUBLIC_TOKEN", why);
        if self.used.contains(public_token) {
            return Err(refused("the provided public token has already been exchanged"));
        }
        let waiting = self
            .waiting
            .remove(public_token)
            .ok_or_else(|| refused("could not find matching public token"))?;
        if waiting.expires < now {
            return Err(refused("provided public token is expired"));
        }
        self.used.insert(public_token.to_owned());
        let access_token = format!("access-sandbox-{}", self.generator.uuid());
        let mut item = waiting.item;
        item.created_at = now;
        let item_id = item.item_id.clone();
        self.items.insert(fingerprint(&access_token), item);
        self.expect(now);
        Ok((access_token, item_id))
    }

    /// A public token for an item that is there, as Link's update mode hands one over: exchanging it gives a token of
    /// the same item.
    pub fn public_token_of(&mut self, access_token: &str) -> Option<String> {
        let item = self.items.get(&fingerprint(access_token))?.clone();
        Some(self.wait(item))
    }

    /// The item behind an access token, brought up to now.
    pub(crate) fn item(&mut self, access_token: &str) -> Result<&mut Item, PlaidError> {
        let key = fingerprint(access_token);
        let not_found = || PlaidError::item("ITEM_NOT_FOUND", "the Item you requested cannot be found");
        if self.removed.contains(&key) {
            return Err(not_found());
        }
        let item = self.items.get_mut(&key).ok_or_else(|| {
            PlaidError::input("INVALID_ACCESS_TOKEN", "could not find matching access token")
        })?;
        if item.is_revoked {
            return Err(not_found());
        }
        let notices = item.advance(self.now, self.delays);
        self.outbox.tell(item, notices, self.now);
        Ok(item)
    }

    /// Lets happen to all items what is due, and gives how long until there is more.
    pub(crate) fn look(&mut self) -> Option<Duration> {
        if self.happens? <= self.now {
            for item in self.items.values_mut().filter(|item| !item.is_revoked) {
                let notices = item.advance(self.now, self.delays);
                self.outbox.tell(item, notices, self.now);
            }
            let all = self.items.values().filter(|item| !item.is_revoked);
            self.happens = all.filter_map(|item| item.happens(self.delays)).min();
        }
        self.happens.map(|at| until(self.now, at))
    }

    /// Something may happen to an item by itself from then on, which whoever sends webhooks is to look at.
    pub(crate) fn expect(&mut self, at: Timestamp) {
        self.happens = Some(self.happens.map_or(at, |earlier| earlier.min(at)));
        self.outbox.wake().notify_one();
    }

    pub(crate) fn remove(&mut self, access_token: &str) {
        let key = fingerprint(access_token);
        if self.items.remove(&key).is_some() {
            self.removed.insert(key);
        }
    }

    /// A new access token for the same item; the old one is worth nothing from now on.
    pub(crate) fn rotate(&mut self, access_token: &str) -> Option<String> {
        let item = self.items.remove(&fingerprint(access_token))?;
        let token = format!("access-sandbox-{}", self.generator.uuid());
        self.items.insert(fingerprint(&token), item);
        Some(token)
    }

    /// What `/transactions/refresh` does for `user_transactions_dynamic`: pendings post under new ids, new ones come,
    /// one older amount grows by 1.00.
    pub fn refresh(&mut self, item_id: &str, now: Timestamp) {
        let item = self.items.values_mut().find(|item| item.item_id == item_id);
        let Some(item) = item.filter(|item| item.person == Person::Dynamic) else { return };
        let day = today(now);
        let pending: Vec<_> = item.ledger.live().filter(|t| t.pending).cloned().collect();
        for pending in pending {
            item.ledger.remove(&pending.id);
            let posted = Transaction {
                id: self.generator.id(),
                pending: false,
                pending_transaction_id: Some(pending.id.clone()),
                authorized_date: Some(pending.date),
                date: day,
                ..pending
            };
            item.ledger.put(posted);
        }
        let older = item.ledger.live().find(|t| !t.pending).cloned();
        if let Some(mut older) = older {
            older.amount += Decimal::ONE;
            item.ledger.put(older);
        }
        let Some(account) = item.accounts.first().cloned() else { return };
        for _ in 0..2 {
            let mut fresh = people::ordinary(&account, day, &mut self.generator);
            fresh.pending = true;
            fresh.authorized_date = None;
            item.ledger.put(fresh);
        }
    }

    /// Limits calls a minute from now on.
    pub fn set_rate_limits(&mut self, limits: RateLimits) {
        self.meter.set(limits);
    }

    /// Calls that were answered with status 429 so far, by path.
    pub fn refused(&self) -> &BTreeMap<String, u64> {
        &self.meter.refused
    }

    /// Lets webhooks meet a fault.
    pub fn add_webhook_fault(&mut self, fault: WebhookFault) {
        self.outbox.faults.add(fault);
    }

    /// Lets calls meet a fault.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// No call meets a fault any more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// How often a path was called.
    pub fn calls_of(&self, path: &str) -> u64 {
        self.calls.get(path).copied().unwrap_or_default()
    }

    /// The calls so far, by path, and forgets them.
    pub fn take_calls(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.calls)
    }

    /// How many items there are: those that are billed.
    pub fn items(&self) -> usize {
        self.items.values().filter(|item| !item.is_revoked).count()
    }

    pub(crate) fn by_id(&self, item_id: &str) -> Option<&Item> {
        self.items.values().find(|item| item.item_id == item_id)
    }

    /// The ledger of an item by Plaid's id, as it stands: oldest change first.
    pub fn ledger(&self, item_id: &str) -> Vec<Transaction> {
        self.by_id(item_id).map(|item| item.live().cloned().collect()).unwrap_or_default()
    }

    /// How many transactions an item's ledger has, as it stands.
    pub fn ledger_len(&self, item_id: &str) -> usize {
        self.by_id(item_id).map(|item| item.live().count()).unwrap_or_default()
    }

    /// Plaid's ids of an item's accounts.
    pub fn account_ids(&self, item_id: &str) -> Vec<String> {
        let accounts = self.by_id(item_id).into_iter().flat_map(|item| &item.accounts);
        accounts.map(|account| account.account_id.clone()).collect()
    }

    /// Whether an item waits for its user to log in again.
    pub fn login_required(&self, item_id: &str) -> bool {
        self.by_id(item_id).is_some_and(|item| item.login_required)
    }

    /// Whether every call for an item is refused until its trouble is healed.
    pub fn in_trouble(&self, item_id: &str) -> bool {
        self.by_id(item_id).is_some_and(|item| item.trouble.is_some())
    }

    /// Plaid's ids of all items.
    pub fn item_ids(&self) -> Vec<String> {
        self.items.values().map(|item| item.item_id.clone()).collect()
    }

    /// Plaid's id of the item behind an access token.
    pub(crate) fn item_id(&self, access_token: &str) -> Option<String> {
        self.items.get(&fingerprint(access_token)).map(|item| item.item_id.clone())
    }

    /// Lets pages of `/transactions/sync` and `/transactions/get` have so many transactions at most, so that a small ledger
    /// has many pages; `None` for as many as are asked for.
    pub fn set_page_size(&mut self, size: Option<usize>) {
        self.page_size = size.map(|size| size.max(1));
    }
}
