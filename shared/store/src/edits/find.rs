//! One transaction, wherever it is.

use async_trait::async_trait;
use domain::{
    edit::{Found, OneTransaction, Whole},
    ids::{HouseholdId, ItemRef, TransactionId},
    store::StoreError,
};
use futures::future::try_join_all;

use super::half::user_half;
use crate::{
    Store,
    decode::{ItemRow, item_row},
    keys,
    merging::superseding,
    row::{Reader, Row, key, text, unpack},
    search::listed,
};

/// Rows that may have gone on for each other, one merge of accounts after another.
const MERGES: usize = 8;

#[async_trait]
impl OneTransaction for Store {
    async fn find_one(
        &self,
        households: &[HouseholdId],
        id: &TransactionId,
    ) -> Result<Option<Found>, StoreError> {
        let items = try_join_all(households.iter().map(|household| self.items_of(household))).await?;
        let items: Vec<ItemRef> = items.into_iter().flatten().collect();
        let row_key = |at: &ItemRef| key(keys::transactions(at), keys::transaction(id));
        let rows = self.batch_get(items.iter().map(row_key).collect(), None, true).await?;
        let mut found: Option<Found> = None;
        for at in &items {
            let partition = keys::transactions(at);
            let Some(row) = rows.iter().find(|row| Reader(row).maybe_text(keys::PK) == Some(&partition))
            else {
                continue;
            };
            let here = match Reader(row).maybe_parsed("of") {
                Some(of) => self.found_at(at, &of).await?,
                None => match superseding(at, Reader(row)) {
                    Some((at, key)) => self.found_at(&at, &key).await?,
                    None => Some(read(at, id.clone(), row)?),
                },
            };
            // What is there counts before what was.
            if here.as_ref().is_some_and(|here| here.whole.is_some()) || found.is_none() {
                found = here;
            }
            if found.as_ref().is_some_and(|found| found.whole.is_some()) {
                break;
            }
        }
        Ok(found)
    }
}

impl Store {
    /// What stands under an id of one item.
    pub(super) async fn found_at(
        &self,
        at: &ItemRef,
        id: &TransactionId,
    ) -> Result<Option<Found>, StoreError> {
        let (mut at, mut id) = (at.clone(), id.clone());
        for _ in 0..MERGES {
            let Some((key, row)) = self.read_followed(&at, &id).await? else { return Ok(None) };
            match superseding(&at, Reader(&row)) {
                Some(next) => (at, id) = next,
                None => return read(&at, key, &row).map(Some),
            }
        }
        Ok(None)
    }

    /// The items of a household, those that were removed and left something here among them.
    async fn items_of(&self, household: &HouseholdId) -> Result<Vec<ItemRef>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .projection_expression("sk")
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::household(household)))
            .expression_attribute_values(":sk", text("I#"));
        let mut items = Vec::new();
        for row in self.all(query).await? {
            if let ItemRow::Item(item) = item_row(&row)? {
                items.push(ItemRef { household: household.clone(), item });
            }
        }
        Ok(items)
    }
}

fn read(at: &ItemRef, key: TransactionId, row: &Row) -> Result<Found, StoreError> {
    let whole = whole(at, row)?.map(Box::new);
    Ok(Found { at: at.clone(), key, half: user_half(Reader(row))?, whole })
}

/// The transaction of a row; none if it is no more.
pub(super) fn whole(at: &ItemRef, row: &Row) -> Result<Option<Whole>, StoreError> {
    let reader = Reader(row);
    if !reader.has("id") {
        return Ok(None);
    }
    let packed = reader.bytes("z").map(unpack).transpose()?.map(String::from_utf8).transpose();
    let packed = packed.map_err(|_not_text| StoreError::Corrupt("z"))?;
    Ok(Some(Whole { listed: listed(&at.household, row)?, detail: packed.or_else(|| reader.owned("z")) }))
}
