//! What fields of a body are read as: each with its bound, which its error names.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use domain::{
    edit::Note,
    money::{Currency, parse_amount},
    sync::Edit,
    text,
    transaction::parse_date,
};
use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

/// A field that may be left out, and that `null` takes away.
///
/// # Errors
/// If there is something else.
pub fn edit<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Edit<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Edit::Clear, Edit::Set))
}

/// A field that may be left out, but is not null.
///
/// # Errors
/// If there is something else.
pub fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Takes away the `null` that a description would have as the default of a field that may be left out, but is not null.
pub fn without_default(schema: &mut Schema) {
    schema.remove("default");
}

/// A type that is read from a text, and described beside it.
macro_rules! from_text {
    ($name:ty, $read:expr, $must:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $read(text.as_str()).ok_or_else(|| D::Error::custom(format_args!("must be {}", $must)))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// An exact number in text. So short that whatever is written can be kept: 28 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecimalText(pub Decimal);

/// Digits before the point, after it, and characters in all.
const WHOLE: usize = 15;
const FRACTION: usize = 18;
const LONGEST_DECIMAL: usize = 29;

fn decimal(text: &str) -> Option<DecimalText> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_run =
        |run: &str, most| (1..=most).contains(&run.len()) && run.bytes().all(|digit| digit.is_ascii_digit());
    let fits = text.len() <= LONGEST_DECIMAL && is_run(whole, WHOLE);
    (fits && fraction.is_none_or(|fraction| is_run(fraction, FRACTION))).then_some(())?;
    parse_amount(text).map(DecimalText)
}

from_text!(
    DecimalText,
    decimal,
    "a decimal in text, such as \"-12.34\": 15 digits before the point and 18 after it at most, 29 characters in all",
    {
        "type": "string",
        "description": "An exact decimal.",
        "maxLength": LONGEST_DECIMAL,
        "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,18})?$",
    }
);

/// A day that something may have happened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub Date);

fn day(text: &str) -> Option<Day> {
    let date = parse_date(text)?;
    (1900..=2199).contains(&date.year()).then_some(Day(date))
}

from_text!(Day, day, "a date from 1900-01-01 to 2199-12-31, YYYY-MM-DD", {
    "type": "string",
    "format": "date",
    "pattern": r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$",
});

/// A currency by its code of ISO 4217.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencyCode(pub Currency);

fn currency(text: &str) -> Option<CurrencyCode> {
    Currency::from_iso(text).map(CurrencyCode)
}

from_text!(CurrencyCode, currency, "a currency's code of ISO 4217, such as EUR", {
    "type": "string",
    "pattern": "^[A-Z]{3}$",
});

/// A few words in one line, as [`text::line`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MOST: usize>(pub String);

impl<'de, const MOST: usize> Deserialize<'de> for Line<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let must =
            || D::Error::custom(format_args!("must be 1 to {MOST} characters that can be seen, in one line"));
        text::line(&text, MOST).map(Self).ok_or_else(must)
    }
}

impl<const MOST: usize> JsonSchema for Line<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Line{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text::line_schema(MOST)
    }
}

/// Words of some length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words<const MOST: usize>(pub Note);

impl<'de, const MOST: usize> Deserialize<'de> for Words<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let words = text::words(&text, MOST).and_then(|words| words.parse().ok());
        let must =
            || D::Error::custom(format_args!("must be a text of 1 to {MOST} characters that can be seen"));
        words.map(Self).ok_or_else(must)
    }
}

impl<const MOST: usize> JsonSchema for Words<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Words{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text::words_schema(MOST)
    }
}

/// Values by name, each name once, and so many at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByName<K, V, const MOST: usize>(pub BTreeMap<K, V>);

impl<K, V, const MOST: usize> Default for ByName<K, V, MOST> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, K, V, const MOST: usize> Deserialize<'de> for ByName<K, V, MOST>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce::<K, V, MOST>(PhantomData))
    }
}

/// A map would take the last of two with one name.
struct EachOnce<K, V, const MOST: usize>(PhantomData<(K, V)>);

impl<'de, K, V, const MOST: usize> Visitor<'de> for EachOnce<K, V, MOST>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    type Value = ByName<K, V, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {MOST} fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((name, value)) = fields.next_entry()? {
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("must have each name once"));
            }
            if all.len() > MOST {
                return Err(A::Error::custom(format_args!("must have at most {MOST} fields")));
            }
        }
        Ok(ByName(all))
    }
}

impl<K: JsonSchema, V: JsonSchema, const MOST: usize> JsonSchema for ByName<K, V, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (names, values) = (generator.subschema_for::<K>(), generator.subschema_for::<V>());
        json_schema!({
            "type": "object",
            "propertyNames": names,
            "additionalProperties": values,
            "maxProperties": MOST,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_decimal_is_kept_to_the_last_digit_or_refused() {
        let decimal = |text: &str| read::<DecimalText>(&format!("\"{text}\"")).map(|read| read.0.to_string());
        for (text, expected) in [
            ("-12.340", "-12.34"),
            ("0", "0"),
            ("-0.0", "0"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("999999999999999.9999999999999", "999999999999999.9999999999999"),
            ("9999999999.999999999999999999", "9999999999.999999999999999999"),
        ] {
            assert_eq!(decimal(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "-",
            ".5",
            "1.",
            "1.2.3",
            "+1",
            "1e2",
            "1e400",
            "NaN",
            "Infinity",
            " 1",
            "1,2",
            "0x1",
            "١",
            "0.0000000000000000001",
            "1000000000000000",
            "999999999999999.99999999999999",
        ] {
            assert!(decimal(wrong).unwrap_err().contains("18 after it"), "{wrong}");
        }
        for wrong in ["12", "1.5", "null", "[]"] {
            assert!(read::<DecimalText>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_a_day_of_this_age() {
        assert_eq!(read::<Day>("\"2024-02-29\"").unwrap().0, jiff::civil::date(2024, 2, 29));
        for wrong in ["0000-00-00", "2023-02-29", "2026-02-30", "1899-12-31", "2200-01-01", "20260101", ""] {
            assert!(read::<Day>(&format!("\"{wrong}\"")).unwrap_err().contains("1900-01-01"), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_trimmed_and_bounded() {
        let line = |text: &str| read::<Line<5>>(&serde_json::json!(text).to_string()).map(|line| line.0);
        assert_eq!((line("  tea "), line("ééééé")), (Ok("tea".to_owned()), Ok("ééééé".to_owned())));
        for wrong in ["", "  ", "a\nb", "a\u{0}", "longer"] {
            assert!(line(wrong).is_err(), "{wrong:?}");
        }
        assert!(read::<Words<5>>("\"a\\nb\"").is_ok() && read::<Words<5>>("\"éééééé\"").is_err());
        assert!(read::<CurrencyCode>("\"EUR\"").is_ok() && read::<CurrencyCode>("\"eur\"").is_err());
    }

    #[test]
    fn a_name_stands_once() {
        type Fields = ByName<String, Option<u8>, 2>;
        assert_eq!(read::<Fields>(r#"{"a":1,"b":null}"#).unwrap().0.len(), 2);
        assert!(read::<Fields>(r#"{"a":1,"a":2}"#).unwrap_err().contains("once"));
        assert!(read::<Fields>(r#"{"a":1,"b":2,"c":3}"#).unwrap_err().contains("at most 2"));
    }
}
