//! `cargo dev`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    stack::cli::run().await
}
