//! Rows of the index of months, as lists show them.

use domain::{
    ids::{AccountId, HouseholdId, ItemId},
    search::{Listed, Position},
    store::StoreError,
    transaction::{BankCategory, PaymentMeta},
};

use crate::{
    edits::{is_guessed, user_half},
    encode,
    row::{Reader, Row},
};

/// The place in an order by date that a row of the index, or a key of it, has.
pub(super) fn key_position(household: &HouseholdId, row: &Row) -> Result<Position, StoreError> {
    let place = Reader(row).text("ms")?;
    let (date, id) = place.split_once('#').ok_or(StoreError::Corrupt("ms"))?;
    Ok(Position {
        amount: None,
        date: date.parse().map_err(|_bad| StoreError::Corrupt("ms"))?,
        transaction: id.parse().map_err(|_bad| StoreError::Corrupt("ms"))?,
        household: household.clone(),
    })
}

/// The transaction of a row of the index.
pub(crate) fn listed(household: &HouseholdId, row: &Row) -> Result<Listed, StoreError> {
    let place = key_position(household, row)?;
    let row = Reader(row);
    let item: ItemId = row
        .text("pk")?
        .rsplit_once("#I#")
        .and_then(|(_, item)| item.parse().ok())
        .ok_or(StoreError::Corrupt("pk"))?;
    let tail = row.text("ac")?;
    let account = AccountId::of(&item, tail).map_err(|_bad| StoreError::Corrupt("ac"))?;
    let category = row.maybe_text("cp").map(|primary| BankCategory {
        primary: primary.to_owned(),
        detailed: row.owned("cd"),
        confidence: row.owned("cc"),
        version: row.owned("cv"),
    });
    Ok(Listed {
        household: household.clone(),
        account,
        item,
        id: place.transaction,
        amount: row.decimal("am"),
        currency: row.maybe_text("cu").map(|code| encode::read_currency(code).code().to_owned()),
        date: place.date,
        authorized_date: row.maybe_parsed("ad"),
        name: row.text("nm")?.to_owned(),
        merchant_name: row.owned("mn"),
        pending: row.flag("pe"),
        payment_channel: row.owned("ch"),
        payment_meta: row.map("pm").map(payment_meta).unwrap_or_default(),
        category,
        check_number: row.owned("ck"),
        code: row.owned("co"),
        logo_url: row.owned("lo"),
        is_manual: row.flag("ma"),
        half: user_half(row)?,
        is_guessed: is_guessed(row),
    })
}

fn payment_meta(row: Reader<'_>) -> PaymentMeta {
    PaymentMeta {
        reference_number: row.owned("reference_number"),
        ppd_id: row.owned("ppd_id"),
        payee: row.owned("payee"),
        by_order_of: row.owned("by_order_of"),
        payer: row.owned("payer"),
        payment_method: row.owned("payment_method"),
        payment_processor: row.owned("payment_processor"),
        reason: row.owned("reason"),
    }
}
