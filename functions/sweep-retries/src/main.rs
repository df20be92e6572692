//! Wiring of sweep-retries.

use std::sync::Arc;

use edge::system::System;
use queue::Queue;
use store::{Store, Tables};
use sweep_retries::{Deps, config::Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let deps = Deps {
        retries: Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() })),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        clock: Arc::new(System),
    };
    edge::schedule::serve(deps, handle).await
}
