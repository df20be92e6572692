//! Cursors of this list: a place in the order, bound to the question that it belongs to.
//!
//! The check is no secret and keeps nobody out: a cursor gives no access, membership is asked for on every page. It
//! tells a cursor of another question, and one that was damaged, from one that goes on.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    ids::{AccountId, HouseholdId, fingerprint},
    store::Position,
};
use edge::Problem;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The question that a cursor belongs to.
pub(crate) struct Binding(String);

impl Binding {
    pub(crate) fn new(
        households: &[HouseholdId],
        from: Option<Date>,
        to: Option<Date>,
        account: Option<&AccountId>,
    ) -> Self {
        Self(format!("{households:?} {from:?} {to:?} {account:?} by date"))
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    d: Date,
    t: domain::ids::TransactionId,
    h: HouseholdId,
    #[serde(default)]
    c: String,
}

fn check(wire: &Wire, binding: &Binding) -> String {
    let text = format!("{} {} {} {}", wire.d, wire.t, wire.h, binding.0);
    fingerprint(&text).chars().take(12).collect()
}

pub(crate) fn encode(position: &Position, binding: &Binding) -> String {
    let mut wire = Wire {
        d: position.date,
        t: position.transaction.clone(),
        h: position.household.clone(),
        c: String::new(),
    };
    wire.c = check(&wire, binding);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
}

pub(crate) fn decode(text: &str, binding: &Binding) -> Result<Position, Problem> {
    let refused = || Problem::field("cursor", "is not a cursor of this list with these parameters");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_damaged| refused())?;
    let wire: Wire = serde_json::from_slice(&bytes).map_err(|_damaged| refused())?;
    if wire.c != check(&wire, binding) {
        return Err(refused());
    }
    Ok(Position { date: wire.d, transaction: wire.t, household: wire.h })
}
