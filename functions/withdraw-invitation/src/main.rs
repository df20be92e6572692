//! Wiring of withdraw-invitation.

use std::sync::Arc;

use store::{Store, Tables};
use withdraw_invitation::{Deps, config::Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    let config = Config::from_env(&edge::env::variable)?;
    let sdk = aws::sdk_config(aws::settings()?)?;
    let store = Arc::new(Store::new(&sdk, Tables { data: config.table, guards: config.guards }));
    let deps = Deps { memberships: store.clone(), invitations: store, clock: Arc::new(edge::system::System) };
    edge::http::serve(deps, handle).await
}
