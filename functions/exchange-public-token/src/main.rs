//! Wiring of exchange-public-token.

use std::sync::Arc;

use domain::{link, sync::Webhooks};
use edge::{idempotency::Once, system::System};
use exchange_public_token::{Deps, config::Config, handle};
use queue::Queue;
use store::{Store, Tables};
use vault::{Credentials, Sealer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let keys = Arc::new(Credentials::new(&sdk, config.plaid_secret));
    let bank = Arc::new(plaid::Client::new(&config.plaid_url, keys)?);
    let link = link::Deps {
        connections: store.clone(),
        admissions: store.clone(),
        intents: store.clone(),
        items: store.clone(),
        reads: store.clone(),
        vault: Arc::new(Sealer::new(&sdk, config.key)),
        bank: bank.clone(),
        accounts: bank.clone(),
        webhooks: config.webhook_url.map(|url| Webhooks { url, address: bank.clone() }),
        institutions: Arc::new(plaid::Directory { client: bank, country_codes: config.country_codes }),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        removals: Arc::new(Queue::new(&sdk, config.removal_queue_url)),
        clock: Arc::new(System),
        random: Arc::new(System),
    };
    let once = Once {
        memberships: store.clone(),
        records: store.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
    };
    let deps = Deps { memberships: store.clone(), sessions: store, link, once };
    edge::http::serve(deps, handle).await
}
