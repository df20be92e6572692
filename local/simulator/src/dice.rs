//! Chance, all of it from one seed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{ids::Entropy, time::Random};
use fastrand::Rng;

/// The dice of one schedule.
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<Rng>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Rng::with_seed(seed))))
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something happens that happens in so many of 1,000 cases.
    pub(crate) fn in_1000(&self, cases: u32) -> bool {
        self.rng().u32(0..1000) < cases
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.rng().usize(0..bound.max(1))
    }

    /// A number from `low` up to and with `high`.
    pub(crate) fn between(&self, low: u32, high: u32) -> u32 {
        self.rng().u32(low..=high)
    }

    /// Any time up to `most`.
    pub(crate) fn within(&self, most: Duration) -> Duration {
        let ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.rng().u64(1..=ms))
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

impl Random for Dice {
    fn entropy(&self) -> Entropy {
        let mut bytes = Entropy::default();
        self.rng().fill(&mut bytes);
        bytes
    }
}
