//! Everything there is: institutions, tokens, items.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::ids::fingerprint;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    errors::PlaidError,
    faults::{Fault, Faults},
    generate::Generator,
    ledger::{Ledger, Transaction},
    people::{self, Account, Login, Person, Window},
};

const PUBLIC_TOKEN_LIVES: Duration = Duration::from_mins(30);
const LINK_TOKEN_LIVES: Duration = Duration::from_hours(4);
/// Items of the sandbox need a new log-in after so long.
const LOGIN_LIVES: Duration = Duration::from_hours(24 * 30);
/// What comes first of a new item's history.
const INITIAL_DAYS: i64 = 30;

/// A bank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Institution {
    /// Plaid's id.
    pub institution_id: String,
    /// Its name.
    pub name: String,
}

/// How far a new item's history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum History {
    NotReady,
    Initial,
    Complete,
}

/// A connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "Plaid's name for it")]
pub(crate) struct Item {
    pub(crate) item_id: String,
    pub(crate) institution_id: String,
    pub(crate) webhook: Option<String>,
    pub(crate) products: Vec<String>,
    pub(crate) person: Person,
    pub(crate) accounts: Vec<Account>,
    pub(crate) ledger: Ledger,
    pub(crate) history: History,
    /// What the bank knows and the ledger has not yet.
    pub(crate) arriving: Vec<Transaction>,
    pub(crate) created_at: Timestamp,
    pub(crate) login_required: bool,
}

/// A public token that waits to be exchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    item: Item,
    expires: Timestamp,
}

/// A link token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LinkSession {
    pub(crate) products: Vec<String>,
    pub(crate) webhook: Option<String>,
    pub(crate) days_requested: u16,
    pub(crate) expires: Timestamp,
    pub(crate) created_at: Timestamp,
}

