//! Wiring of remove-item-at-plaid.

use std::sync::Arc;

use bus::Bus;
use edge::system::System;
use queue::{DeadLetterQueue, Queue};
use remove_item_at_plaid::{Deps, config::Config, handle};
use store::{Store, Tables};
use vault::{Credentials, Opener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let keys = Arc::new(Credentials::new(&sdk, config.plaid_secret));
    let deps = Deps {
        reads: store.clone(),
        steps: store.clone(),
        ends: store,
        vault: Arc::new(Opener::new(&sdk, config.key)),
        bank: Arc::new(plaid::Client::new(&config.plaid_url, keys)?),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        events: Arc::new(Bus::new(&sdk, config.event_bus)),
        clock: Arc::new(System),
    };
    edge::batch::serve(deps, &DeadLetterQueue::new(&sdk, config.dead_letters_url), handle).await
}
