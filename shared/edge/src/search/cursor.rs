//! Cursors: a place in an order, bound to the question that it belongs to.
//!
//! The check is no secret and keeps nobody out: a cursor gives no access, membership is asked for on every page. It
//! tells a cursor of another question, and one that was damaged, from one that goes on.

use std::fmt::Debug;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ids::fingerprint;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::problem::Problem;

/// The question that a cursor belongs to.
pub struct Binding(String);

#[derive(Serialize, Deserialize)]
struct Wire<T> {
    #[serde(rename = "p")]
    place: T,
    #[serde(rename = "c")]
    check: String,
}

impl Binding {
    /// Everything that makes the question: another list, household, filter or order is another one.
    pub fn new(question: &dyn Debug) -> Self {
        Self(format!("{question:?}"))
    }

    fn check(&self, place: &impl Serialize) -> String {
        let place = serde_json::to_string(place).unwrap_or_default();
        fingerprint(format!("{place} {}", self.0)).chars().take(12).collect()
    }

    /// The cursor of a place.
    pub fn cursor(&self, place: &impl Serialize) -> String {
        let wire = Wire { check: self.check(place), place };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// The place of a cursor, if there is one.
    ///
    /// # Errors
    /// If it is no cursor of this question.
    pub fn place<T: Serialize + DeserializeOwned>(&self, cursor: Option<&str>) -> Result<Option<T>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let wire: Option<Wire<T>> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let place = wire.filter(|wire| wire.check == self.check(&wire.place)).map(|wire| wire.place);
        let refused = || Problem::field("cursor", "is not a cursor of this list with these parameters");
        place.map(Some).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_with_its_own_question_only() {
        let binding = Binding::new(&("list", 1));
        let cursor = binding.cursor(&("2026-01-01", 7));
        assert_eq!(binding.place(Some(&cursor)), Ok(Some(("2026-01-01".to_owned(), 7))));
        assert_eq!(binding.place::<(String, i32)>(None), Ok(None));
        assert!(Binding::new(&("list", 2)).place::<(String, i32)>(Some(&cursor)).is_err());
        for (at, byte) in cursor.bytes().enumerate() {
            let mut damaged = cursor.clone();
            damaged.replace_range(at..=at, if byte == b'A' { "B" } else { "A" });
            let problem = binding.place::<(String, i32)>(Some(&damaged)).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (400, "cursor"), "{at}");
        }
        for wrong in ["", "x", "é", "e30", &"A".repeat(10_000)] {
            assert!(binding.place::<(String, i32)>(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
