//! Writes: one item, or several at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Item, Memory, Outcome, Refusal, condition::Words, parse, table::Key, update::updated};

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_ITEM_BYTES: usize = 400 << 10;
const MAX_ACTIONS: usize = 100;

/// The size of an item, near enough to how DynamoDB counts it.
pub(super) fn size(item: &Item) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(all) => all.iter().map(of).sum(),
            Value::Object(all) => all.iter().map(|(name, value)| name.len() + of(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        }
    }
    item.iter()
        .map(|(name, value)| {
            let binary = value["B"].as_str().map(|text| text.trim_end_matches('=').len() * 3 / 4);
            let bytes = || value.as_object().into_iter().flat_map(|v| v.values()).map(of).sum();
            name.len() + binary.unwrap_or_else(bytes)
        })
        .sum()
}

/// What one action makes of its item.
struct Change {
    table: String,
    key: Key,
    after: Option<Item>,
    is_check: bool,
}

/// An action of a transaction: its kind, and what it says.
fn parts(action: &Value) -> (&str, &Value) {
    let part = action.as_object().and_then(|action| action.iter().next());
    part.map_or_else(|| unreachable!("an action"), |(kind, action)| (kind.as_str(), action))
}

impl Memory {
    pub(super) fn write(&mut self, operation: &str, request: &Value) -> Outcome {
        let kind = operation.trim_end_matches("Item");
        let change = self.change(kind, request)?;
        let table = self.table(request);
        let before = table.items.get(&change.key).cloned();
        let answer = match request["ReturnValues"].as_str() {
            None | Some("NONE") => json!({}),
            Some("ALL_NEW") => json!({"Attributes": change.after}),
            Some("ALL_OLD") => before.map_or_else(|| json!({}), |item| json!({"Attributes": item})),
            Some(other) => unreachable!("{other} is not emulated"),
        };
        self.take_effect(change);
        Ok(answer)
    }

    fn take_effect(&mut self, change: Change) {
        if change.is_check {
            return;
        }
        if let Some(table) = self.tables.get_mut(&change.table) {
            table.replace(change.key, change.after);
        }
    }

    /// The key of the item that an action is about.
    fn place(&self, kind: &str, request: &Value) -> Key {
        self.table(request).key(if kind == "Put" { &request["Item"] } else { &request["Key"] })
    }

    /// What an action will make of its item, if its condition holds.
    fn change(&self, kind: &str, request: &Value) -> Result<Change, Refusal> {
        let key = self.place(kind, request);
        let before = self.table(request).items.get(&key);
        let nothing = Item::new();
        if let Some(expression) = request["ConditionExpression"].as_str() {
            let condition = parse::condition(expression);
            if !Words::of(request).hold(&condition, before.unwrap_or(&nothing)) {
                return Err(Refusal::ConditionFailed);
            }
        }
        let after = match kind {
            "Put" => request["Item"].as_object().cloned(),
            "Delete" => None,
            "ConditionCheck" => before.cloned(),
            "Update" => {
                let new = || request["Key"].as_object().cloned().unwrap_or_default();
                Some(updated(&before.cloned().unwrap_or_else(new), request))
            }
            other => unreachable!("{other} is not emulated"),
        };
        if after.as_ref().is_some_and(|item| size(item) > MAX_ITEM_BYTES) {
            let why = "Item size to update has exceeded the maximum allowed size";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        Ok(Change { table: super::name(request).to_owned(), key, after, is_check: kind == "ConditionCheck" })
    }

    pub(super) fn transact(&mut self, request: &Value) -> Outcome {
        let token = request["ClientRequestToken"].as_str();
        if token.is_some_and(|token| self.tokens.contains(token)) {
            return Ok(json!({}));
        }
        let actions = request["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default();
        if actions.is_empty() || actions.len() > MAX_ACTIONS {
            return Err(Refusal::Invalid(format!("{} actions", actions.len())));
        }
        let actions: Vec<_> = actions.iter().map(parts).collect();
        let places = actions.iter().map(|(kind, action)| (super::name(action), self.place(kind, action)));
        if places.collect::<BTreeSet<_>>().len() < actions.len() {
            let why = "Transaction request cannot include multiple operations on one item";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let (mut changes, mut codes) = (Vec::new(), Vec::new());
        for (kind, action) in actions {
            match self.change(kind, action) {
                Ok(change) => {
                    changes.push(change);
                    codes.push("None");
                }
                Err(Refusal::Invalid(_)) => codes.push("ValidationError"),
                Err(_) => codes.push("ConditionalCheckFailed"),
            }
        }
        if codes.iter().any(|code| *code != "None") {
            return Err(Refusal::Cancelled(codes));
        }
        self.tokens.extend(token.map(str::to_owned));
        for change in changes {
            self.take_effect(change);
        }
        Ok(json!({}))
    }
}
