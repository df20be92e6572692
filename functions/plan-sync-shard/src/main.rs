//! Wiring of plan-sync-shard.

use std::sync::Arc;

use domain::night::{PAGE_ITEMS, PlanDeps};
use edge::system::System;
use plan_sync_shard::{Deps, config::Config, handle};
use queue::{DeadLetterQueue, Queue};
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let plan = PlanDeps {
        due: store.clone(),
        plans: store,
        queue: Arc::new(Queue::new(&sdk, config.night_queue_url)),
        clock: Arc::new(System),
        page_items: PAGE_ITEMS,
    };
    let deps = Deps { plan, shards: Arc::new(Queue::new(&sdk, config.shard_queue_url)) };
    edge::batch::serve(deps, &DeadLetterQueue::new(&sdk, config.dead_letters_url), handle).await
}
