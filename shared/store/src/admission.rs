//! Admission of new connections: one decision of a household at a time.

use async_trait::async_trait;
use domain::{
    admission::{Admission, Admissions, Admitted},
    ids::{HouseholdId, ItemRef},
    store::{Saved, StoreError},
};
use jiff::Timestamp;

use crate::{
    Store,
    connections::connections,
    encode,
    keys::{self, META},
    outcome::{Cancelled, cancelled},
    removal::removing,
    row::{Change, Reader, key, number},
};

/// Marks an item that awaits its admission or was refused.
pub(crate) const AWAITS: &str = "aw";
/// The connection that an item was refused for.
pub(crate) const TWIN: &str = "tw";
/// Counts the decisions, on the household's row.
const DECISIONS: &str = "dc";

#[async_trait]
impl Admissions for Store {
    async fn admitted(&self, household: &HouseholdId) -> Result<Admitted, StoreError> {
        // The number comes first: a decision that falls between the reads is seen, and makes ours fail.
        let meta = self.meta(household).await?.unwrap_or_default();
        let rows = self.item_rows(household, None, true).await?;
        Ok(Admitted {
            decisions: Reader(&meta).maybe_number(DECISIONS).unwrap_or_default(),
            connections: connections(household, &rows)?,
        })
    }

    async fn decide(
        &self,
        at: &ItemRef,
        rev: u64,
        decisions: u64,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let (mut item, condition) = match admission {
            Admission::Stays => (Change::default(), "rev = :read"),
            Admission::Goes(_) => (removing(false, now), "rev = :read AND hs <> :removed"),
        };
        match admission {
            Admission::Stays => item.remove(AWAITS),
            Admission::Goes(twin) => item.set(TWIN, encode::twin(twin)),
        };
        item.set("rev", number(rev + 1)).value("read", number(rev));
        let mut household = Change::default();
        household.set(DECISIONS, number(decisions + 1));
        let is_as_read = if decisions == 0 {
            "attribute_exists(pk) AND attribute_not_exists(dc)"
        } else {
            household.value("decided", number(decisions));
            "dc = :decided"
        };
        let item_key = key(keys::household(&at.household), keys::item(&at.item));
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.update(item_key, item, Some(condition))?)
            .transact_items(self.update(
                key(keys::household(&at.household), META),
                household,
                Some(is_as_read),
            )?);
        match request.send().await {
            Ok(_) => Ok(Saved::Stored),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) | Cancelled::Conflict => Ok(Saved::Conflict),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}
