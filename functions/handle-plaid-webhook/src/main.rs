//! Wiring of handle-plaid-webhook.

use std::sync::Arc;

use domain::{link, webhook::KeyConfirmer};
use edge::system::System;
use handle_plaid_webhook::{Deps, config::Config, handle};
use queue::{DeadLetterQueue, Queue};
use store::{Store, Tables};
use vault::{ConfirmedKeySecret, Credentials, Sealer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let keys = Arc::new(Credentials::new(&sdk, config.plaid_secret));
    let bank = Arc::new(plaid::Client::new(&config.plaid_url, keys)?);
    let syncs = Arc::new(Queue::new(&sdk, config.sync_queue_url));
    let link = link::Deps {
        connections: store.clone(),
        admissions: store.clone(),
        intents: store.clone(),
        items: store.clone(),
        reads: store.clone(),
        vault: Arc::new(Sealer::new(&sdk, config.key)),
        bank: bank.clone(),
        accounts: bank.clone(),
        // A hosted Link was opened with the address already.
        webhooks: None,
        institutions: Arc::new(plaid::Directory { client: bank, country_codes: config.country_codes }),
        queue: syncs.clone(),
        removals: Arc::new(Queue::new(&sdk, config.removal_queue_url)),
        clock: Arc::new(System),
        random: Arc::new(System),
    };
    let deps = Deps {
        memberships: store.clone(),
        plaid_items: store.clone(),
        connections: store.clone(),
        requests: store.clone(),
        hints: store.clone(),
        sessions: store.clone(),
        records: store,
        queue: syncs,
        confirmer: KeyConfirmer::new(Arc::new(ConfirmedKeySecret::new(&sdk, config.webhook_keys))),
        link,
    };
    edge::batch::serve(deps, &DeadLetterQueue::new(&sdk, config.dead_letters_url), handle).await
}
