//! Wiring of confirm-repair.

use std::sync::Arc;

use confirm_repair::{Deps, config::Config, handle};
use edge::{idempotency::Once, system::System};
use queue::Queue;
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let deps = Deps {
        memberships: store.clone(),
        connections: store.clone(),
        categories: store.clone(),
        hints: store.clone(),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        clock: Arc::new(System),
        once: Once {
            memberships: store.clone(),
            records: store,
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    };
    edge::http::serve(deps, handle).await
}
