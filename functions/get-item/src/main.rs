//! Wiring of get-item.

use std::sync::Arc;

use get_item::{Deps, config::Config, handle};
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let deps = Deps { memberships: store.clone(), connections: store.clone(), categories: store };
    edge::http::serve(deps, handle).await
}
