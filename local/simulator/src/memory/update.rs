//! What an update makes of an item.

use serde_json::{Value, json};

use super::{
    Item,
    condition::{Words, number},
    parse::{self, Action},
};

/// The item after an update; every value is of the item before it.
pub(super) fn updated(before: &Item, request: &Value) -> Item {
    let words = Words::of(request);
    let actions = parse::update(request["UpdateExpression"].as_str().unwrap_or_default());
    let mut after = before.clone();
    for action in actions.iter() {
        match action {
            Action::Set(name, operand, more) => {
                let value = |operand| {
                    words.operand(operand, before).unwrap_or_else(|| unreachable!("{name} is set to nothing"))
                };
                let first = value(operand);
                let whole = more.as_ref().map_or_else(|| first.clone(), |more| sum(Some(first), value(more)));
                after.insert(words.name(name).to_owned(), whole);
            }
            Action::Remove(name) => drop(after.remove(words.name(name))),
            Action::Add(name, operand) => {
                let more = words.operand(operand, before);
                let more = more.unwrap_or_else(|| unreachable!("nothing is added to {name}"));
                let name = words.name(name);
                after.insert(name.to_owned(), sum(before.get(name), more));
            }
        }
    }
    after
}

/// A number with another added, or the union of two sets of texts.
fn sum(before: Option<&Value>, more: &Value) -> Value {
    let Some(before) = before else { return more.clone() };
    if let (Some(one), Some(other)) = (number(before), number(more)) {
        return json!({"N": (one + other).to_string()});
    }
    let texts = |set: &Value| set["SS"].as_array().cloned().unwrap_or_else(|| unreachable!("a set of texts"));
    let mut all = texts(before);
    let new: Vec<_> = texts(more).into_iter().filter(|text| !all.contains(text)).collect();
    all.extend(new);
    json!({"SS": all})
}
