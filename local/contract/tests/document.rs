//! The committed document.

use contract::{file, text};

#[test]
fn the_committed_document_is_what_the_code_says() {
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == text().unwrap(),
        "openapi.json is not what the code says: `cargo contract` writes it"
    );
}
