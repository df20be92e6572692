//! Wiring of sync-item.

use std::sync::Arc;

use bus::Bus;
use domain::{
    account::merging,
    sync::{self, Budgets, Limits, Pool, Turns, Webhooks},
};
use edge::system::System;
use queue::{DeadLetterQueue, Queue};
use store::{Store, Tables};
use sync_item::{Deps, config::Config, handle};
use vault::{Credentials, Opener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let pool = Pool::per_minute(store.clone(), config.pool, &System);
    let keys = Arc::new(Credentials::new(&sdk, config.plaid_secret));
    let bank = Arc::new(plaid::Client::new(&config.plaid_url, keys)?);
    let removals = Arc::new(Queue::new(&sdk, config.removal_queue_url));
    let merging = merging::Deps {
        categories: store.clone(),
        admissions: store.clone(),
        store: store.clone(),
        removals: removals.clone(),
        clock: Arc::new(System),
    };
    let sync = sync::Deps {
        feed: bank.clone(),
        accounts: bank.clone(),
        vault: Arc::new(Opener::new(&sdk, config.key)),
        reads: store.clone(),
        writes: store.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
        events: Arc::new(Bus::new(&sdk, config.event_bus)),
        admissions: store.clone(),
        announcements: store,
        webhooks: config.webhook_url.map(|url| Webhooks { url, address: bank }),
        budgets: Arc::new(Budgets::with_pool(config.item_syncs_a_minute, config.share, pool)),
        limits: Limits::default(),
    };
    let deps = Deps {
        sync,
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        removals,
        merging: Some(merging),
        turns: Turns::default(),
    };
    edge::batch::serve(deps, &DeadLetterQueue::new(&sdk, config.dead_letters_url), handle).await
}
