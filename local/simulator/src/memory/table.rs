//! A table and its indexes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Item, condition::text};

/// Hash and range key.
pub(super) type Key = (String, String);

/// The names of a table's or an index's hash and range key.
pub(super) struct Schema {
    pub(super) hash: String,
    pub(super) range: String,
}

impl Schema {
    fn new(definition: &Value) -> Self {
        let name = |kind: &str| {
            let keys = definition["KeySchema"].as_array().into_iter().flatten();
            let mut names = keys.filter(|key| key["KeyType"] == kind).map(|key| &key["AttributeName"]);
            names.next().and_then(Value::as_str).unwrap_or_else(|| unreachable!("a {kind} key")).to_owned()
        };
        Self { hash: name("HASH"), range: name("RANGE") }
    }

    /// The key of an item; none if it lacks a part of it.
    pub(super) fn key(&self, item: &Item) -> Option<Key> {
        let part = |name: &str| Some(text(item.get(name)?)?.to_owned());
        Some((part(&self.hash)?, part(&self.range)?))
    }
}

/// An index: its own key, then the item's.
pub(super) struct Index {
    pub(super) schema: Schema,
    /// The attributes that it has beside the keys.
    pub(super) projected: BTreeSet<String>,
    pub(super) entries: BTreeSet<(Key, Key)>,
}

/// A table.
pub(super) struct Table {
    pub(super) schema: Schema,
    pub(super) items: BTreeMap<Key, Item>,
    pub(super) indexes: BTreeMap<String, Index>,
}

impl Table {
    pub(super) fn new(definition: &Value) -> Self {
        let indexes = definition["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let index = |definition: &Value| {
            let others = definition["Projection"]["NonKeyAttributes"].as_array().into_iter().flatten();
            let index = Index {
                schema: Schema::new(definition),
                projected: others.filter_map(Value::as_str).map(str::to_owned).collect(),
                entries: BTreeSet::new(),
            };
            (definition["IndexName"].as_str().unwrap_or_default().to_owned(), index)
        };
        Self {
            schema: Schema::new(definition),
            items: BTreeMap::new(),
            indexes: indexes.map(index).collect(),
        }
    }

    /// The key that a request names.
    pub(super) fn key(&self, key: &Value) -> Key {
        let key = key.as_object().and_then(|key| self.schema.key(key));
        key.unwrap_or_else(|| unreachable!("a whole key"))
    }

    pub(super) fn get(&self, key: &Value) -> Option<&Item> {
        self.items.get(&self.key(key))
    }

    /// Puts an item in the place of another, or takes it away.
    pub(super) fn replace(&mut self, key: Key, new: Option<Item>) {
        let old = self.items.get(&key);
        for index in self.indexes.values_mut() {
            let place = |item: Option<&Item>| item.and_then(|item| index.schema.key(item));
            let (before, after) = (place(old), place(new.as_ref()));
            if before != after {
                if let Some(before) = before {
                    index.entries.remove(&(before, key.clone()));
                }
                if let Some(after) = after {
                    index.entries.insert((after, key.clone()));
                }
            }
        }
        match new {
            Some(item) => drop(self.items.insert(key, item)),
            None => drop(self.items.remove(&key)),
        }
    }
}
