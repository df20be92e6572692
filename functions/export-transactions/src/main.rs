//! Wiring of export-transactions.

use std::sync::Arc;

use export_transactions::{Deps, config::Config, handle};
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let deps = Deps {
        memberships: store.clone(),
        search: store.clone(),
        records: store,
        clock: Arc::new(edge::system::System),
    };
    edge::http::serve(deps, handle).await
}
