//! The token key: its material is ours, so that it is the same after a restart.

use std::path::Path;

use winterbaume_core::StatefulService;
use winterbaume_kms::{KmsService, KmsStateView, views::KeyView};

use crate::{ACCOUNT, EmulatorError};

/// The id of the one key.
pub const KEY_ID: &str = "11111111-2222-4333-8444-555555555555";

pub(crate) fn arn(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{KEY_ID}")
}

/// The key's material: from the folder, else new.
pub(crate) fn material(folder: Option<&Path>) -> Result<Vec<u8>, EmulatorError> {
    let file = folder.map(|folder| folder.join("token-key.bin"));
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        return Ok(std::fs::read(file)?);
    }
    let mut material = vec![0; 32];
    getrandom::fill(&mut material).map_err(|_no_source| EmulatorError::Random)?;
    if let Some(file) = file {
        std::fs::write(file, &material)?;
    }
    Ok(material)
}

pub(crate) async fn add_key(kms: &KmsService, region: &str, material: Vec<u8>) -> Result<(), EmulatorError> {
    let key = KeyView {
        key_id: KEY_ID.into(),
        arn: arn(region),
        account_id: ACCOUNT.into(),
        region: region.into(),
        description: "Seals Plaid access tokens.".into(),
        key_spec: "SYMMETRIC_DEFAULT".into(),
        key_usage: "ENCRYPT_DECRYPT".into(),
        key_state: "Enabled".into(),
        creation_date: "2026-01-01T00:00:00+00:00".into(),
        enabled: true,
        origin: "AWS_KMS".into(),
        key_manager: "CUSTOMER".into(),
        deletion_date: None,
        key_rotation_enabled: false,
        key_material: material,
        public_key_der: None,
        tags: std::collections::HashMap::default(),
        multi_region: false,
    };
    let state = KmsStateView { keys: [(KEY_ID.into(), key)].into(), ..Default::default() };
    kms.merge(ACCOUNT, region, state)
        .await
        .map_err(|error| EmulatorError::Refused("the token key".to_owned(), format!("{error:?}")))
}
