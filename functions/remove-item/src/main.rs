//! Wiring of remove-item.

use std::sync::Arc;

use edge::system::System;
use queue::Queue;
use remove_item::{Deps, config::Config, handle};
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let deps = Deps {
        memberships: store.clone(),
        connections: store.clone(),
        reads: store.clone(),
        categories: store.clone(),
        removals: store,
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        clock: Arc::new(System),
    };
    edge::http::serve(deps, handle).await
}
