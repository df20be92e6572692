//! A person's half of a row.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    edit::{FieldValue, Part, Splits, UserHalf},
    ids::FieldName,
    store::StoreError,
};

use crate::{
    encode::map,
    row::{Change, Reader, Row, number, text, texts},
};

/// What a person's half consists of.
pub(crate) const HALF: [&str; 8] = ["ur", "uc", "un", "ut", "uf", "uh", "us", "ux"];

/// A person's half, all of it: what nobody says is taken away.
pub(super) fn encode(half: &UserHalf) -> Change {
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

/// Whether what people wrote on a row was written on another transaction than the one that it carries: a guess brought that
/// one here (`gu`), and nobody has written on it since (`gk` is what it carried when somebody did).
pub(crate) fn is_guessed(row: Reader<'_>) -> bool {
    let written_on = || row.maybe_text("gk").or_else(|| row.maybe_text("sk")?.strip_prefix("T#"));
    row.flag("gu") && row.has("id") && row.maybe_text("id") != written_on()
}

/// The person's half of a row; an empty one if nobody has written on it.
pub(crate) fn user_half(row: Reader<'_>) -> Result<UserHalf, StoreError> {
    let mut half = UserHalf {
        rev: row.maybe_number("ur").unwrap_or_default(),
        category: row.maybe_parsed("uc"),
        note: row.maybe_parsed("un"),
        tags: row.set("ut"),
        // What was hidden was another transaction.
        hidden: row.flag("uh") && !is_guessed(row),
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
