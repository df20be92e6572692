#![doc = include_str!("../README.md")]

mod calls;
mod changes;
mod control;
mod cursor;
mod errors;
mod faults;
mod generate;
mod item;
mod ledger;
mod limits;
mod link;
mod mangle;
mod people;
mod posting;
mod relink;
mod reply;
mod sharing;
mod webhooks;
mod wire;
mod world;

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::Router;
use domain::time::Clock;
use jiff::Timestamp;

pub use changes::Change;
pub use faults::Fault;
pub use ledger::Transaction;
pub use limits::{Limit, RateLimits};
pub use mangle::Mangle;
pub use posting::{Posting, Removal};
pub use relink::Relink;
pub use reply::{Keys, Reply};
pub use webhooks::{Deliveries, Flaw, WebhookFault};
pub use world::{Institution, World};

/// How the sandbox behaves.
#[derive(Clone)]
pub struct Config {
    /// The keys that a caller must show.
    pub client_id: String,
    /// The secret that belongs to them.
    pub secret: String,
    /// From link to the last 30 days.
    pub initial_after: Duration,
    /// From link to all of the history.
    pub historical_after: Duration,
    /// How much faster than outside Plaid's own waits go by: the delays of webhooks, and the minute of rate limits.
    pub time_scale: u32,
    /// What ids and ledgers are made from.
    pub seed: u64,
    /// Where the world is kept between runs.
    pub file: Option<PathBuf>,
    /// What time it is, and what slow answers wait on.
    pub clock: Arc<dyn Clock>,
}

/// A running world behind its routes.
#[derive(Clone)]
pub struct Sandbox {
    config: Arc<Config>,
    world: Arc<Mutex<World>>,
}

impl Sandbox {
    /// A world from its file, or a new one.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn open(config: Config) -> std::io::Result<Self> {
        let mut world = match config.file.as_ref().filter(|file| file.exists()) {
            Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
            None => World::new(config.seed),
        };
        world.delays = (config.initial_after, config.historical_after);
        world.time_scale = config.time_scale.max(1);
        world.happens = Some(Timestamp::MIN);
        world.outbox.resume(config.clock.now());
        Ok(Self { config: Arc::new(config), world: Arc::new(Mutex::new(world)) })
    }

    /// All routes.
    pub fn router(&self) -> Router {
        reply::routes(self, control::routes(self.clone()))
    }

    /// Sends webhooks, for ever. While nobody does, they are only written down.
    ///
    /// # Errors
    /// When there is no way to send anything.
    pub async fn deliver(self) -> std::io::Result<Infallible> {
        webhooks::run(self, webhooks::ANSWERS_WITHIN).await
    }

    /// What is posted to a path, answered without a network. A path that Plaid does not have is its 404.
    pub fn answer(&self, path: &str, keys: &Keys, body: &[u8]) -> Reply {
        calls::answer(self, path, keys, body)
    }

    /// The world as of now. Locked while it is held.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A panic inside a call must not take every later call with it.
        let mut world = self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        world.now = self.config.clock.now();
        world
    }

    /// Writes the world to its file, if it has one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> std::io::Result<()> {
        let Some(file) = &self.config.file else { return Ok(()) };
        let json = serde_json::to_vec(&*self.world())?;
        let half_written = file.with_extension("new");
        std::fs::write(&half_written, json)?;
        std::fs::rename(half_written, file)
    }
}
