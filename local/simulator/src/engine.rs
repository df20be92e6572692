//! What stands behind the database: tables in memory, the embedded engine, or both compared.

use clap::ValueEnum;
use emulators::DynamoDb;
use serde_json::Value;

use crate::memory::Memory;

/// Which engine answers the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Engine {
    /// Tables in memory: the fastest.
    #[default]
    Memory,
    /// The embedded engine that the local stack and the tests use.
    Embedded,
    /// Both: a schedule fails where their answers differ.
    Compared,
}

/// An open database.
pub(crate) enum Opened {
    Memory(Memory),
    Embedded(DynamoDb),
    Compared(Memory, DynamoDb),
}

impl Engine {
    /// An empty database with these tables.
    pub(crate) fn open(self, tables: &[Value]) -> Opened {
        match self {
            Self::Memory => Opened::Memory(Memory::new(tables)),
            Self::Embedded => Opened::Embedded(embedded(tables)),
            Self::Compared => Opened::Compared(Memory::new(tables), embedded(tables)),
        }
    }
}

fn embedded(tables: &[Value]) -> DynamoDb {
    let database = DynamoDb::memory().unwrap_or_else(|error| unreachable!("{error}"));
    for table in tables {
        let made = database.answer("CreateTable", &table.to_string());
        assert!(made.status == 200, "{}", String::from_utf8_lossy(&made.body));
    }
    database
}

impl Opened {
    /// One operation: the status and the body of its answer.
    pub(crate) fn answer(&mut self, operation: &str, body: &str) -> (u16, Vec<u8>) {
        let of_embedded = |database: &DynamoDb| {
            let answer = database.answer(operation, body);
            (answer.status, answer.body)
        };
        match self {
            Self::Memory(memory) => memory.answer(operation, body),
            Self::Embedded(database) => of_embedded(database),
            Self::Compared(memory, database) => {
                let (ours, theirs) = (memory.answer(operation, body), of_embedded(database));
                let (one, other) = (comparable(&ours), comparable(&theirs));
                assert!(one == other, "{operation} {body}: in memory {one}, embedded {other}");
                ours
            }
        }
    }
}

/// An answer without what need not be equal: words for people, the order of sets and of batches, capacity.
fn comparable((status, body): &(u16, Vec<u8>)) -> Value {
    let mut answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if *status != 200 {
        let name = answer["__type"].as_str().and_then(|name| name.rsplit('#').next()).map(str::to_owned);
        let reasons = answer["CancellationReasons"].as_array().into_iter().flatten();
        let codes: Value = reasons.map(|reason| reason["Code"].clone()).collect();
        return serde_json::json!([status, name, codes]);
    }
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("ConsumedCapacity");
        for items in fields
            .get_mut("Responses")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(|r| r.values_mut())
        {
            sort(items);
        }
    }
    sort_sets(&mut answer);
    answer
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_cached_key(Value::to_string);
    }
}

fn sort_sets(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(sort_sets),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "SS" {
                    sort(value);
                } else {
                    sort_sets(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
