#![doc = include_str!("../README.md")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use edge::openapi::{DocumentError, Operation, document};
use serde_json::Value;
use thiserror::Error;

/// The document cannot be made or written.
#[derive(Debug, Error)]
pub enum ContractError {
    /// An endpoint does not describe itself as it should.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It is no JSON.
    #[error("the document is no JSON")]
    Json(#[from] serde_json::Error),
    /// The file cannot be written.
    #[error("the file cannot be written")]
    File(#[from] std::io::Error),
}

/// All endpoints of the HTTP API, in the order of their names.
pub fn operations() -> Vec<Operation> {
    vec![
        accept_invitation::operation(),
        change_role::operation(),
        confirm_repair::operation(),
        create_account::operation(),
        create_category::operation(),
        create_household::operation(),
        create_link_token::operation(),
        create_transaction::operation(),
        delete_category::operation(),
        delete_household::operation(),
        delete_transaction::operation(),
        describe_api::operation(),
        exchange_public_token::operation(),
        export_transactions::operation(),
        get_transaction::operation(),
        invite_member::operation(),
        list_invitations::operation(),
        withdraw_invitation::operation(),
        list_accounts::operation(),
        get_account::operation(),
        list_categories::operation(),
        list_households::operation(),
        get_household::operation(),
        list_items::operation(),
        get_item::operation(),
        list_members::operation(),
        list_transactions::operation(),
        merge_account::operation(),
        move_edits::operation(),
        remove_account::operation(),
        remove_item::operation(),
        remove_member::operation(),
        summarize_transactions::operation(),
        sync_account::operation(),
        update_account::operation(),
        update_category::operation(),
        update_household::operation(),
        update_transaction::operation(),
    ]
}

/// Where the document is.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json")
}

/// The document's text.
///
/// # Errors
/// When an endpoint does not describe itself as it should.
pub fn text() -> Result<String, ContractError> {
    Ok(serde_json::to_string_pretty(&in_order(document(operations())?))? + "\n")
}

/// Fields by name, whatever features JSON was compiled with elsewhere.
fn in_order(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> =
                fields.into_iter().map(|(name, field)| (name, in_order(field))).collect();
            sorted.into_iter().collect()
        }
        Value::Array(list) => list.into_iter().map(in_order).collect(),
        other => other,
    }
}
