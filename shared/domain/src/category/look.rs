//! What a category looks like: its name, colour and icon.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text;

const LONGEST_NAME: usize = 60;
const LONGEST_ICON: usize = 40;
const COLOUR: usize = 7;

/// A text that does not say what a category looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {0}")]
pub struct LookError(&'static str);

/// The name of a category: 1 to 60 characters, as [`text::line`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryName(String);

impl FromStr for CategoryName {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let must = "a name of 1 to 60 characters that can be seen, without control characters";
        text::line(text, LONGEST_NAME).map(Self).ok_or(LookError(must))
    }
}

impl CategoryName {
    /// What names are compared by.
    pub(crate) fn folded(&self) -> String {
        text::folded(&self.0)
    }
}

/// A colour: `#RRGGBB`, in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colour(String);

impl FromStr for Colour {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        match digits {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                Ok(Self(text.to_ascii_uppercase()))
            }
            _ => Err(LookError("a colour such as #1F77B4")),
        }
    }
}

/// The name of a picture. What it looks like is up to the app, which shows another for one that it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon(String);

impl FromStr for Icon {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let is_of_icon = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > LONGEST_ICON || !text.bytes().all(is_of_icon) {
            return Err(LookError("the name of an icon: 1 to 40 of a to z, 0 to 9 and -"));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! as_text {
    ($name:ident, $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Of a text in our own set, which a test has parsed.
            pub(super) fn known(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn plain_schema(max: usize, pattern: &str) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern})
}

as_text!(CategoryName, text::line_schema(LONGEST_NAME));
as_text!(Colour, plain_schema(COLOUR, "^#[0-9A-Fa-f]{6}$"));
as_text!(Icon, plain_schema(LONGEST_ICON, "^[a-z0-9-]+$"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        let parse = |text: &str| text.parse::<CategoryName>().map(|name| name.to_string());
        assert_eq!(parse("  Essen & Trinken \n").as_deref(), Ok("Essen & Trinken"));
        let longest = "é".repeat(60);
        assert_eq!(parse(&longest), Ok(longest.clone()));
        for wrong in ["", " \t ", "a\u{0}b", "a\nb", "\u{9b}", &"é".repeat(61)] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_colour_has_six_digits() {
        assert_eq!("#1f77b4".parse::<Colour>().unwrap().as_str(), "#1F77B4");
        for wrong in ["", "#", "1F77B4", "#1F77B", "#1F77B4A", "#1F77G4", "#1F7é4", "red", " #1F77B4"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_icon_is_a_plain_name() {
        assert!("piggy-bank2".parse::<Icon>().is_ok() && "x".repeat(40).parse::<Icon>().is_ok());
        for wrong in ["", "A", "a b", "a_b", "<svg>", "é", &"x".repeat(41)] {
            assert!(wrong.parse::<Icon>().is_err(), "{wrong:?}");
        }
    }
}
