//! The night in virtual time: planned with processes that die, and run beside webhooks against a Plaid that counts.
//!
//! What plans, syncs and counts is the real thing: the functions' handlers over the engine. The index, the queues, the store
//! and Plaid are made up as they are asked for, so that a million items take no room.

mod items;
mod mix;
mod plaid;
mod plan;
mod store;
mod work;

pub use mix::{Mix, MixFigures, mix};
pub use plan::{PlanFigures, plan};

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use futures::{executor::LocalPool, task::LocalSpawnExt};

use crate::time::Time;

/// Runs what `start` makes to its end in virtual time. `None` if it has not come to one by then.
fn run<F: Future + 'static>(
    time: &Time,
    limit: Duration,
    start: impl FnOnce(futures::executor::LocalSpawner) -> F,
) -> Option<F::Output>
where
    F::Output: 'static,
{
    let mut pool = LocalPool::new();
    let answer = Rc::new(RefCell::new(None));
    let (future, kept) = (start(pool.spawner()), answer.clone());
    let whole = async move {
        let output = future.await;
        kept.replace(Some(output));
    };
    pool.spawner().spawn_local(whole).ok()?;
    time.run(&mut pool, limit);
    answer.take()
}
