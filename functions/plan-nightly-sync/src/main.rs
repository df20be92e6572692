//! Wiring of plan-nightly-sync.

use std::sync::Arc;

use edge::system::System;
use plan_nightly_sync::{Deps, config::Config, handle};
use queue::Queue;
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let deps = Deps {
        plans: Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() })),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        clock: Arc::new(System),
        zone: config.zone,
    };
    edge::schedule::serve(deps, handle).await
}
