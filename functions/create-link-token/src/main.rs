//! Wiring of create-link-token.

use std::sync::Arc;

use create_link_token::{Deps, config::Config, handle};
use edge::{idempotency::Once, system::System};
use store::{Store, Tables};
use vault::{Credentials, Opener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let client =
        plaid::Client::new(&config.plaid_url, Arc::new(Credentials::new(&sdk, config.plaid_secret)))?;
    let bank = plaid::Linker { client, settings: config.link };
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let deps = Deps {
        memberships: store.clone(),
        connections: store.clone(),
        hints: store.clone(),
        reads: store.clone(),
        vault: Arc::new(Opener::new(&sdk, config.key)),
        sessions: store.clone(),
        bank: Arc::new(bank),
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
