//! The night's breaker: when Plaid says that we ask too much, the night stops asking, and nobody else does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    bank::{AccountFeed, AccountsAnswer, BankError, Meaning, Patience, SyncPage, TransactionFeed},
    ids::Cursor,
    secret::AccessToken,
    store::StoreError,
    time::{Clock, later, until},
};

/// The row that holds the night, for all of its workers.
#[async_trait]
pub trait Breaker: Send + Sync {
    /// Until when the night asks nothing; `None` if nothing holds it.
    async fn held_until(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Holds the night until then. Never for a shorter time than before.
    async fn hold(&self, until: Timestamp) -> Result<(), StoreError>;
}

/// How long a worker believes what it has read.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long the night is held: limits are counted by the minute. Longer if the answer says so, but never beyond this.
const HELD: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_mins(15);

/// What one worker knows of the breaker.
pub struct Watch {
    breaker: Arc<dyn Breaker>,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Default, Clone, Copy)]
struct Known {
    /// When the row was read.
    read: Option<Timestamp>,
    held_until: Option<Timestamp>,
}

impl Watch {
    /// Nothing is known yet.
    pub fn new(breaker: Arc<dyn Breaker>, clock: Arc<dyn Clock>) -> Self {
        Self { breaker, clock, known: Mutex::default() }
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// How long the night is held still, as this worker knows it.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        self.known().held_until.map(|held| until(now, held)).filter(|left| *left > Duration::ZERO)
    }

    /// How long the night is held still; what is known is at most five seconds old.
    pub async fn held(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.clock.now();
        if self.known().read.is_none_or(|read| until(read, now) >= BELIEVED) {
            let held_until = self.breaker.held_until().await?;
            let known = self.known();
            self.learn(Known { read: Some(now), held_until: held_until.max(known.held_until) });
        }
        Ok(self.left(now))
    }

    /// Holds the night, if this error says that all of us together ask too much. The budget of each item is kept by
    /// ourselves, so no other limit is met at night. That the row could not be written is no error of the call's: this
    /// worker is held in any case, and each of the others meets the limit once.
    async fn note(&self, error: &BankError) {
        let Meaning::Later { patience: Patience::Minute, retry_after_s } = error.meaning else { return };
        let asked = Duration::from_secs(retry_after_s.unwrap_or_default().into());
        let held_until = later(self.clock.now(), HELD.max(asked).min(LONGEST));
        let known = self.known();
        self.learn(Known { held_until: Some(held_until).max(known.held_until), ..known });
        match self.breaker.hold(held_until).await {
            Ok(()) | Err(_) => {}
        }
    }
}

/// The way to the bank, for whoever is held by the breaker: what one call learns, the next ones know.
pub struct Guarded<F> {
    feed: Arc<F>,
    watch: Arc<Watch>,
}

impl<F> Guarded<F> {
    /// The same way, watched.
    pub fn new(feed: Arc<F>, watch: Arc<Watch>) -> Self {
        Self { feed, watch }
    }

    /// The refusal that Plaid would give.
    fn refuse(&self) -> Result<(), BankError> {
        match self.watch.left(self.watch.clock.now()) {
            Some(_) => Err(BankError::later(Patience::Minute, "NIGHT_IS_HELD")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl<F: TransactionFeed> TransactionFeed for Guarded<F> {
    async fn page(&self, token: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        self.refuse()?;
        let answer = self.feed.page(token, cursor).await;
        if let Err(error) = &answer {
            self.watch.note(error).await;
        }
        answer
    }
}

#[async_trait]
impl<F: AccountFeed> AccountFeed for Guarded<F> {
    async fn accounts(&self, token: &AccessToken) -> Result<AccountsAnswer, BankError> {
        self.refuse()?;
        let answer = self.feed.accounts(token).await;
        if let Err(error) = &answer {
            self.watch.note(error).await;
        }
        answer
    }
}
