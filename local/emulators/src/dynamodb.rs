//! One DynamoDB operation, from JSON to JSON.

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;

use crate::{Answer, EmulatorError};

/// The database alone, answered at once on the caller's thread.
#[derive(Clone)]
pub struct DynamoDb(Database);

impl DynamoDb {
    /// An empty one in memory.
    pub fn memory() -> Result<Self, EmulatorError> {
        Database::memory().map(Self).map_err(|error| EmulatorError::Database(error.to_string()))
    }

    pub(crate) fn open(file: &str) -> Result<Self, EmulatorError> {
        Database::new(file).map(Self).map_err(|error| EmulatorError::Database(error.to_string()))
    }

    /// Answers one operation, such as `GetItem`.
    pub fn answer(&self, operation: &str, body: &str) -> Answer {
        match run(&self.0, operation, body) {
            Ok(json) => Answer { status: 200, body: json.into_bytes() },
            Err(error) => Answer { status: error.status_code(), body: error.to_json().into_bytes() },
        }
    }

    /// Answers without holding the caller's thread: the database blocks, with one lock.
    pub(crate) async fn call(&self, operation: &str, body: Bytes) -> Answer {
        let (database, operation) = (self.clone(), operation.to_owned());
        let done =
            tokio::task::spawn_blocking(move || database.answer(&operation, &String::from_utf8_lossy(&body)));
        done.await.unwrap_or_else(|_panic| Answer { status: 500, body: b"{}".to_vec() })
    }
}

fn run(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    macro_rules! dispatch {
        ($($name:literal => $call:ident),* $(,)?) => {
            match operation {
                $($name => {
                    let answer = database.$call(parse(body)?)?;
                    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
                })*
                other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
            }
        };
    }
    dispatch! {
        "CreateTable" => create_table,
        "DescribeTable" => describe_table,
        "ListTables" => list_tables,
        "UpdateTimeToLive" => update_time_to_live,
        "PutItem" => put_item,
        "GetItem" => get_item,
        "DeleteItem" => delete_item,
        "UpdateItem" => update_item,
        "Query" => query,
        "Scan" => scan,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactWriteItems" => transact_write_items,
        "TransactGetItems" => transact_get_items,
    }
}

/// The engine tells the class of a parse error in front of its message.
fn parse<T: DeserializeOwned>(body: &str) -> Result<T, DynoxideError> {
    serde_json::from_str(body).map_err(|error| {
        let message = error.to_string();
        let plain = |rest: &str| rest.split(" at line ").next().unwrap_or_default().to_owned();
        for prefix in ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"] {
            if let Some(rest) = message.strip_prefix(prefix) {
                return DynoxideError::ValidationException(plain(rest));
            }
        }
        for prefix in ["SERIALIZATION_AS_READ:", "SERIALIZATION:"] {
            if let Some(rest) = message.strip_prefix(prefix) {
                return DynoxideError::SerializationException(plain(rest));
            }
        }
        DynoxideError::ValidationException(message)
    })
}
