//! DynamoDB as far as the store uses it, in maps: several times as fast as the embedded engine, which the schedules of
//! the tests compare it with, answer by answer.
//!
//! What it does not know it refuses to answer: a schedule that needs more of DynamoDB panics and names it.

mod condition;
mod parse;
mod query;
mod table;
mod text;
mod update;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use table::Table;

/// Keys of one request.
const MAX_BATCH: usize = 100;

/// An item: its attributes by name, each as DynamoDB's JSON has it (`{"S": "text"}`).
type Item = serde_json::Map<String, Value>;

/// Why an operation has no effect.
enum Refusal {
    /// A condition does not hold.
    ConditionFailed,
    /// A request that DynamoDB does not take, such as an item that is too large.
    Invalid(String),
    /// A transaction is cancelled: the code of each action, or `None`.
    Cancelled(Vec<&'static str>),
}

type Outcome = Result<Value, Refusal>;

/// The tables.
#[derive(Default)]
pub(crate) struct Memory {
    tables: BTreeMap<String, Table>,
    /// The tokens of transactions that took effect.
    tokens: HashSet<String>,
}

impl Memory {
    /// Empty tables with these definitions.
    pub(crate) fn new(definitions: &[Value]) -> Self {
        let table = |definition: &Value| (name(definition).to_owned(), Table::new(definition));
        Self { tables: definitions.iter().map(table).collect(), tokens: HashSet::new() }
    }

    /// Answers one operation: its status and its body.
    pub(crate) fn answer(&mut self, operation: &str, body: &str) -> (u16, Vec<u8>) {
        let request: Value =
            serde_json::from_str(body).unwrap_or_else(|error| unreachable!("{operation}: {error}"));
        match self.run(operation, &request) {
            Ok(answer) => (200, answer.to_string().into_bytes()),
            Err(refusal) => (400, refusal.body().to_string().into_bytes()),
        }
    }

    fn run(&mut self, operation: &str, request: &Value) -> Outcome {
        match operation {
            "GetItem" => {
                let item = self.table(request).get(&request["Key"]);
                Ok(item.map_or_else(|| json!({}), |item| json!({"Item": query::projected(item, request)})))
            }
            "BatchGetItem" => self.batch_get(request),
            "Query" => Ok(self.table(request).query(request)),
            "TransactWriteItems" => self.transact(request),
            "PutItem" | "UpdateItem" | "DeleteItem" => self.write(operation, request),
            other => unreachable!("{other} is not emulated"),
        }
    }

    fn table(&self, request: &Value) -> &Table {
        self.tables.get(name(request)).unwrap_or_else(|| unreachable!("no table {}", name(request)))
    }

    fn batch_get(&self, request: &Value) -> Outcome {
        let mut responses = serde_json::Map::new();
        for (name, asked) in request["RequestItems"].as_object().into_iter().flatten() {
            let table = self.tables.get(name).unwrap_or_else(|| unreachable!("no table {name}"));
            let keys = asked["Keys"].as_array().map(Vec::as_slice).unwrap_or_default();
            if keys.len() > MAX_BATCH {
                return Err(Refusal::Invalid(
                    "Too many items requested for the BatchGetItem call".to_owned(),
                ));
            }
            let different: BTreeSet<_> = keys.iter().map(|key| table.key(key)).collect();
            if different.len() < keys.len() {
                return Err(Refusal::Invalid("Provided list of item keys contains duplicates".to_owned()));
            }
            let items =
                keys.iter().filter_map(|key| table.get(key)).map(|item| query::projected(item, asked));
            responses.insert(name.clone(), items.collect());
        }
        Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
    }
}

/// The table that a request names.
fn name(request: &Value) -> &str {
    request["TableName"].as_str().unwrap_or_default()
}

impl Refusal {
    fn body(&self) -> Value {
        let error = |name: &str, message: &str| json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": message});
        match self {
            Self::ConditionFailed => {
                error("ConditionalCheckFailedException", "The conditional request failed")
            }
            Self::Invalid(why) => error("ValidationException", why),
            Self::Cancelled(codes) => {
                let mut body = error("TransactionCanceledException", "Transaction cancelled");
                body["CancellationReasons"] = codes.iter().map(|code| json!({"Code": code})).collect();
                body
            }
        }
    }
}
