//! Wiring of describe-api.

use describe_api::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::logs::init();
    edge::open::serve(handle).await
}
