//! The table of `docs/plaid-errors.md`, for the tests that walk it.

/// One row: what a refusal does at each place.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Plaid's code; an unknown one for a row of a type.
    pub code: String,
    /// Plaid's type, if the row is one of a type.
    pub error_type: Option<String>,
    /// Whether the message names the cursor.
    pub names_cursor: bool,
    /// What a sync does: at the first page, at a later one, at the list of accounts.
    pub sync: [String; 3],
    /// Status and code of the exchange's problem.
    pub exchange: (u16, String),
    /// The item's health, and what a person does next.
    pub health: (String, String),
}

/// A code that Plaid does not have.
const UNKNOWN: &str = "BRAND_NEW_CODE";
/// A table that shrank below this was not read.
const MIN_REFUSALS: usize = 30;

/// All rows, one for each code.
pub fn refusals() -> Vec<Refusal> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plaid-errors.md");
    let text = std::fs::read_to_string(file).expect("docs/plaid-errors.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| codes |")).skip(2);
    let refusals: Vec<_> = rows.take_while(|line| line.starts_with('|')).flat_map(read).collect();
    assert!(refusals.len() > MIN_REFUSALS, "the table has {} codes", refusals.len());
    refusals
}

fn read(line: &str) -> Vec<Refusal> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [codes, first, later, accounts, exchange, health, next, _] = cells[..] else {
        panic!("a row of eight cells: {line}")
    };
    let plain = |text: &str| text.trim_matches('`').to_owned();
    let (status, problem) = exchange.split_once(' ').expect("status and code");
    let refusal = |code: String, error_type: Option<&str>| Refusal {
        code,
        error_type: error_type.map(plain),
        names_cursor: codes.contains("names the cursor"),
        sync: [first, later, accounts].map(str::to_owned),
        exchange: (status.parse().expect("a status"), plain(problem)),
        health: (plain(health), plain(next)),
    };
    if let Some(other) = codes.strip_prefix("any other code") {
        let error_type = other.strip_prefix(" of type ").unwrap_or("`BRAND_NEW_TYPE`");
        return vec![refusal(UNKNOWN.to_owned(), Some(error_type))];
    }
    // Every second part stands between backquotes.
    codes.split('`').skip(1).step_by(2).map(|code| refusal(code.to_owned(), None)).collect()
}
