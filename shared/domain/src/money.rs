//! Money: an exact decimal with its currency. Positive leaves the account, as Plaid has it.

use std::{fmt::Display, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What the amount is counted in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Currency {
    /// An ISO 4217 code.
    #[serde(rename = "i")]
    Iso(String),
    /// A code of Plaid's for what ISO does not name, such as a crypto currency.
    #[serde(rename = "u")]
    Unofficial(String),
}

impl Currency {
    /// Plaid sends two fields of which exactly one is set; with both, the official one counts.
    pub fn from_codes(iso: Option<&str>, unofficial: Option<&str>) -> Option<Self> {
        let named = |code: &&str| !code.is_empty();
        iso.filter(named)
            .map(|code| Self::Iso(code.to_ascii_uppercase()))
            .or_else(|| unofficial.filter(named).map(|code| Self::Unofficial(code.to_owned())))
    }

    /// A currency that ISO 4217 names.
    pub fn from_iso(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code).map(|known| Self::Iso(known.code().to_owned()))
    }

    /// The code alone.
    pub fn code(&self) -> &str {
        match self {
            Self::Iso(code) | Self::Unofficial(code) => code,
        }
    }
}

/// An amount with the decimals that its currency has, and those beyond them that it has itself: 12.40 USD, 1500 JPY. In a
/// currency that ISO 4217 does not name, with as many as it has.
pub fn amount_text(amount: impl Display, currency: Option<&str>) -> String {
    let text = amount.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    let known = currency.and_then(iso_currency::Currency::from_code);
    let least = known.and_then(iso_currency::Currency::exponent).map_or(0, usize::from);
    match format!("{decimals:0<least$}") {
        none if none.is_empty() => whole.to_owned(),
        decimals => format!("{whole}.{decimals}"),
    }
}

/// Reads the text of a JSON number exactly, to the last digit.
///
/// `None` for what is no number or has more digits than 28: a value that would have to be rounded is not read.
pub fn parse_amount(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => {
            (digits, i32::from_str(exponent.strip_prefix('+').unwrap_or(exponent)).ok()?)
        }
        None => (text, 0),
    };
    let plain = shift_point(digits, exponent)?;
    let amount = Decimal::from_str_exact(&plain).ok()?;
    // "-0" is zero: one value, one text.
    Some(if amount.is_zero() { Decimal::ZERO } else { amount.normalize() })
}

/// Writes `digits` × 10^`exponent` without an exponent.
fn shift_point(digits: &str, exponent: i32) -> Option<String> {
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !is_number || exponent.abs() > 64 || unsigned.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let shifted = match usize::try_from(point) {
        Err(_) | Ok(0) => format!("0.{}{all}", "0".repeat(usize::try_from(-point).unwrap_or(0))),
        Ok(point) if point >= all.len() => format!("{all}{}", "0".repeat(point - all.len())),
        Ok(point) => {
            let (left, right) = all.split_at(point);
            format!("{left}.{right}")
        }
    };
    let trimmed = shifted.trim_start_matches('0');
    let plain = if trimmed.is_empty() || trimmed.starts_with('.') {
        format!("0{trimmed}")
    } else {
        trimmed.to_owned()
    };
    let plain = if plain.contains('.') {
        plain.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        plain
    };
    Some(format!("{sign}{plain}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        let cases = [
            ("12.50", "12.5"),
            ("-0.1", "-0.1"),
            ("-0", "0"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("1e2", "100"),
            ("1.25E-3", "0.00125"),
            ("-12.34e1", "-123.4"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("0.00", "0"),
            ("1200.0", "1200"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_amount(text).map(|d| d.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_not_read() {
        let refused = [
            "",
            "NaN",
            "1e400",
            "1e-400",
            "0.00000000000000000000000000001",
            "1.2.3",
            "--1",
            "1e",
            "abc",
            "1.",
            ".5",
        ];
        for text in refused {
            assert_eq!(parse_amount(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_decimal_reads_back(mantissa in -(1_i64 << 60)..(1_i64 << 60), scale in 0_u32..20) {
            let decimal = Decimal::new(mantissa, scale);
            prop_assert_eq!(parse_amount(&decimal.to_string()), Some(decimal));
            prop_assert_eq!(parse_amount(&format!("{mantissa}e-{scale}")), Some(decimal));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_amount(&text);
        }
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (amount, currency, expected) in [
            ("12.4", Some("USD"), "12.40"),
            ("-7", Some("EUR"), "-7.00"),
            ("1500", Some("JPY"), "1500"),
            ("1500.00", Some("JPY"), "1500"),
            ("1.5", Some("KWD"), "1.500"),
            ("0.12345", Some("USD"), "0.12345"),
            ("0", Some("USD"), "0.00"),
            ("0.5", Some("BTC"), "0.5"),
            ("12.40", None, "12.4"),
        ] {
            assert_eq!(amount_text(amount.parse::<Decimal>().unwrap(), currency), expected);
        }
    }

    #[test]
    fn the_official_code_counts_first() {
        assert_eq!(Currency::from_codes(Some("usd"), None), Some(Currency::Iso("USD".into())));
        assert_eq!((Currency::from_iso("ZZZ"), Currency::from_iso("BTC")), (None, None));
        assert_eq!(Currency::from_codes(Some("USD"), Some("BTC")), Some(Currency::Iso("USD".into())));
        assert_eq!(Currency::from_codes(None, Some("BTC")), Some(Currency::Unofficial("BTC".into())));
        assert_eq!(Currency::from_codes(Some(""), None), None);
    }
}