/// A webhook that was due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) body: serde_json::Value,
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
    items: BTreeMap<String, Item>,
    /// Hashes of the access tokens of items that were removed.
    removed: BTreeSet<String>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) faults: Faults,
    /// Calls so far, by path.
    pub(crate) calls: BTreeMap<String, u64>,
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

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn plus(now: Timestamp, duration: Duration) -> Timestamp {
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
            ("ins_127287", "Platypus OAuth Bank"),
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
            webhooks: Vec::new(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
        }
    }

    pub(crate) fn institution(&self, id: &str) -> Result<&Institution, PlaidError> {
        let found = self.institutions.iter().find(|institution| institution.institution_id == id);
        found.ok_or_else(|| PlaidError::input("INVALID_INSTITUTION", "invalid institution_id provided"))
    }

    /// A link token for a session.
    pub(crate) fn open_link(&mut self, mut session: LinkSession, now: Timestamp) -> (String, Timestamp) {
        session.expires = plus(now, LINK_TOKEN_LIVES);
        let expires = session.expires;
        let token = format!("link-sandbox-{}", self.generator.uuid());
        self.link_sessions.insert(token.clone(), session);
        (token, expires)
    }

    /// Logs in, and gives a public token with the item's accounts.
    pub(crate) fn log_in(
        &mut self,
        new: NewItem<'_>,
        now: Timestamp,
    ) -> Result<(String, Vec<Account>), PlaidError> {
        self.institution(new.institution_id)?;
        let window = Window { today: today(now), days: new.days_requested };
        let Login { person, accounts, history } =
            people::log_in(new.username, new.password, window, &mut self.generator)?;
        let item = Item {
            item_id: self.generator.id(),
            institution_id: new.institution_id.to_owned(),
            webhook: new.webhook,
            products: new.products,
            person,
            accounts: accounts.clone(),
            ledger: Ledger::default(),
            history: History::NotReady,
            arriving: history,
            created_at: now,
            login_required: false,
        };
        let token = format!("public-sandbox-{}", self.generator.uuid());
        self.waiting.insert(token.clone(), Waiting { item, expires: plus(now, PUBLIC_TOKEN_LIVES) });
        Ok((token, accounts))
    }

    /// A log-in under a public token of the caller's choice, for events that stand in files.
    pub fn prepare(&mut self, public_token: &str, now: Timestamp) -> bool {
        let new = NewItem {
            institution_id: "ins_109508",
            username: "user_good",
            password: "pass_good",
            products: vec!["transactions".to_owned()],
            webhook: None,
            days_requested: 90,
        };
        let Ok((token, _)) = self.log_in(new, now) else { return false };
        let Some(waiting) = self.waiting.remove(&token) else { return false };
        self.waiting.insert(public_token.to_owned(), waiting);
        true
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
        Ok((access_token, item_id))
    }

    /// A public token for an item that is there, as Link's update mode hands one over: exchanging it gives a token of
    /// the same item.
    pub fn public_token_of(&mut self, access_token: &str) -> Option<String> {
        let item = self.items.get(&fingerprint(access_token))?.clone();
        let token = format!("public-sandbox-{}", self.generator.uuid());
        let expires = plus(Timestamp::now(), PUBLIC_TOKEN_LIVES);
        self.waiting.insert(token.clone(), Waiting { item, expires });
        Some(token)
    }

    /// The item behind an access token, brought up to now.
    pub(crate) fn item(
        &mut self,
        access_token: &str,
        now: Timestamp,
        delays: (Duration, Duration),
    ) -> Result<&mut Item, PlaidError> {
        let key = fingerprint(access_token);
        if self.removed.contains(&key) {
            return Err(PlaidError::item("ITEM_NOT_FOUND", "the Item you requested cannot be found"));
        }
        let item = self.items.get_mut(&key).ok_or_else(|| {
            PlaidError::input("INVALID_ACCESS_TOKEN", "could not find matching access token")
        })?;
        item.advance(now, delays);
        Ok(item)
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
        for pending in item.ledger.now().into_iter().filter(|t| t.pending) {
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
        if let Some(mut older) = item.ledger.now().into_iter().find(|t| !t.pending) {
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

    /// Lets calls meet a fault.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// The calls so far, by path, and forgets them.
    pub fn take_calls(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.calls)
    }

    /// How many items there are: those that are billed.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The ledger of an item by Plaid's id, as it stands.
    pub fn ledger(&self, item_id: &str) -> Vec<Transaction> {
        let item = self.items.values().find(|item| item.item_id == item_id);
        item.map(|item| item.ledger.now()).unwrap_or_default()
    }

    /// Plaid's ids of all items.
    pub fn item_ids(&self) -> Vec<String> {
        self.items.values().map(|item| item.item_id.clone()).collect()
    }
}

impl Item {
    /// Lets the history arrive that is due by now.
    fn advance(&mut self, now: Timestamp, (initial_after, historical_after): (Duration, Duration)) {
        if self.history == History::NotReady && now >= plus(self.created_at, initial_after) {
            let first = today(now).checked_sub(INITIAL_DAYS.days()).unwrap_or(Date::MIN);
            let (recent, older) =
                std::mem::take(&mut self.arriving).into_iter().partition(|t| t.date >= first);
            self.arriving = older;
            self.post(recent);
            self.history = History::Initial;
        }
        if self.history == History::Initial && now >= plus(self.created_at, historical_after) {
            let rest = std::mem::take(&mut self.arriving);
            self.post(rest);
            self.history = History::Complete;
        }
        self.login_required |= now >= plus(self.created_at, LOGIN_LIVES);
    }

    fn post(&mut self, transactions: Vec<Transaction>) {
        for transaction in transactions {
            self.ledger.put(transaction);
        }
    }

    /// Calls that need the bank fail while the user must log in.
    pub(crate) fn usable(&self) -> Result<(), PlaidError> {
        if !self.login_required {
            return Ok(());
        }
        Err(PlaidError::item(
            "ITEM_LOGIN_REQUIRED",
            "the login details of this item have changed (credentials, MFA, or required user action) and a user login \
             is required to update this information. use Link's update mode to restore the item to a good state",
        ))
    }
}
