//! A sheet of transactions.

use std::borrow::Cow;

use csv::{Terminator, Writer, WriterBuilder};
use domain::{account::Account, category::Tree, item::Item, search::Listed};
use edge::{Problem, transaction::TransactionView};
use serde::Serialize;

const COLUMNS: [&str; 24] = [
    "id",
    "household_id",
    "account_id",
    "date",
    "authorized_date",
    "amount",
    "currency",
    "name",
    "merchant_name",
    "category_id",
    "category",
    "category_type",
    "category_source",
    "pending",
    "manual",
    "hidden",
    "payment_channel",
    "check_number",
    "note",
    "tags",
    "custom_fields",
    "splits",
    "account_name",
    "institution_name",
];

/// What sheets take for the beginning of a formula, blanks in front of it left out; some take the full-width signs too.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
/// Blanks that `char::is_whitespace` does not know, and what shows nothing.
const INVISIBLE: [char; 6] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{ad}'];

/// Rows of CSV, as many as fit.
pub(crate) struct Sheet {
    most: usize,
    /// As a string in JSON, which is what Lambda measures.
    size: usize,
    text: String,
    has_header: bool,
    rows: usize,
}

impl Sheet {
    /// An empty one of so many bytes. The first one has a header, and a byte order mark in front of it if that is wanted.
    pub(crate) fn new(most: usize, has_header: bool, has_bom: bool) -> Result<Self, Problem> {
        let mut sheet = Self { most, size: 0, text: String::new(), has_header, rows: 0 };
        if has_header && has_bom {
            sheet.write("\u{feff}");
        }
        if has_header {
            sheet.write(&line(&COLUMNS.map(Cow::Borrowed))?);
        }
        Ok(sheet)
    }

    pub(crate) fn has_header(&self) -> bool {
        self.has_header
    }

    pub(crate) fn text(self) -> String {
        self.text
    }

    /// Adds a row. False if it has no room any more; the first row always has: else nobody would get past it.
    pub(crate) fn add(
        &mut self,
        listed: Listed,
        account: Option<(&Item, &Account)>,
        tree: &Tree,
    ) -> Result<bool, Problem> {
        let row = row(TransactionView::new(listed, tree), account)?;
        let line = line(&row.map(|cell| Cow::Owned(safe(cell))))?;
        if self.rows > 0 && self.size + size_in_json(&line) > self.most {
            return Ok(false);
        }
        self.rows += 1;
        self.write(&line);
        Ok(true)
    }

    fn write(&mut self, line: &str) {
        self.size += size_in_json(line);
        self.text.push_str(line);
    }
}

fn ours(error: impl std::fmt::Display) -> Problem {
    Problem::new(500, "internal_error", "Something is wrong on our side.").because(error)
}

fn line(cells: &[Cow<'_, str>]) -> Result<String, Problem> {
    let mut writer: Writer<Vec<u8>> =
        WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(ours)?;
    let bytes = writer.into_inner().map_err(ours)?;
    String::from_utf8(bytes).map_err(ours)
}

/// How many bytes a text takes as a string in JSON.
fn size_in_json(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

/// A cell that no sheet takes for a formula: with an apostrophe in front of what would be one. Numbers stay numbers.
fn safe(cell: String) -> String {
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || INVISIBLE.contains(&c);
    let is_formula = cell.trim_start_matches(is_blank).starts_with(FORMULA);
    // Some sheets take a tab or a line's end at the beginning for one as well.
    let is_marked = is_formula || cell.starts_with(['\t', '\r']);
    if is_marked && !is_number(&cell) { format!("'{cell}") } else { cell }
}

fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(fraction)
}

fn row(
    view: TransactionView,
    account: Option<(&Item, &Account)>,
) -> Result<[String; COLUMNS.len()], Problem> {
    let category = view.category.as_ref();
    let tags: Vec<_> = view.tags.iter().map(ToString::to_string).collect();
    Ok([
        view.id.to_string(),
        view.household_id.to_string(),
        view.account_id.to_string(),
        view.date.to_string(),
        view.authorized_date.map(|date| date.to_string()).unwrap_or_default(),
        view.amount.unwrap_or_default(),
        view.currency.unwrap_or_default(),
        view.name,
        view.merchant_name.unwrap_or_default(),
        category.map(|category| category.id.to_string()).unwrap_or_default(),
        category.map(|category| category.name.clone()).unwrap_or_default(),
        category.map(|category| name(&category.kind)).transpose()?.unwrap_or_default(),
        category.map(|category| name(&category.source)).transpose()?.unwrap_or_default(),
        view.pending.to_string(),
        view.manual.to_string(),
        view.hidden.to_string(),
        view.payment_channel.unwrap_or_default(),
        view.check_number.unwrap_or_default(),
        view.note.unwrap_or_default(),
        if tags.is_empty() { String::new() } else { json(&tags)? },
        if view.custom_fields.is_empty() { String::new() } else { json(&view.custom_fields)? },
        if view.splits.is_empty() { String::new() } else { json(&view.splits)? },
        account.map(|(_, account)| account.name().to_owned()).unwrap_or_default(),
        account.and_then(|(item, _)| item.institution_name.clone()).unwrap_or_default(),
    ])
}

fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(ours)
}

/// The name of a value that is one.
fn name(value: &impl Serialize) -> Result<String, Problem> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sheet_would_run_is_marked_and_numbers_stay() {
        for formula in [
            "=1+1",
            "+49 1",
            "-x",
            "@sum",
            "\tx",
            "\rx",
            "-1+1",
            "-",
            "-1.",
            "+1",
            "--1",
            "-1e5",
            "=",
            "-1.2.3",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\u{200b}=1",
            "\n=1",
            "\u{2028}=1",
            " \u{200b} @x",
            "\u{ff1d}1",
            "\u{ff0b}1",
            "\u{ff0d}1",
            "\u{ff20}x",
        ] {
            assert_eq!(safe(formula.to_owned()), format!("'{formula}"), "{formula:?}");
        }
        for plain in ["", "-12.50", "-0", "12", "2026-01-01", "a=b", "'=1", " a", "Zoë - Café"] {
            assert_eq!(safe(plain.to_owned()), plain);
        }
    }

    #[test]
    fn a_line_is_as_rfc_4180_has_it() {
        let cells = ["a,b", "say \"x\"", "two\nlines", "plain", ""].map(Cow::Borrowed);
        assert_eq!(line(&cells).unwrap(), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",plain,\r\n");
    }

    #[test]
    fn the_size_is_that_of_the_text_in_json() {
        for text in ["", "a,b\r\n", "\"x\"\\\t\u{8}\u{c}\u{1}\u{7f}é漢\u{1f600}"] {
            assert_eq!(size_in_json(text) + 2, serde_json::to_string(text).unwrap().len(), "{text:?}");
        }
    }
}
