//! Text that people type: one normal form, one measure of length, one comparison.

use schemars::{Schema, json_schema};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Letters and symbols that look like a blank.
const BLANK: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// Characters of a pattern of JSON Schema: controls and those of the direction of writing.
const REFUSED: &str = r"\u0000-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069";
/// The same, without line breaks and tabs.
const REFUSED_IN_WORDS: &str =
    r"\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069";
/// Characters that show nothing by themselves.
const UNSEEN: &str = concat!(
    r"\s\u0085\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028\u2029\u2060-\u206F\u2800",
    r"\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB"
);

fn is_blank(c: char) -> bool {
    c.is_whitespace() || BLANK.contains(&c)
}

/// Whether a character shows nothing and means nothing by itself: it is taken out.
/// <https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>
fn is_ignored(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
    )
}

/// Whether a character belongs to the one before it: joiners, variation selectors and tags. Alone it shows nothing.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character turns the direction of writing, by which a text can look like another.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line as it is kept: of 1 to `max` characters, in NFC, without blanks around it and without what shows nothing. `None`
/// if nothing of it can be seen, it is longer, or it has controls, those of the direction of writing among them.
pub fn line(text: &str, max: usize) -> Option<String> {
    kept(text, max, char::is_control)
}

/// Words as they are kept: as [`line`], with line breaks and tabs.
pub fn words(text: &str, max: usize) -> Option<String> {
    kept(text, max, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn kept(text: &str, max: usize, is_wrong: impl Fn(char) -> bool) -> Option<String> {
    let seen: String = text.chars().filter(|c| !is_ignored(*c)).collect();
    let kept: String = seen.trim_matches(is_blank).nfc().collect();
    let is_seen = kept.chars().any(|c| !is_blank(c) && !is_joining(c));
    // What is typed may be shorter than its normal form: both have to fit.
    let fits = kept.chars().count() <= max;
    let is_plain = !kept.chars().any(|c| is_wrong(c) || is_turning(c));
    (is_seen && fits && is_plain).then_some(kept)
}

/// The schema of a line of up to `max` characters.
pub fn line_schema(max: usize) -> Schema {
    schema(max, REFUSED)
}

/// The schema of words of up to `max` characters.
pub fn words_schema(max: usize) -> Schema {
    schema(max, REFUSED_IN_WORDS)
}

fn schema(max: usize, refused: &str) -> Schema {
    let pattern = format!("^[^{refused}]*[^{REFUSED}{UNSEEN}][^{refused}]*$");
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern})
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
    if text.is_ascii() {
        return text;
    }
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
        return words(&text.to_ascii_lowercase().replace('`', "'"));
    }
    let is_kept = |c: &char| !is_ignored(*c) && !is_joining(*c) && !is_turning(*c);
    let plain: String = text.chars().filter(is_kept).map(plain).collect();
    // The lower case of the upper case: a final sigma is a sigma, and a sharp s is two.
    let folded = plain.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    words(&folded.nfkc().collect::<String>())
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
            ("\u{200f}שלום", "שלום"),
            ("e\u{34f}\u{301}", "é"),
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
        // The normal form of these has two characters.
        assert!(line(&"\u{958}".repeat(12), 24).is_some() && line(&"\u{958}".repeat(13), 24).is_none());
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
            ("JOE´S", "joe's"),
            ("5″", "5\""),
            ("Food\u{2063}", "food"),
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
            for read in [line, words] {
                if let Some(kept) = read(&text, max) {
                    prop_assert_eq!(read(&kept, max), Some(kept));
                }
            }
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
            let once = bare(&text);
            prop_assert_eq!(bare(&once), once);
        }
    }
}
