#![doc = include_str!("../README.md")]

mod calls;
mod control;
mod errors;
mod faults;
mod generate;
mod ledger;
mod people;
mod wire;
mod world;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::Router;

pub use faults::Fault;
pub use ledger::Transaction;
pub use world::{Institution, World};

/// How the sandbox behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The keys that a caller must show.
    pub client_id: String,
    /// The secret that belongs to them.
    pub secret: String,
    /// From link to the last 30 days.
    pub initial_after: Duration,
    /// From link to all of the history.
    pub historical_after: Duration,
    /// What ids and ledgers are made from.
    pub seed: u64,
    /// Where the world is kept between runs.
    pub file: Option<PathBuf>,
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
        let world = match config.file.as_ref().filter(|file| file.exists()) {
            Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
            None => World::new(config.seed),
        };
        Ok(Self { config: Arc::new(config), world: Arc::new(Mutex::new(world)) })
    }

    /// All routes.
    pub fn router(&self) -> Router {
        calls::routes(self.clone()).merge(control::routes(self.clone()))
    }

    /// The world. Locked while it is held.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A panic inside a call must not take every later call with it.
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
