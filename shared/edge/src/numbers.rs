//! Numbers of bodies.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Number;

/// A whole number, which JSON may write as `7`, `7.0` or `70e-1`: `#[serde(default, deserialize_with = "whole")]`.
///
/// # Errors
/// When it is none, or larger than a `u32` or less than 0.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits.parse().map(Some).map_err(|_not_whole| D::Error::custom("must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Example {
        #[serde(default, deserialize_with = "whole")]
        count: Option<u32>,
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let read =
            |text: &str| serde_json::from_str::<Example>(&format!("{{{text}}}")).map(|read| read.count);
        for seven in ["7", "7.0", "70e-1", "0.7e1"] {
            assert_eq!(read(&format!("\"count\":{seven}")).unwrap(), Some(7), "{seven}");
        }
        assert_eq!((read("").unwrap(), read("\"count\":null").unwrap()), (None, None));
        for wrong in ["7.5", "-1", "-1.0", "4294967296", "1e400", "1e30", "\"7\"", "true"] {
            assert!(read(&format!("\"count\":{wrong}")).is_err(), "{wrong}");
        }
    }
}
