//! Wiring of sync-night.

use std::sync::Arc;

use bus::Bus;
use domain::{
    account::merging,
    night::{Guarded, Watch},
    sync::{self, Budgets, Limits, Pool, Webhooks},
};
use edge::system::System;
use queue::{DeadLetterQueue, Queue};
use store::{Store, Tables};
use sync_night::{Deps, Leftovers, config::Config, handle};
use vault::{Credentials, Opener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let pool = Pool::per_minute(store.clone(), config.pool, &System);
    let keys = Arc::new(Credentials::new(&sdk, config.plaid_secret));
    let watch = Arc::new(Watch::new(store.clone(), Arc::new(System)));
    let plaid = Arc::new(plaid::Client::new(&config.plaid_url, keys)?);
    let bank = Arc::new(Guarded::new(plaid.clone(), watch.clone()));
    let dead_letters = Arc::new(DeadLetterQueue::new(&sdk, config.dead_letters_url));
    let leftovers = Arc::new(Leftovers::new(store.clone()));
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
        accounts: bank,
        vault: Arc::new(Opener::new(&sdk, config.key)),
        reads: leftovers.clone(),
        writes: store.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
        events: Arc::new(Bus::new(&sdk, config.event_bus)),
        admissions: store.clone(),
        announcements: store.clone(),
        webhooks: config.webhook_url.map(|url| Webhooks { url, address: plaid }),
        budgets: Arc::new(Budgets::of_night(config.item_syncs_a_minute, config.most, pool)),
        limits: Limits::default(),
    };
    let deps = Deps {
        sync,
        watch,
        counting: store,
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        leftovers,
        removals,
        merging: Some(merging),
        dead_letters: dead_letters.clone(),
    };
    edge::batch::serve(deps, &*dead_letters, handle).await
}
