//! Wiring of merge-account.

use std::sync::Arc;

use domain::account::merging;
use edge::{idempotency::Once, system::System};
use merge_account::{Deps, config::Config, handle};
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
        connection: store.clone(),
        merging: merging::Deps {
            categories: store.clone(),
            admissions: store.clone(),
            store: store.clone(),
            removals: Arc::new(Queue::new(&sdk, config.removal_queue_url)),
            clock: Arc::new(System),
        },
        once: Once {
            memberships: store.clone(),
            records: store,
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    };
    edge::http::serve(deps, handle).await
}
