//! Wiring of create-link-token.

use std::sync::Arc;

use create_link_token::{Deps, config::Config, handle};
use store::{Store, Tables};
use vault::Credentials;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let client =
        plaid::Client::new(&config.plaid_url, Arc::new(Credentials::new(&sdk, config.plaid_secret)))?;
    let bank = plaid::Linker { client, settings: config.link };
    let store = Store::new(&sdk, Tables { data: config.table, ..Tables::default() });
    edge::http::serve(Deps { memberships: Arc::new(store), bank: Arc::new(bank) }, handle).await
}
