//! A transaction: the bank's facts, and what can be told from them.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    ids::{AccountId, PlaidAccountId, TransactionId},
    money::Currency,
};

/// Everything the bank's side says of one transaction. Written by the sync alone.
///
/// The short names are what the redo log and the digest are made of; changing one rewrites every row at its next
/// change, which is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankFacts {
    /// The id it goes by now.
    #[serde(rename = "i")]
    pub id: TransactionId,
    /// The account, as Plaid calls it.
    #[serde(rename = "a")]
    pub account: PlaidAccountId,
    /// The pending transaction that this one replaces, if Plaid linked them.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub pending_of: Option<TransactionId>,
    /// Whether it may still change or vanish.
    #[serde(rename = "w", default, skip_serializing_if = "is_false")]
    pub pending: bool,
    /// Positive leaves the account. `None` only if it could not be read; then `raw` has it.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// The currency of the amount.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// When it happened (pending) or posted. Where no date could be read, the day on which it was first seen; then
    /// `is_undated`.
    #[serde(rename = "d")]
    pub date: Date,
    /// Whether no date of it could be read.
    #[serde(rename = "u", default, skip_serializing_if = "is_false")]
    pub is_undated: bool,
    /// When it was authorized.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub authorized_date: Option<Date>,
    /// The bank's text, lightly cleaned.
    #[serde(rename = "n")]
    pub name: String,
    /// The merchant, if recognised.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub merchant_name: Option<String>,
    /// `online`, `in store`, `other`.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub payment_channel: Option<String>,
    /// Plaid's category.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub category: Option<BankCategory>,
    /// How it was paid, mostly for transfers.
    #[serde(rename = "t", default, skip_serializing_if = "PaymentMeta::is_empty")]
    pub payment_meta: PaymentMeta,
    /// The number of the cheque.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub check_number: Option<String>,
    /// The bank's kind of transaction (`transaction_code`).
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// A picture of the merchant.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// What is rarely read (location, counterparties, times), as the JSON text of one object.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The transaction as it came, when part of it could not be read.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Plaid's category, v1 or v2, as text since values appear unannounced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankCategory {
    /// Such as `FOOD_AND_DRINK`.
    #[serde(rename = "p")]
    pub primary: String,
    /// Such as `FOOD_AND_DRINK_COFFEE`, if the answer had it.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub detailed: Option<String>,
    /// How sure Plaid is.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// `v1` or `v2`.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How it was paid; for transfers between banks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMeta {
    /// The bank's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_number: Option<String>,
    /// The ACH PPD id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppd_id: Option<String>,
    /// Who is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee: Option<String>,
    /// Who ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_order_of: Option<String>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Such as `ACH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// The processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_processor: Option<String>,
    /// The payer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PaymentMeta {
    /// Whether the bank said nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Tells two versions of the bank's facts apart without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 16]);

impl BankFacts {
    /// The digest of these facts. The day on which something was first seen is none of them.
    pub fn digest(&self) -> Digest {
        let json = if self.is_undated {
            serde_json::to_vec(&Self { date: Date::ZERO, ..self.clone() }).unwrap_or_default()
        } else {
            serde_json::to_vec(self).unwrap_or_default()
        };
        let hash = Sha256::digest(&json);
        let mut digest = [0; 16];
        digest.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Digest(digest)
    }

    /// About how many bytes these facts take.
    pub(crate) fn weight(&self) -> usize {
        const NUMBERS_AND_SHORT_TEXTS: usize = 600;
        let texts = [self.detail.as_ref(), self.raw.as_ref(), self.merchant_name.as_ref()];
        NUMBERS_AND_SHORT_TEXTS
            + self.name.len()
            + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }

    /// What a posting without a link is recognised by.
    pub fn signature(&self, account: AccountId) -> Signature {
        Signature { account, amount: self.amount, currency: self.currency.clone(), name: self.name.clone() }
    }
}

/// Account, amount, currency and name: equal for a pending transaction and its posting when Plaid did not link them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Our id of the account.
    pub account: AccountId,
    /// The amount.
    pub amount: Option<Decimal>,
    /// Its currency.
    pub currency: Option<Currency>,
    /// The bank's text.
    pub name: String,
}

/// A calendar month: what the index of transactions is cut by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// Its first day.
    pub fn first_day(self) -> Date {
        Date::new(self.year, self.month, 1).unwrap_or(Date::MIN)
    }

    /// Its last day.
    pub fn last_day(self) -> Date {
        Date::new(self.year, self.month, 1).map_or(Date::MAX, Date::last_of_month)
    }

    /// The month of a date.
    pub fn of(date: Date) -> Self {
        Self { year: date.year(), month: date.month() }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl std::str::FromStr for Month {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse_date(&format!("{text}-01")).map(Self::of).ok_or(())
    }
}

/// Reads `YYYY-MM-DD` and nothing else.
pub fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.year() > 0 && date.to_string() == text).then_some(date)
}

/// A transaction of which only the id and the amount matter.
#[cfg(test)]
pub(crate) fn facts_for_tests(id: &str, cents: i64) -> BankFacts {
    let json = serde_json::json!({"i": id, "a": "account", "m": Decimal::new(cents, 2), "d": "2026-01-01", "n": "Tea"});
    serde_json::from_value(json).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calendar_dates_are_dates() {
        assert!(parse_date("2024-02-29").is_some());
        for text in
            ["2023-02-29", "0000-00-00", "0000-01-01", "2024-2-1", "2024-02-01T00:00:00", "20240201", "", "x"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!("2024-02".parse::<Month>().map(|m| m.to_string()), Ok("2024-02".to_owned()));
        assert!("2024-13".parse::<Month>().is_err());
    }
}
