//! Words that are looked for, without regard to case and accents.

use std::str::FromStr;

use crate::{ids::IdError, text::bare};

/// The words of a search: all of them have to be there, in whatever order, each within one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

const LONGEST: usize = 100;
const MUST: &str = "1 to 100 characters that are not all spaces and accents";

impl FromStr for Words {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let words: Vec<_> = bare(text).split_whitespace().map(str::to_owned).collect();
        if words.is_empty() || text.chars().count() > LONGEST {
            return Err(IdError::new(MUST));
        }
        Ok(Self(words))
    }
}

impl Words {
    /// Whether each of the words is a part of one of the texts.
    pub fn are_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let texts: Vec<_> = texts.into_iter().map(bare).collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

/// Whether two texts are the same but for case and accents.
pub(super) fn are_same(left: &str, right: &str) -> bool {
    left == right || bare(left) == bare(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        let cases = [
            ("CAFÉ Zürich", "cafe zurich"),
            ("Cafe\u{301}", "cafe"),
            ("İstanbul", "istanbul"),
            ("ﬁle ℌ ①", "file h 1"),
            ("Ǆ", "dz"),
            ("Straße", "strasse"),
            ("ПОЧТА Й", "почта и"),
            ("東京 ﾄｳｷｮｳ", "東京 トウキョウ"),
        ];
        for (text, expected) in cases {
            assert_eq!(bare(text), expected, "{text}");
            assert_eq!(bare(expected), expected, "{text} twice");
        }
    }

    #[test]
    fn all_words_have_to_be_there() {
        let words = |text: &str| text.parse::<Words>().unwrap();
        let texts = ["Café Zürich", "lunch with Zoë"];
        for found in ["cafe", "ZURICH", "zoe café", "  af ric ", "lunch"] {
            assert!(words(found).are_in(texts), "{found}");
        }
        for (found, text) in
            [("νίκος", "ΚΑΦΕΣ ΝΙΚΟΣ"), ("joe's", "JOE’S PIZZA"), ("a–b", "A-B"), ("“x”", "\"x\"")]
        {
            assert!(words(found).are_in([text]), "{found} in {text}");
        }
        for missing in ["cafe bern", "zürich lunches", "cafézürich"] {
            assert!(!words(missing).are_in(texts), "{missing}");
        }
    }

    #[test]
    fn words_have_a_bound() {
        assert!("é".repeat(100).parse::<Words>().is_ok());
        for wrong in ["", " \t ", "\u{301}", &"x".repeat(101)] {
            assert!(wrong.parse::<Words>().is_err(), "{wrong:?}");
        }
    }
}
