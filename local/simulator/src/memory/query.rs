//! Queries.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    Item,
    condition::{Words, text},
    parse::{self, Condition, Operand},
    table::{Index, Key, Table},
};

/// What a page of a query holds at most.
const PAGE_BYTES: usize = 1 << 20;

/// The attributes that a request asks for.
pub(super) fn projected(item: &Item, request: &Value) -> Value {
    let Some(expression) = request["ProjectionExpression"].as_str() else {
        return Value::Object(item.clone());
    };
    let words = Words::of(request);
    let names = expression.split(',').map(|name| words.name(name.trim()));
    let found = names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())));
    Value::Object(found.collect())
}

/// The hash key, and the bounds of the range key.
struct Range<'a> {
    hash: &'a str,
    low: &'a str,
    high: Option<&'a str>,
    prefix: Option<&'a str>,
}

impl<'a> Range<'a> {
    fn of(condition: &Condition, words: &Words<'a>) -> Self {
        let mut range = Self { hash: "", low: "", high: None, prefix: None };
        range.narrow(condition, words);
        range
    }

    fn narrow(&mut self, condition: &Condition, words: &Words<'a>) {
        let value = |operand: &Operand| match operand {
            Operand::Value(name) => text(words.value(name)).unwrap_or_default(),
            other => unreachable!("{other:?} in a condition on keys"),
        };
        match condition {
            Condition::And(one, other) => {
                self.narrow(one, words);
                self.narrow(other, words);
            }
            Condition::Compare(_, "=", hash) => self.hash = value(hash),
            // The range key is below what is given: the store asks for nothing else.
            Condition::Compare(_, "<", high) => self.high = Some(value(high)),
            Condition::BeginsWith(_, prefix) => {
                (self.low, self.prefix) = (value(prefix), Some(value(prefix)));
            }
            Condition::Between(_, low, high) => (self.low, self.high) = (value(low), Some(value(high))),
            other => unreachable!("{other:?} is no condition on keys that is emulated"),
        }
    }

    fn covers(&self, range: &str, is_inclusive: bool) -> bool {
        self.prefix.is_none_or(|prefix| range.starts_with(prefix))
            && self.high.is_none_or(|high| range < high || (is_inclusive && range == high))
    }
}

impl Table {
    pub(super) fn query(&self, request: &Value) -> Value {
        let words = Words::of(request);
        let condition = parse::condition(request["KeyConditionExpression"].as_str().unwrap_or_default());
        let range = Range::of(&condition, &words);
        let is_inclusive = !request["KeyConditionExpression"].as_str().unwrap_or_default().contains('<');
        let index = request["IndexName"].as_str();
        let index =
            index.map(|name| self.indexes.get(name).unwrap_or_else(|| unreachable!("no index {name}")));
        let first = (range.hash.to_owned(), range.low.to_owned());
        let mut places: Vec<(Key, Key)> = match index {
            Some(index) => {
                let from = (first, Key::default());
                let entries = index.entries.range((Bound::Included(from), Bound::Unbounded));
                let entries = entries
                    .take_while(|((hash, at), _)| hash == range.hash && range.covers(at, is_inclusive));
                entries.cloned().collect()
            }
            None => {
                let items = self.items.range((Bound::Included(first), Bound::Unbounded));
                let items =
                    items.take_while(|((hash, at), _)| hash == range.hash && range.covers(at, is_inclusive));
                items.map(|(key, _)| (key.clone(), key.clone())).collect()
            }
        };
        let is_backward = request["ScanIndexForward"] == json!(false);
        if is_backward {
            places.reverse();
        }
        if let Some(start) = request["ExclusiveStartKey"].as_object() {
            let whole = |key: Option<Key>| key.unwrap_or_else(|| unreachable!("a whole start key"));
            let key = whole(self.schema.key(start));
            let start = (index.map_or_else(|| key.clone(), |index| whole(index.schema.key(start))), key);
            // What stood there may be gone.
            places.retain(|place| if is_backward { *place < start } else { *place > start });
        }
        self.page(request, &words, index, &places)
    }

    fn page(
        &self,
        request: &Value,
        words: &Words<'_>,
        index: Option<&Index>,
        places: &[(Key, Key)],
    ) -> Value {
        let limit = request["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let filter = request["FilterExpression"].as_str().map(parse::condition);
        let (mut items, mut last, mut bytes, mut looked) = (Vec::new(), None, 0, 0);
        for (_, key) in places {
            let Some(item) = self.items.get(key) else { continue };
            if limit.is_some_and(|limit| looked == limit) || bytes > PAGE_BYTES {
                break;
            }
            let seen = index.map(|index| self.seen(index, item));
            let item = seen.as_ref().unwrap_or(item);
            looked += 1;
            bytes += super::write::size(item);
            last = Some(self.place(index, item));
            if filter.as_ref().is_none_or(|filter| words.hold(filter, item)) {
                items.push(projected(item, request));
            }
        }
        let is_whole = looked == places.len() && limit != Some(looked);
        let mut answer = json!({"Items": items, "Count": items.len(), "ScannedCount": looked});
        if let Some(last) = last.filter(|_| !is_whole) {
            answer["LastEvaluatedKey"] = last;
        }
        answer
    }

    /// An item as an index has it.
    fn seen(&self, index: &Index, item: &Item) -> Item {
        let keys = [&self.schema.hash, &self.schema.range, &index.schema.hash, &index.schema.range];
        let is_seen = |name: &&String| keys.contains(name) || index.projected.contains(name.as_str());
        item.iter().filter(|(name, _)| is_seen(name)).map(|(name, v)| (name.clone(), v.clone())).collect()
    }

    /// Where a query stopped.
    fn place(&self, index: Option<&Index>, item: &Item) -> Value {
        let mut keys = vec![&self.schema.hash, &self.schema.range];
        keys.extend(index.into_iter().flat_map(|index| [&index.schema.hash, &index.schema.range]));
        keys.into_iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
    }
}
