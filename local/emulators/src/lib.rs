#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod dynamodb;
mod events;
pub mod iam;
mod kms;
pub mod names;

use std::path::PathBuf;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use thiserror::Error;
use winterbaume_core::{MockRequest, MockService};
use winterbaume_kms::KmsService;
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_sqs::SqsService;

use crate::events::EventBridge;

pub use dynamodb::DynamoDb;
pub use kms::KEY_ID;

/// The account that everything belongs to.
pub const ACCOUNT: &str = "000000000042";

/// A service could not be set up, or refused.
#[derive(Debug, Error)]
pub enum EmulatorError {
    /// A file of the data folder.
    #[error("the data folder cannot be used")]
    Folder(#[from] std::io::Error),
    /// The database.
    #[error("the database cannot be opened: {0}")]
    Database(String),
    /// A request of our own was refused.
    #[error("{0} was refused: {1}")]
    Refused(String, String),
    /// A function's policy asks for what nobody decides here, or refers to nothing.
    #[error("{0}: {1}")]
    Policy(String, String),
    /// There is no randomness for a key.
    #[error("the system has no randomness")]
    Random,
}

/// All services.
pub struct Emulators {
    region: String,
    database: DynamoDb,
    sqs: SqsService,
    kms: KmsService,
    secrets: SecretsManagerService,
    events: EventBridge,
}

/// An answer: status and JSON.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Emulators {
    /// Opens the services: in a folder, or in memory.
    pub async fn open(region: &str, folder: Option<PathBuf>) -> Result<Self, EmulatorError> {
        winterbaume_core::set_default_account_id(ACCOUNT);
        let database = match &folder {
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                DynamoDb::open(&folder.join("dynamodb.sqlite3").to_string_lossy())?
            }
            None => DynamoDb::memory()?,
        };
        let kms = KmsService::default();
        kms::add_key(&kms, region, kms::material(folder.as_deref())?).await?;
        Ok(Self {
            region: region.to_owned(),
            database,
            sqs: SqsService::default(),
            kms,
            secrets: SecretsManagerService::default(),
            events: EventBridge::default(),
        })
    }

    /// Answers one request of an AWS SDK.
    pub async fn call(&self, target: &str, headers: HeaderMap, body: Bytes) -> Answer {
        let (service, operation) = target.split_once('.').unwrap_or((target, ""));
        let service: &dyn MockService = match service {
            "DynamoDB_20120810" => return self.database.call(operation, body).await,
            "AWSEvents" => return self.events.put(&body),
            "AmazonSQS" => &self.sqs,
            "TrentService" => &self.kms,
            "secretsmanager" => &self.secrets,
            _ => {
                let body = json!({"__type": "UnknownOperationException", "message": "no such service here"});
                return Answer { status: 400, body: body.to_string().into_bytes() };
            }
        };
        // The services read their region from the host, and nowhere else.
        let uri = format!("https://{}.{}.amazonaws.com/", service.service_name(), self.region);
        let answer = service.handle(MockRequest { method: "POST".into(), uri, headers, body }).await;
        Answer { status: answer.status, body: answer.body.to_vec() }
    }

    /// A request of our own, which must succeed.
    pub async fn ask(&self, target: &str, body: &Value) -> Result<Value, EmulatorError> {
        let mut headers = HeaderMap::new();
        if let Ok(value) = http::HeaderValue::try_from(target) {
            headers.insert("x-amz-target", value);
        }
        let answer = self.call(target, headers, Bytes::from(body.to_string())).await;
        let refused =
            || EmulatorError::Refused(target.to_owned(), String::from_utf8_lossy(&answer.body).into_owned());
        if answer.status != 200 {
            return Err(refused());
        }
        if answer.body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&answer.body).map_err(|_why| refused())
        }
    }

    /// Makes a table from its definition in the template, unless it is there.
    pub async fn create_table(
        &self,
        name: &str,
        definition: &Value,
        ttl: Option<&str>,
    ) -> Result<(), EmulatorError> {
        let there = self.ask("DynamoDB_20120810.ListTables", &json!({})).await?;
        if there["TableNames"].as_array().is_some_and(|names| names.iter().any(|there| there == name)) {
            return Ok(());
        }
        let mut request = definition.clone();
        request["TableName"] = json!(name);
        self.ask("DynamoDB_20120810.CreateTable", &request).await?;
        if let Some(attribute) = ttl {
            let ttl = json!({"AttributeName": attribute, "Enabled": true});
            let request = json!({"TableName": name, "TimeToLiveSpecification": ttl});
            self.ask("DynamoDB_20120810.UpdateTimeToLive", &request).await?;
        }
        Ok(())
    }

    /// The last events that were announced, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.events.events()
    }

    /// The ARN of the token key.
    pub fn key_arn(&self) -> String {
        kms::arn(&self.region)
    }
}
