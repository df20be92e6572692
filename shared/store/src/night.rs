//! Nights: the due index, the plans of shards, what became of items, and the breaker.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    ids::ItemRef,
    night::{
        Begun, Breaker, DueItems, DuePage, NightCounting, NightCounts, NightMessage, NightPlans, NightReport,
        Nights, Settled, Shard, ShardPlan,
    },
    store::StoreError,
};
use jiff::{Timestamp, civil::Date};

use crate::{
    Store,
    actions::expires,
    encode::SCHEMA,
    keys::{self, DUE, META, PK, SK},
    outcome::unavailable,
    row::{Change, Reader, Row, bytes, key, number, pack, text, texts, unpack},
};

/// How long a night is remembered, with all of its rows: longer than any message lives, the dead letters' fortnight included.
const NIGHT_DAYS: i64 = 20;

#[async_trait]
impl DueItems for Store {
    async fn due(&self, shard: Shard, after: Option<&ItemRef>, limit: usize) -> Result<DuePage, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .index_name(DUE)
            .key_condition_expression("dp = :dp")
            .expression_attribute_values(":dp", text(keys::due_shard(shard)))
            .set_exclusive_start_key(after.map(due_key))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| unavailable(&error))?;
        let next = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(DuePage {
            items: page.items.unwrap_or_default().iter().map(item_ref).collect::<Result<_, _>>()?,
            next: next.as_ref().map(item_ref).transpose()?,
        })
    }
}

/// The whole key of an item in the due index.
fn due_key(at: &ItemRef) -> Row {
    let mut row = key(keys::household(&at.household), keys::item(&at.item));
    row.insert("dp".to_owned(), text(keys::due(&at.item)));
    row.insert("ds".to_owned(), text(keys::transactions(at)));
    row
}

/// The item of a row, by its primary key.
pub(crate) fn item_ref(row: &Row) -> Result<ItemRef, StoreError> {
    let row = Reader(row);
    let household = row.text(PK)?.strip_prefix("H#").and_then(|id| id.parse().ok());
    let item = row.text(SK)?.strip_prefix("I#").and_then(|id| id.parse().ok());
    Ok(ItemRef {
        household: household.ok_or(StoreError::Corrupt(PK))?,
        item: item.ok_or(StoreError::Corrupt(SK))?,
    })
}

#[async_trait]
impl NightPlans for Store {
    async fn begin(&self, night: Date, now: Timestamp) -> Result<Begun, StoreError> {
        let mut row = key(keys::night(night), META);
        row.insert("v".to_owned(), number(SCHEMA));
        row.insert("t".to_owned(), text(now.to_string()));
        row.insert("ttl".to_owned(), expires(now, NIGHT_DAYS));
        let put = self
            .client
            .put_item()
            .table_name(&self.data)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Begun { at: now, is_new: true }),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) => {
                    let row = there.item().ok_or(StoreError::Corrupt("night"))?;
                    let at = Reader(row).time("t")?;
                    // Our own first try, whose answer was lost, was the first.
                    Ok(Begun { at, is_new: at == now })
                }
                _ => Err(unavailable(&error)),
            },
        }
    }

    async fn shard_plan(&self, night: Date, shard: Shard) -> Result<ShardPlan, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::night(night), keys::night_shard(shard))))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map_or_else(|| Ok(ShardPlan::default()), |row| shard_plan(Reader(&row)))
    }

    async fn save_shard_plan(
        &self,
        night: Date,
        shard: Shard,
        plan: &ShardPlan,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut row = key(keys::night(night), keys::night_shard(shard));
        let page = (!plan.page.is_empty()).then(|| pack_page(&plan.page)).transpose()?;
        let fields = [
            ("v", Some(number(SCHEMA))),
            ("rev", Some(number(plan.rev))),
            ("q", Some(number(plan.queued))),
            ("n", Some(number(plan.messages))),
            ("z", page),
            ("hh", plan.after.as_ref().map(|at| text(at.household.as_str()))),
            ("it", plan.after.as_ref().map(|at| text(at.item.as_str()))),
            ("e", plan.is_read.then_some(AttributeValue::Bool(true))),
            ("ttl", Some(expires(now, NIGHT_DAYS))),
        ];
        row.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let put = self.client.put_item().table_name(&self.data).set_item(Some(row));
        let before = plan.rev.saturating_sub(1);
        let put = match before {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            before => put
                .condition_expression("rev = :before")
                .expression_attribute_values(":before", number(before)),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(unavailable(&error)),
            },
        }
    }
}

fn pack_page(page: &[ItemRef]) -> Result<AttributeValue, StoreError> {
    let ids: Vec<_> = page.iter().map(|at| (&at.household, &at.item)).collect();
    let plain = serde_json::to_vec(&ids).map_err(|_bad| StoreError::Corrupt("page"))?;
    Ok(bytes(pack(&plain)?))
}

fn unpack_page(packed: &[u8]) -> Result<Vec<ItemRef>, StoreError> {
    let ids: Vec<_> = serde_json::from_slice(&unpack(packed)?).map_err(|_bad| StoreError::Corrupt("z"))?;
    Ok(ids.into_iter().map(|(household, item)| ItemRef { household, item }).collect())
}

fn shard_plan(row: Reader<'_>) -> Result<ShardPlan, StoreError> {
    let after = row.has("hh").then(|| Ok(ItemRef { household: row.parsed("hh")?, item: row.parsed("it")? }));
    Ok(ShardPlan {
        rev: row.number("rev")?,
        queued: row.number("q")?,
        messages: row.number("n")?,
        page: row.bytes("z").map(unpack_page).transpose()?.unwrap_or_default(),
        after: after.transpose()?,
        is_read: row.flag("e"),
    })
}

