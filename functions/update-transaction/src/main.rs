//! Wiring of update-transaction.

use std::sync::Arc;

use store::{Store, Tables};
use update_transaction::{Deps, config::Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let deps = Deps {
        memberships: store.clone(),
        transactions: store.clone(),
        categories: store.clone(),
        edits: store.clone(),
        manual: store,
    };
    edge::http::serve(deps, handle).await
}
