//! Wiring of list-invitations.

use std::sync::Arc;

use list_invitations::{Deps, config::Config, handle};
use store::{Store, Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, ..Tables::default() }));
    let deps = Deps { memberships: store.clone(), invitations: store, clock: Arc::new(edge::system::System) };
    edge::http::serve(deps, handle).await
}
