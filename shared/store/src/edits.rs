//! A person's half of a transaction, and the halves that have lost theirs.

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use domain::{
    edit::{
        Change as UserChange, Edited, FieldValue, Orphan, Orphans, Part, Splits, TransactionEdits, UserHalf,
    },
    ids::{FieldName, ItemRef, TransactionId},
    store::StoreError,
};

use crate::{
    Store,
    encode::map,
    keys,
    outcome::unavailable,
    row::{Change, Reader, Row, key, number, text, texts},
    transactions::{account_of, transaction_id},
};

/// How often an edit starts over because a sync or another person was at the row.
const TRIES: usize = 8;
/// Aliases on the way to a row: one, or two while rows are being joined.
const HOPS: usize = 3;
/// Nobody has written since, and the transaction is still there.
const FIRST: &str = "attribute_exists(id) AND attribute_not_exists(ur)";
const LATER: &str = "attribute_exists(id) AND ur = :read";

#[async_trait]
impl TransactionEdits for Store {
    async fn edit(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        change: &UserChange,
        if_rev: Option<u64>,
    ) -> Result<Edited, StoreError> {
        let mut intended: Option<UserHalf> = None;
        for _ in 0..TRIES {
            let Some((key, row)) = self.read_followed(at, id).await? else { return Ok(Edited::NotFound) };
            let stored = user_half(Reader(&row))?;
            // The answer of our own write was lost: this is what it wrote.
            if let Some(half) = intended.take_if(|half| *half == stored) {
                return Ok(Edited::Done { key, half });
            }
            if !row.contains_key("id") {
                return Ok(Edited::NotFound);
            }
            if if_rev.is_some_and(|rev| rev != stored.rev) {
                return Ok(Edited::Stale(stored));
            }
            let read = stored.rev;
            let half = stored.with(change);
            if !half.fits() {
                return Ok(Edited::TooMuch);
            }
            match self.write_half(at, &key, read, &half).await {
                Ok(true) => return Ok(Edited::Done { key, half }),
                Ok(false) | Err(StoreError::Busy) => intended = Some(half),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

impl Store {
    /// A person's half, by any id that the transaction has had.
    pub async fn half(&self, at: &ItemRef, id: &TransactionId) -> Result<Option<UserHalf>, StoreError> {
        let Some((_, row)) = self.read_followed(at, id).await? else { return Ok(None) };
        user_half(Reader(&row)).map(Some)
    }

    /// The row that an id leads to, with its key.
    async fn read_followed(
        &self,
        at: &ItemRef,
        id: &TransactionId,
    ) -> Result<Option<(TransactionId, Row)>, StoreError> {
        let mut id = id.clone();
        for _ in 0..HOPS {
            let get = self
                .client
                .get_item()
                .table_name(&self.data)
                .set_key(Some(key(keys::transactions(at), keys::transaction(&id))))
                .consistent_read(true);
            let row = get.send().await.map_err(|error| unavailable(&error))?.item;
            let Some(row) = row else { return Ok(None) };
            match Reader(&row).maybe_parsed("of") {
                Some(of) => id = of,
                None => return Ok(Some((id, row))),
            }
        }
        Ok(None)
    }

    /// False if somebody was faster, or the transaction is no more.
    async fn write_half(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        read: u64,
        half: &UserHalf,
    ) -> Result<bool, StoreError> {
        let mut change = encode(half);
        if read > 0 {
            change.value("read", number(read));
        }
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::transactions(at), keys::transaction(id))))
            .update_expression(expression)
            .condition_expression(if read > 0 { LATER } else { FIRST })
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(unavailable(&error)),
            },
        }
    }
}