/// Counts of one message, as its row has them.
const COUNTS: [&str; 6] = ["s", "f", "fr", "gn", "p", "r"];

fn numbers(counts: NightCounts) -> [u64; 6] {
    [counts.succeeded, counts.failed, counts.fresh, counts.gone, counts.parked, counts.rows]
}

fn counts(row: Reader<'_>) -> NightCounts {
    let [succeeded, failed, fresh, gone, parked, rows] =
        COUNTS.map(|name| row.maybe_number(name).unwrap_or_default());
    NightCounts { succeeded, failed, fresh, gone, parked, rows }
}

/// So often another delivery of the same message may have counted a part of it in between.
const COUNT_TRIES: usize = 10;

#[async_trait]
impl NightCounting for Store {
    async fn count(
        &self,
        message: &NightMessage,
        settled: &[(u8, Settled)],
        now: Timestamp,
    ) -> Result<NightCounts, StoreError> {
        let mut left = settled.to_vec();
        for _ in 0..COUNT_TRIES {
            if left.is_empty() {
                return Ok(NightCounts::default());
            }
            match self.try_count(message, &left, now).await? {
                Ok(counted) => return Ok(counted),
                Err(before) => left.retain(|(place, _)| !before.contains(place)),
            }
        }
        Err(StoreError::Busy)
    }
}

impl Store {
    /// Counts all of these places, or says which places had been counted before.
    async fn try_count(
        &self,
        message: &NightMessage,
        settled: &[(u8, Settled)],
        now: Timestamp,
    ) -> Result<Result<NightCounts, BTreeSet<u8>>, StoreError> {
        let mut counted = NightCounts::default();
        let mut change = Change::default();
        let mut conditions = Vec::with_capacity(settled.len());
        for (place, settled) in settled {
            counted += *settled;
            change.value(&format!("p{place}"), text(place.to_string()));
            conditions.push(format!("NOT contains(d, :p{place})"));
        }
        change.set("v", number(SCHEMA)).set("ttl", expires(now, NIGHT_DAYS));
        change.add("d", texts(settled.iter().map(|(place, _)| place.to_string())));
        for (name, count) in COUNTS.into_iter().zip(numbers(counted)).filter(|(_, count)| *count > 0) {
            change.add(name, number(count));
        }
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(
                keys::night_messages(message.night, message.shard),
                keys::night_message(message.number),
            )))
            .update_expression(expression)
            .condition_expression(conditions.join(" AND "))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(Ok(counted)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(there)) => {
                    let row = there.item().ok_or(StoreError::Corrupt("message"))?;
                    Ok(Err(Reader(row).set("d")))
                }
                _ => Err(unavailable(&error)),
            },
        }
    }

    /// What has been counted of the messages of a shard.
    async fn shard_counts(&self, night: Date, shard: Shard) -> Result<NightCounts, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::night_messages(night, shard)));
        let mut sum = NightCounts::default();
        for row in self.all(query).await? {
            sum += counts(Reader(&row));
        }
        Ok(sum)
    }
}

#[async_trait]
impl Nights for Store {
    async fn night(&self, night: Date) -> Result<Option<NightReport>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::night(night)));
        let rows = self.all(query).await?;
        let by_sort: HashMap<&str, &Row> =
            rows.iter().filter_map(|row| Some((Reader(row).maybe_text(SK)?, row))).collect();
        let Some(meta) = by_sort.get(META) else { return Ok(None) };
        let begun = Reader(meta).time("t")?;
        let mut report = NightReport { begun, planned: 0, queued: 0, counts: NightCounts::default() };
        for shard in Shard::all() {
            let Some(row) = by_sort.get(keys::night_shard(shard).as_str()) else { continue };
            let plan = shard_plan(Reader(row))?;
            report.planned += u32::from(plan.is_over());
            report.queued += plan.queued;
            report.counts += self.shard_counts(night, shard).await?;
        }
        Ok(Some(report))
    }
}

/// The breaker's row.
const BREAKER: (&str, &str) = ("NIGHT", "BREAKER");

#[async_trait]
impl Breaker for Store {
    async fn held_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(BREAKER.0, BREAKER.1)))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map(|row| Reader(&row).number("u").map(from_second)).transpose()
    }

    async fn hold(&self, until: Timestamp) -> Result<(), StoreError> {
        let mut change = Change::default();
        // A whole second, the next one: nothing is held for less than was asked.
        change.set("v", number(SCHEMA)).set("u", number(until.as_second() + 1)).set("ttl", expires(until, 1));
        // Held for longer already is held.
        let condition = "attribute_not_exists(u) OR u < :u";
        self.change_row(key(BREAKER.0, BREAKER.1), change, condition).await.map(|_is_longer| ())
    }
}

fn from_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use domain::ids::{HouseholdId, ItemId};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_reads_back(ids: Vec<([u8; 10], [u8; 10])>) {
            let page: Vec<_> = ids
                .into_iter()
                .map(|(household, item)| ItemRef {
                    household: HouseholdId::from_entropy(household),
                    item: ItemId::from_entropy(item),
                })
                .collect();
            let packed = pack_page(&page).unwrap();
            prop_assert_eq!(unpack_page(packed.as_b().unwrap().as_ref()).unwrap(), page);
        }
    }
}
