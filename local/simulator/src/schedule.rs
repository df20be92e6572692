//! One schedule: chaos, quiet, and then the questions.

use std::{cell::RefCell, panic::AssertUnwindSafe, rc::Rc, sync::atomic::Ordering, time::Duration};

use domain::sync::{Cause, SyncMessage, SyncQueue};
use futures::{executor::LocalPool, task::LocalSpawnExt};
use thiserror::Error;

use crate::{
    actors,
    check::{self, Divergence},
    cut::Cut,
    database::Weather,
    mutant::Mutant,
    scene::{Base, Scene},
    tally::Tally,
    time::Time,
};

/// A schedule that did not end as it must.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("seed {seed}: {why}")]
pub struct Failure {
    /// Replays it.
    pub seed: u64,
    /// What does not hold.
    pub why: String,
}

/// Everything is quiet long before this much virtual time has passed.
const LIMIT: Duration = Duration::from_hours(24);

/// What a schedule is made from.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// All chance.
    pub seed: u64,
    /// A rule that is left out of the sync.
    pub mutant: Option<Mutant>,
    /// What is left out of the schedule.
    pub cut: Cut,
    /// Whether everything that happens is printed.
    pub is_traced: bool,
}

impl Schedule {
    /// The schedule of a seed, with nothing left out.
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// Runs one schedule.
///
/// # Errors
/// When the store did not end equal to Plaid's ledger, an edit is not where it belongs, or it never became quiet.
pub fn run(base: &Base, schedule: &Schedule, tally: &Tally) -> Result<(), Failure> {
    let seed = schedule.seed;
    // The SDK's own chance: jitter and request tokens.
    fastrand::seed(seed);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let time = Time::default();
        let mut pool = LocalPool::new();
        let result = Rc::new(RefCell::new(None));
        let spawner = pool.spawner();
        let scene = pool.run_until(Scene::new(base, schedule, time.clone(), tally));
        actors::start(&scene, &spawner);
        let answer = result.clone();
        let directed = async move {
            let ended = direct(&scene).await;
            scene.is_over.store(true, Ordering::SeqCst);
            answer.replace(Some(ended));
        };
        if spawner.spawn_local(directed).is_err() {
            unreachable!("the pool is alive");
        }
        time.run(&mut pool, LIMIT);
        result.take()
    }));
    let why = match outcome {
        Ok(Some(Ok(()))) => return Ok(()),
        Ok(Some(Err(divergence))) => divergence,
        Ok(None) => "it never became quiet".to_owned(),
        Err(panic) => format!("panic: {}", words(&*panic)),
    };
    Err(Failure { seed, why })
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Waits for the end of the chaos, lets everything settle, and asks.
async fn direct(scene: &Scene) -> Result<(), Divergence> {
    let Scene { shared, queue, items, .. } = scene;
    while !scene.is_quiet() {
        shared.time.wait(Duration::from_secs(1)).await;
    }
    shared.set_weather(Weather::CALM);
    shared.trace.line(&shared.time, || "calm".to_owned());
    scene.plaid.calm();
    for item in items.iter() {
        let tells_all = shared.mutant != Some(Mutant::LoseAWebhook);
        let news = scene.plaid.settle(&item.plaid_id, &item.token, tells_all);
        if news {
            actors::ask(scene, item, false).await;
        }
    }
    while scene.database.late() > 0 {
        shared.time.wait(Duration::from_secs(10)).await;
    }
    drain(scene).await?;
    for reason in queue.redrive() {
        shared.trace.line(&shared.time, || format!("sent back: {reason}"));
        // No weather excuses it.
        if reason.contains("panicked") {
            return Err(reason);
        }
    }
    drain(scene).await?;
    let parked = queue.redrive();
    if !parked.is_empty() {
        return Err(format!("parked although nothing is wrong: {parked:?}"));
    }
    for item in items.iter() {
        check::quiet(scene, item).await?;
    }
    // What waits for another try is picked up by the night, and so is a number that nobody sent.
    for item in items.iter() {
        let message = SyncMessage::unnumbered(item.at.clone(), Cause::Night);
        queue.send(&message, Duration::ZERO).await.map_err(|error| error.to_string())?;
    }
    drain(scene).await?;
    for item in items.iter() {
        check::settled(scene, item).await?;
    }
    Ok(())
}

/// Waits until no message is left.
async fn drain(scene: &Scene) -> Result<(), Divergence> {
    let end = scene.shared.time.now_ms() + 8 * 3_600_000;
    while !scene.queue.is_empty() {
        if scene.shared.time.now_ms() > end {
            return Err("messages are left after eight hours".to_owned());
        }
        scene.shared.time.wait(Duration::from_secs(2)).await;
    }
    Ok(())
}