fn encode(half: &UserHalf) -> Change {
    let tags = half.tags.iter().map(ToString::to_string).collect::<Vec<_>>();
    let fields: Row = half.fields.iter().map(|(name, value)| (name.to_string(), field(value))).collect();
    let mut change = Change::default();
    change
        .set("ur", number(half.rev))
        .put("uc", half.category.as_ref().map(|category| text(category.as_str())))
        .put("un", half.note.as_ref().map(|note| text(note.as_str())))
        .put("ut", (!tags.is_empty()).then(|| texts(tags)))
        .put("uf", (!fields.is_empty()).then_some(AttributeValue::M(fields)))
        .put("uh", half.hidden.then_some(AttributeValue::Bool(true)))
        .put(
            "us",
            half.splits.as_ref().map(|splits| AttributeValue::L(splits.parts().iter().map(part).collect())),
        )
        .put("ux", half.splits.as_ref().map(|splits| number(splits.of())));
    change
}

fn part(part: &Part) -> AttributeValue {
    map([
        ("a", Some(number(part.amount))),
        ("c", part.category.as_ref().map(|category| text(category.as_str()))),
        ("n", part.note.as_ref().map(|note| text(note.as_str()))),
    ])
}

/// The parts of a row, and what they add up to.
fn read_splits(row: Reader<'_>) -> Result<Option<Splits>, StoreError> {
    let Some(of) = row.decimal("ux") else { return Ok(None) };
    let parts = row.maps("us").map(|part| {
        let amount = part.decimal("a")?;
        Some(Part { amount, category: part.maybe_parsed("c"), note: part.maybe_parsed("n") })
    });
    let parts = parts.collect::<Option<Vec<_>>>().ok_or(StoreError::Corrupt("us"))?;
    Splits::new(of, parts).map(Some).map_err(|_bad| StoreError::Corrupt("us"))
}

/// A day is told from a text by its first character.
fn field(value: &FieldValue) -> AttributeValue {
    match value {
        FieldValue::Text(note) => text(format!("t{}", note.as_str())),
        FieldValue::Date(date) => text(format!("d{date}")),
        FieldValue::Number(number_) => number(number_),
        FieldValue::Flag(flag) => AttributeValue::Bool(*flag),
    }
}

fn read_field(stored: &AttributeValue) -> Option<FieldValue> {
    match stored {
        AttributeValue::S(marked) => match (marked.get(..1)?, marked.get(1..)?) {
            ("t", note) => note.parse().ok().map(FieldValue::Text),
            ("d", date) => date.parse().ok().map(FieldValue::Date),
            _ => None,
        },
        AttributeValue::N(number) => domain::money::parse_amount(number).map(FieldValue::Number),
        AttributeValue::Bool(flag) => Some(FieldValue::Flag(*flag)),
        _ => None,
    }
}

/// The person's half of a row; an empty one if nobody has written on it.
pub(crate) fn user_half(row: Reader<'_>) -> Result<UserHalf, StoreError> {
    let mut half = UserHalf {
        rev: row.maybe_number("ur").unwrap_or_default(),
        category: row.maybe_parsed("uc"),
        note: row.maybe_parsed("un"),
        tags: row.set("ut"),
        hidden: row.flag("uh"),
        splits: read_splits(row)?,
        ..UserHalf::default()
    };
    if let Some(fields) = row.map("uf") {
        for (name, value) in fields.0 {
            let name: FieldName = name.parse().map_err(|_bad| StoreError::Corrupt("uf"))?;
            half.fields.insert(name, read_field(value).ok_or(StoreError::Corrupt("uf"))?);
        }
    }
    Ok(half)
}

#[async_trait]
impl Orphans for Store {
    async fn orphans(&self, at: &ItemRef) -> Result<Vec<Orphan>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("attribute_exists(ur) AND attribute_not_exists(id)")
            .expression_attribute_values(":pk", text(keys::transactions(at)))
            .expression_attribute_values(":sk", text("T#"));
        let rows = self.all(query).await?;
        rows.iter().map(|row| orphan(at, Reader(row))).collect()
    }
}

fn orphan(at: &ItemRef, row: Reader<'_>) -> Result<Orphan, StoreError> {
    Ok(Orphan {
        key: transaction_id(row)?,
        half: user_half(row)?,
        account: account_of(at, row),
        amount: row.decimal("am"),
        date: row.maybe_parsed("dt"),
        name: row.owned("nm"),
    })
}
