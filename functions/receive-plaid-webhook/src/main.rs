//! Wiring of receive-plaid-webhook.

use std::sync::Arc;

use domain::webhook::{Replays, Verifier};
use edge::system::System;
use queue::Queue;
use receive_plaid_webhook::{Deps, Strangers, config::Config, handle};
use vault::{ConfirmedKeySecret, Credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let confirmed = Arc::new(ConfirmedKeySecret::new(&sdk, config.webhook_keys));
    let keys = plaid::Client::new(&config.plaid_url, Arc::new(Credentials::new(&sdk, config.plaid_secret)))?;
    let deps = Deps {
        verifier: Verifier::new(config.environment, Arc::new(keys), confirmed, Arc::new(System)),
        queue: Arc::new(Queue::new(&sdk, config.queue_url)),
        replays: Replays::default(),
        strangers: Strangers::default(),
    };
    edge::webhook::serve(deps, handle).await
}
