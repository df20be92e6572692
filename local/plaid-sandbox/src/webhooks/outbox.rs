//! Webhooks from the moment they are due until they are taken, or until nobody tries any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::time::until;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    faults::{Flaw, WebhookFaults},
    keys::Keyring,
    retry::{Outcome, Record},
};
use crate::generate::Generator;

/// A stale signature is older than the five minutes that Plaid tells receivers to go by.
const STALE: SignedDuration = SignedDuration::from_secs(301);

/// A webhook that was due.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Webhook {
    url: String,
    body: Value,
    /// Whom it is about: webhooks of one are delivered one after the other.
    about: String,
    due_at: Timestamp,
    /// Deliveries so far.
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    state: State,
    flaw: Option<Flaw>,
    /// The token of the first delivery; a new process signs anew.
    #[serde(skip)]
    token: Option<String>,
}

/// How far a webhook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It is sent then, once somebody sends.
    Waiting(Timestamp),
    /// Until others have come.
    Held,
    /// It is being sent.
    Sending,
    /// It was taken.
    Delivered,
    /// It was rejected for the last time.
    GivenUp,
    /// It is never sent.
    Lost,
}

/// A webhook as the control door shows it.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    id: u64,
    url: &'a str,
    body: &'a Value,
    due_at: Timestamp,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<&'a str>,
    delivered: bool,
    state: &'static str,
}

/// Deliveries of webhooks that are not forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// Those that were taken.
    pub made: usize,
    /// Those that are still to be made.
    pub to_come: usize,
}

/// A delivery to make.
pub(crate) struct Post {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) token: String,
}

/// A webhook's turn: when, and among those of the same time which.
type Turn = (Timestamp, u64, u64);

/// All webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outbox {
    webhooks: BTreeMap<u64, Webhook>,
    next_id: u64,
    pub(crate) faults: WebhookFaults,
    pub(crate) keys: Keyring,
    record: Record,
    /// Whether a retry carries the first delivery's token instead of one of its own.
    pub(crate) keeps_token: bool,
    /// What any order is made from, so that the world's own generator is not touched.
    order: Generator,
    /// Those that wait, by their turn.
    #[serde(skip)]
    queue: BTreeSet<Turn>,
    /// Whom something is being sent about.
    #[serde(skip)]
    busy: BTreeSet<String>,
    #[serde(skip)]
    wake: Arc<Notify>,
}

