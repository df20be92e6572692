//! `cargo contract`: writes `openapi.json`.

use contract::{ContractError, file, text};

fn main() -> Result<(), ContractError> {
    std::fs::write(file(), text()?)?;
    Ok(())
}
