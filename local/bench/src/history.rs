//! Histories that arrive, idle syncs and lists, with the sandbox and the database in the same process.

use std::time::Instant;

use domain::{
    ids::ItemRef,
    search::{Search, TransactionSearch},
    store::{Connections, StoreError},
    sync::{Cause, SyncError, Trigger, sync},
};
use jiff::Timestamp;
use testkit::World;

use crate::cpu;

/// The first version of this system, measured on a machine of this kind: transactions a second.
const FIRST_VERSION: f64 = 242.0;

pub(crate) async fn measure() -> Result<(), SyncError> {
    for count in [500_u32, 5_000, 20_000] {
        history(count).await?;
    }
    Ok(())
}

async fn run(world: &World, at: &ItemRef, want: Option<u64>) -> Result<(), SyncError> {
    sync(
        &world.sync(),
        &Trigger { at: at.clone(), want, cause: Cause::Night, deadline: Timestamp::MAX, fresh_within: None },
    )
    .await
    .map(drop)
}

/// A history that arrives, an idle sync after it, and the lists.
async fn history(count: u32) -> Result<(), SyncError> {
    let world = World::new().await;
    let (at, _) = world.item("user_many", &count.to_string()).await;

    let (began, cpu) = (Instant::now(), cpu::process());
    run(&world, &at, Some(1)).await?;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu::process() - cpu);
    let units = world.aws.take_write_units();
    let calls: usize = world.aws.take_calls().values().sum();
    let rows = f64::from(count);
    println!(
        "history of {count:>6}: {:>8.0} transactions/s, {:>8.0} a CPU second ({:.0} × the first version), {calls} AWS calls, \
         {:.2} write units a row",
        rows / wall,
        rows / cpu,
        rows / cpu / FIRST_VERSION,
        units / rows
    );

    let began = Instant::now();
    run(&world, &at, None).await?;
    println!("          idle sync: {:>8.2} ms", began.elapsed().as_secs_f64() * 1e3);

    let began = Instant::now();
    let found = first_page(&world).await?;
    println!("    first page, {found:>3}: {:>8.2} ms", began.elapsed().as_secs_f64() * 1e3);

    let began = Instant::now();
    let connections = world.store.connections(&world.household).await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!("      {} connection(s): {ms:>8.2} ms", connections.len());
    Ok(())
}

async fn first_page(world: &World) -> Result<usize, StoreError> {
    let households = vec![world.household.clone()];
    let scope = world.store.scope(&households).await?;
    Ok(world.store.find(&Search::everything(100), &scope).await?.transactions.len())
}