impl Outbox {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            webhooks: BTreeMap::new(),
            next_id: 1,
            faults: WebhookFaults::default(),
            keys: Keyring::default(),
            record: Record::default(),
            keeps_token: false,
            order: Generator::new(seed),
            queue: BTreeSet::new(),
            busy: BTreeSet::new(),
            wake: Arc::default(),
        }
    }

    /// What tells whoever sends that there is something to send.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Goes on after a stop: what was being sent then is sent again, as nobody knows whether it arrived.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        self.busy.clear();
        self.queue.clear();
        for (id, webhook) in &mut self.webhooks {
            if webhook.state == State::Sending {
                webhook.state = State::Waiting(now);
            }
            if let State::Waiting(at) = webhook.state {
                self.queue.insert((at, *id, *id));
            }
        }
    }

    /// Writes a webhook down, and gives its id. It is sent if somebody sends.
    pub(crate) fn write(&mut self, url: &str, about: &str, body: &Value, now: Timestamp) -> u64 {
        let code = body.get("webhook_code").and_then(Value::as_str).unwrap_or_default();
        let met = self.faults.meet(code);
        for _ in 0..met.copies {
            let state = match met.flaw {
                Some(Flaw::Lost) => State::Lost,
                Some(Flaw::Reordered) => State::Held,
                Some(Flaw::ExpiredKey | Flaw::StaleIat) | None => State::Waiting(now),
            };
            let webhook = Webhook {
                url: url.to_owned(),
                body: body.clone(),
                about: about.to_owned(),
                due_at: now,
                attempts: 0,
                last_status: None,
                last_error: None,
                state,
                flaw: met.flaw,
                token: None,
            };
            self.put(webhook);
        }
        if met.releases {
            self.release(now);
        }
        self.wake.notify_one();
        self.next_id - 1
    }

    fn put(&mut self, webhook: Webhook) {
        let id = self.next_id;
        self.next_id += 1;
        if let State::Waiting(at) = webhook.state {
            self.queue.insert((at, id, id));
        }
        self.webhooks.insert(id, webhook);
    }

    /// Sends what is held, in any order.
    pub(crate) fn release(&mut self, now: Timestamp) {
        let held = self.webhooks.iter().filter(|(_, webhook)| webhook.state == State::Held);
        let mut held: Vec<_> = held.map(|(id, _)| *id).collect();
        self.order.shuffle(&mut held);
        for (turn, id) in (self.next_id..).zip(held) {
            self.wait(id, now, turn);
        }
        self.wake.notify_one();
    }

    fn wait(&mut self, id: u64, at: Timestamp, turn: u64) {
        if let Some(webhook) = self.webhooks.get_mut(&id) {
            webhook.state = State::Waiting(at);
            self.queue.insert((at, turn, id));
        }
    }

    /// The next delivery that is due and about nobody of whom something is being sent.
    pub(crate) fn take(&mut self, now: Timestamp, time_scale: u32) -> Option<Post> {
        loop {
            let due = self.queue.iter().take_while(|(at, ..)| *at <= now);
            let is_free = |(_, _, id): &&Turn| {
                self.webhooks.get(id).is_none_or(|webhook| !self.busy.contains(&webhook.about))
            };
            let turn = *due.into_iter().find(is_free)?;
            self.queue.remove(&turn);
            let (_, _, id) = turn;
            let post =
                self.webhooks.get(&id).cloned().and_then(|webhook| self.post(id, webhook, now, time_scale));
            if post.is_some() {
                return post;
            }
        }
    }

    fn post(&mut self, id: u64, mut webhook: Webhook, now: Timestamp, time_scale: u32) -> Option<Post> {
        let is_retry = webhook.attempts > 0;
        if is_retry && self.record.has_given_up(&webhook.url, now, time_scale) {
            webhook.state = State::GivenUp;
            self.webhooks.insert(id, webhook);
            return None;
        }
        // With two spaces, and the keys in order, as Plaid has it: the signature is one of these bytes.
        let body = format!("{:#}", webhook.body);
        let kept = webhook.token.take().filter(|_| is_retry && self.keeps_token);
        let signed = match (kept, webhook.flaw.filter(|_| !is_retry)) {
            (Some(token), _) => Ok(token),
            (None, Some(Flaw::ExpiredKey)) => self.keys.sign_expired(&body, now),
            (None, Some(Flaw::StaleIat)) => {
                self.keys.sign(&body, now.checked_sub(STALE).unwrap_or(Timestamp::MIN))
            }
            (None, Some(Flaw::Lost | Flaw::Reordered) | None) => self.keys.sign(&body, now),
        };
        let post = match signed {
            Ok(token) => {
                webhook.token = Some(token.clone());
                webhook.state = State::Sending;
                self.busy.insert(webhook.about.clone());
                Some(Post { id, url: webhook.url.clone(), body, token })
            }
            Err(error) => {
                webhook.last_error = Some(format!("not signed: {error}"));
                webhook.state = State::GivenUp;
                None
            }
        };
        self.webhooks.insert(id, webhook);
        post
    }

    /// How long from now until the next delivery that is not due yet.
    pub(crate) fn wait_for(&self, now: Timestamp) -> Option<Duration> {
        let after = (now, u64::MAX, u64::MAX);
        self.queue.range(after..).next().map(|(at, ..)| until(now, *at))
    }

    /// What became of a delivery.
    pub(crate) fn settle(&mut self, id: u64, outcome: &Outcome, now: Timestamp, time_scale: u32) {
        let Some(webhook) = self.webhooks.get_mut(&id) else { return };
        self.busy.remove(&webhook.about);
        webhook.attempts += 1;
        webhook.last_status = outcome.status;
        webhook.last_error = outcome.error.map(str::to_owned);
        self.record.note(&webhook.url, id, now, !outcome.is_taken());
        self.record.forget(now, time_scale);
        if outcome.is_taken() {
            webhook.state = State::Delivered;
            return;
        }
        let next = outcome.next(webhook.attempts, webhook.due_at, now, time_scale);
        match next.filter(|_| !self.record.has_given_up(&webhook.url, now, time_scale)) {
            Some(at) => self.wait(id, at, id),
            None => webhook.state = State::GivenUp,
        }
    }

    /// Forgets those that were taken.
    pub(crate) fn forget(&mut self) {
        self.webhooks.retain(|_, webhook| webhook.state != State::Delivered);
    }

    /// What each of them says, oldest first.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Value> {
        self.webhooks.values().map(|webhook| &webhook.body)
    }

    /// All of them, oldest first.
    pub(crate) fn deliveries(&self) -> Deliveries {
        let count =
            |is: fn(&State) -> bool| self.webhooks.values().filter(|webhook| is(&webhook.state)).count();
        Deliveries {
            made: count(|state| *state == State::Delivered),
            to_come: count(|state| matches!(state, State::Waiting(_) | State::Held | State::Sending)),
        }
    }

    pub(crate) fn views(&self) -> Vec<View<'_>> {
        let views = self.webhooks.iter().map(|(id, webhook)| View {
            id: *id,
            url: &webhook.url,
            body: &webhook.body,
            due_at: webhook.due_at,
            attempts: webhook.attempts,
            last_status: webhook.last_status,
            last_error: webhook.last_error.as_deref(),
            delivered: webhook.state == State::Delivered,
            state: webhook.state.name(),
        });
        views.collect()
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Held => "held",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Lost => "lost",
        }
    }
}
