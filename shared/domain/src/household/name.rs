//! What people call a household.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text;

const LONGEST: usize = 100;

/// The name of a household: 1 to 100 characters, as [`text::line`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdName(String);

/// A text that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a name of 1 to 100 characters that can be seen, without control characters")]
pub struct NameError;

impl HouseholdName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HouseholdName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text::line(text, LONGEST).map(Self).ok_or(NameError)
    }
}

impl fmt::Display for HouseholdName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HouseholdName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HouseholdName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HouseholdName {
    fn schema_name() -> Cow<'static, str> {
        "HouseholdName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text::line_schema(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        let parse = |text: &str| text.parse::<HouseholdName>().map(|name| name.to_string());
        assert_eq!(parse("  Haus am See \n").as_deref(), Ok("Haus am See"));
        let longest = "é".repeat(100);
        assert_eq!(parse(&longest), Ok(longest.clone()));
        for wrong in ["", " \t ", "a\u{0}b", "a\nb", "\u{9b}", &"é".repeat(101)] {
            assert_eq!(parse(wrong), Err(NameError), "{wrong:?}");
        }
    }
}
