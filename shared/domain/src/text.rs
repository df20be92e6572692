//! Text that people type: one normal form, one measure of length, one comparison.

use schemars::{Schema, json_schema};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Characters that show nothing and mean nothing by themselves: they are taken out.
const IGNORED: [char; 7] = ['\u{ad}', '\u{34f}', '\u{180e}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{61c}'];
/// Letters and symbols that look like a blank.
const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];
/// Joiners and variation selectors, which belong to the character before them: alone they show nothing.
const JOINING: [char; 4] = ['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];
/// Controls of the direction of writing: they can make a text look like another.
const DIRECTION: [char; 11] = [
    '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
    '\u{2067}', '\u{2068}', '\u{2069}',
];

/// What a pattern of JSON Schema says of a line that [`line`] takes.
const LINE_PATTERN: &str = concat!(
    r"^[^\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]*",
    r"[^\u0000-\u001F\u007F-\u009F\s\u0085\u00AD\u034F\u061C\u115F\u1160\u180E\u200B-\u200F\u2028\u2029\u202A-\u202E",
    r"\u2060\u2066-\u2069\u2800\u3164\uFE0E\uFE0F\uFEFF\uFFA0]",
    r"[^\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]*$"
);

/// What a pattern says of words that [`words`] takes.
const WORDS_PATTERN: &str = concat!(
    r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]*",
    r"[^\u0000-\u001F\u007F-\u009F\s\u0085\u00AD\u034F\u061C\u115F\u1160\u180E\u200B-\u200F\u2028\u2029\u202A-\u202E",
    r"\u2060\u2066-\u2069\u2800\u3164\uFE0E\uFE0F\uFEFF\uFFA0]",
    r"[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]*$"
);

fn is_blank(c: char) -> bool {
    c.is_whitespace() || BLANK.contains(&c)
}

/// A line as it is kept: of 1 to `max` characters, in NFC, without blanks around it and without what shows nothing. `None`
/// if nothing of it can be seen, it is longer, or it has control characters or controls of direction.
pub fn line(text: &str, max: usize) -> Option<String> {
    let text = text.trim_matches(|c| is_blank(c) || IGNORED.contains(&c));
    let is_wrong = |c: char| c.is_control() || DIRECTION.contains(&c);
    if text.chars().count() > max || text.chars().any(is_wrong) {
        return None;
    }
    visible(text)
}

/// Words as they are kept: as [`line`], with line breaks and tabs.
pub fn words(text: &str, max: usize) -> Option<String> {
    let is_wrong = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || DIRECTION.contains(&c);
    let text = text.trim_matches(|c| is_blank(c) || IGNORED.contains(&c));
    if text.chars().count() > max || text.chars().any(is_wrong) {
        return None;
    }
    visible(text)
}

fn visible(text: &str) -> Option<String> {
    let kept: String = text.nfc().filter(|c| !IGNORED.contains(c)).collect();
    kept.chars().any(|c| !is_blank(c) && !JOINING.contains(&c)).then_some(kept)
}

/// The schema of a line of up to `max` characters.
pub fn line_schema(max: usize) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": LINE_PATTERN})
}

/// The schema of words of up to `max` characters.
pub fn words_schema(max: usize) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": WORDS_PATTERN})
}

/// What names are compared by: two texts that look the same but for case have the same.
pub fn folded(text: &str) -> String {
    settle(text, fold)
}

/// What texts are searched by: as [`folded`], without accents too.
pub fn bare(text: &str) -> String {
    settle(text, |text| {
        let folded = fold(text);
        if folded.is_ascii() {
            folded
        } else {
            folded.nfd().filter(|c| !is_combining_mark(*c)).nfc().collect()
        }
    })
}

/// A step until it changes nothing: what one character becomes may have to be folded again.
fn settle(text: &str, step: impl Fn(&str) -> String) -> String {
    const MAX_STEPS: usize = 8;
    let mut text = step(text);
    for _ in 1..MAX_STEPS {
        let next = step(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn fold(text: &str) -> String {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_ascii() {
        return words(&text.to_ascii_lowercase()).replace('`', "'");
    }
    let is_kept = |c: &char| !IGNORED.contains(c) && !JOINING.contains(c) && !DIRECTION.contains(c);
    // The lower case of the upper case: a final sigma is a sigma, and a sharp s is two.
    let folded = text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).map(plain);
    words(&folded.filter(is_kept).nfkc().collect::<String>())
}

/// One dash, one quote and one blank for all that look like them.
fn plain(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\u{2018}'..='\u{201b}' | '\u{2bc}' | '\u{2032}' | '\u{b4}' | '`' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => '"',
        c if is_blank(c) => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_trimmed_and_in_one_normal_form() {
        for (typed, kept) in [
            (" food ", "food"),
            ("\u{a0}food\u{3000}", "food"),
            ("Cafe\u{301}", "Café"),
            ("Fo\u{200b}od", "Food"),
            ("\u{feff}Food", "Food"),
            ("👨‍👩‍👧", "👨‍👩‍👧"),
            ("می‌خواهم", "می‌خواهم"),
        ] {
            assert_eq!(line(typed, 24).as_deref(), Some(kept), "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_or_deceives_is_no_line() {
        for wrong in [
            "",
            " ",
            "\u{200b}",
            "\u{2800}",
            "\u{3164}",
            "\u{200d}",
            "\u{fe0f}",
            "a\nb",
            "a\u{0}b",
            "\u{202e}abc",
            "a\u{2066}b",
            "\u{9b}",
        ] {
            assert_eq!(line(wrong, 24), None, "{wrong:?}");
        }
        assert!(line(&"日".repeat(24), 24).is_some() && line(&"日".repeat(25), 24).is_none());
        assert_eq!(words(" a\nb\t ", 5).as_deref(), Some("a\nb"));
        assert_eq!(words("a\u{0}", 5), None);
    }

    #[test]
    fn what_looks_the_same_is_compared_as_the_same() {
        for (one, other) in [
            ("Food", "fOOD"),
            ("Food", "Ｆｏｏｄ"),
            ("Café", "CAFE\u{301}"),
            ("Straße", "STRASSE"),
            ("ΝΙΚΟΣ", "νικος"),
            ("it’s", "it's"),
            ("a – b", "a - b"),
            ("“x”", "\"x\""),
            ("a\u{a0} b", "a b"),
            ("Fo\u{200b}od", "food"),
        ] {
            assert_eq!(folded(one), folded(other), "{one:?} {other:?}");
        }
        assert_ne!(folded("Café"), folded("Cafe"));
        assert_eq!(bare("ΚΑΦΕΣ ΝΊΚΟΣ"), bare("καφές νίκος"));
        assert_eq!(bare("İstanbul"), "istanbul");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn normal_forms_stay_as_they_are(text: String, max in 1_usize..40) {
            for kept in [line(&text, max), words(&text, max)].into_iter().flatten() {
                prop_assert_eq!(words(&kept, usize::MAX), Some(kept.clone()));
            }
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
            let once = bare(&text);
            prop_assert_eq!(bare(&once), once);
        }
    }
}
