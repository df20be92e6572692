//! Whether a condition holds.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    Item,
    parse::{Condition, Operand},
};

/// The names and values of a request.
pub(super) struct Words<'a> {
    pub(super) names: &'a Value,
    pub(super) values: &'a Value,
}

impl<'a> Words<'a> {
    pub(super) fn of(request: &'a Value) -> Self {
        Self { names: &request["ExpressionAttributeNames"], values: &request["ExpressionAttributeValues"] }
    }

    /// What an attribute is called.
    pub(super) fn name<'b>(&'b self, name: &'b str) -> &'b str {
        if name.starts_with('#') {
            return self.names[name].as_str().unwrap_or_else(|| unreachable!("{name} has no meaning"));
        }
        name
    }

    pub(super) fn value(&self, name: &str) -> &'a Value {
        let value = &self.values[name];
        assert!(!value.is_null(), "{name} has no value");
        value
    }

    fn find<'b>(&self, path: &[String], item: &'b Item) -> Option<&'b Value> {
        let (first, inner) = path.split_first()?;
        let mut value = item.get(self.name(first))?;
        for name in inner {
            value = value.get("M")?.get(self.name(name))?;
        }
        Some(value)
    }

    pub(super) fn operand<'b>(&self, operand: &Operand, item: &'b Item) -> Option<&'b Value>
    where
        'a: 'b,
    {
        match operand {
            Operand::Path(path) => self.find(path, item),
            Operand::Value(name) => Some(self.value(name)),
            Operand::IfNotExists(path, other) => self.find(path, item).or_else(|| self.operand(other, item)),
        }
    }

    /// Whether a condition holds for an item.
    pub(super) fn hold(&self, condition: &Condition, item: &Item) -> bool {
        let find = |operand| self.operand(operand, item);
        match condition {
            Condition::And(one, other) => self.hold(one, item) && self.hold(other, item),
            Condition::Or(one, other) => self.hold(one, item) || self.hold(other, item),
            Condition::Not(inner) => !self.hold(inner, item),
            Condition::Exists(path, is_there) => self.find(path, item).is_some() == *is_there,
            Condition::BeginsWith(whole, part) => match (find(whole), find(part)) {
                (Some(whole), Some(part)) => {
                    text(whole).is_some_and(|whole| text(part).is_some_and(|part| whole.starts_with(part)))
                }
                _ => false,
            },
            Condition::Contains(whole, part) => match (find(whole), find(part)) {
                (Some(whole), Some(part)) => contains(whole, part),
                _ => false,
            },
            Condition::Compare(left, mark, right) => match (find(left), find(right)) {
                (Some(left), Some(right)) => compares(left, mark, right),
                // What is not there is not equal to anything.
                (None, Some(_)) | (Some(_), None) => *mark == "<>",
                (None, None) => false,
            },
            Condition::Between(value, low, high) => match (find(value), find(low), find(high)) {
                (Some(value), Some(low), Some(high)) => {
                    compares(low, "<=", value) && compares(value, "<=", high)
                }
                _ => false,
            },
            Condition::In(value, all) => {
                find(value).is_some_and(|value| all.iter().any(|other| find(other) == Some(value)))
            }
        }
    }
}

/// The text of an attribute that is one.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.get("S")?.as_str()
}

/// The number of an attribute that is one.
pub(super) fn number(value: &Value) -> Option<Decimal> {
    let text = value.get("N")?.as_str()?;
    Some(text.parse().unwrap_or_else(|_bad| unreachable!("{text} is no number that is emulated")))
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (text(whole), text(part)) {
        (Some(whole), Some(part)) => whole.contains(part),
        _ => whole["SS"].as_array().is_some_and(|all| all.contains(&part["S"])),
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (text(left), text(right)) {
        (Some(left), Some(right)) => Some(left.cmp(right)),
        _ => Some(number(left)?.cmp(&number(right)?)),
    }
}

fn compares(left: &Value, mark: &str, right: &Value) -> bool {
    let order = order(left, right);
    let is_equal = order.map_or(left == right, Ordering::is_eq);
    match mark {
        "=" => is_equal,
        "<>" => !is_equal,
        "<" => order.is_some_and(Ordering::is_lt),
        "<=" => order.is_some_and(Ordering::is_le),
        ">" => order.is_some_and(Ordering::is_gt),
        ">=" => order.is_some_and(Ordering::is_ge),
        other => unreachable!("{other} compares nothing"),
    }
}
