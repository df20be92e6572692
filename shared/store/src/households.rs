//! Households, and who belongs where.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ConditionCheck, ReturnValue, TransactWriteItem},
};
use domain::{
    household::{Household, HouseholdName, Households, Membership, Memberships, NewHousehold, Renamed, Role},
    ids::{HouseholdId, UserId},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, key, number, text},
};

/// Stands on a household that is on its way out, and on all places in it.
pub(crate) const ENDING: &str = "del";
/// Counts how often somebody has left a household or got a lesser role.
pub(crate) const DEPARTURES: &str = "lv";
/// The household is there, and not on its way out.
pub(crate) const LIVES: &str = "attribute_exists(pk) AND attribute_not_exists(del)";

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
        Role::Viewer => "viewer",
    }
}

pub(crate) fn role(row: Reader<'_>) -> Result<Role, StoreError> {
    let name = row.text("ro")?;
    Role::ALL.into_iter().find(|role| role_name(*role) == name).ok_or(StoreError::Corrupt("ro"))
}

/// Whether the household of a place, or the household itself, is on its way out.
pub(crate) fn is_ending(row: &Row) -> bool {
    row.contains_key(ENDING)
}

pub(crate) fn membership(row: &Row) -> Result<Membership, StoreError> {
    let row = Reader(row);
    let id = row.text("sk")?.strip_prefix("H#").and_then(|id| id.parse().ok());
    Ok(Membership { household: id.ok_or(StoreError::Corrupt("sk"))?, role: role(row)? })
}

impl Store {
    /// The user's place in a household, one that is ending too.
    pub(crate) async fn place_row(
        &self,
        user: &UserId,
        household: &HouseholdId,
    ) -> Result<Option<Row>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::user(user), keys::household(household))))
            .consistent_read(true);
        Ok(get.send().await.map_err(|error| unavailable(&error))?.item)
    }
}

#[async_trait]
impl Memberships for Store {
    async fn membership(
        &self,
        user: &UserId,
        household: &HouseholdId,
    ) -> Result<Option<Membership>, StoreError> {
        let row = self.place_row(user, household).await?;
        row.filter(|row| !is_ending(row)).as_ref().map(membership).transpose()
    }

    async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::user(user)))
            .expression_attribute_values(":sk", text("H#"));
        self.all(query).await?.iter().filter(|row| !is_ending(row)).map(membership).collect()
    }
}

/// A place in a household, as it stands under the user and, as a twin, under the household.
pub(crate) fn place_rows(household: &HouseholdId, user: &UserId, role: Role, since: Timestamp) -> [Row; 2] {
    let twins = [
        key(keys::user(user), keys::household(household)),
        key(keys::household(household), keys::member(user)),
    ];
    twins.map(|mut row| {
        row.insert("v".to_owned(), number(SCHEMA));
        row.insert("ro".to_owned(), text(role_name(role)));
        row.insert("ct".to_owned(), text(since.to_string()));
        row
    })
}

fn household(row: &Row) -> Result<Household, StoreError> {
    let row = Reader(row);
    let id = row.text("pk")?.strip_prefix("H#").and_then(|id| id.parse().ok());
    Ok(Household {
        id: id.ok_or(StoreError::Corrupt("pk"))?,
        name: row.parsed("nm")?,
        revision: row.number("nr")?,
        created: row.time("ct")?,
    })
}

#[async_trait]
impl Households for Store {
    async fn create(&self, new: &NewHousehold) -> Result<(), StoreError> {
        let mut meta = key(keys::household(&new.id), META);
        let owners = new.members.iter().filter(|(_, role)| *role == Role::Owner).count();
        let fields = [
            ("v", number(SCHEMA)),
            ("nm", text(new.name.as_str())),
            ("nr", number(1)),
            ("ct", text(new.at.to_string())),
            ("mr", number(1)),
            ("mb", number(new.members.len())),
            ("ow", number(owners)),
        ];
        meta.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        let mut request = self.client.transact_write_items().transact_items(self.put_new(meta)?);
        for (user, role) in &new.members {
            for row in place_rows(&new.id, user, *role, new.at) {
                request = request.transact_items(self.put_new(row)?);
            }
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) => Ok(()),
                Cancelled::Conflict => Err(StoreError::Busy),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }

    async fn households(&self, ids: &[HouseholdId]) -> Result<Vec<Household>, StoreError> {
        let keys = ids.iter().map(|id| key(keys::household(id), META)).collect();
        let rows = self.batch_get(keys, None, true).await?;
        let mut all: Vec<Household> =
            rows.iter().filter(|row| !is_ending(row)).map(household).collect::<Result<_, _>>()?;
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn rename(
        &self,
        id: &HouseholdId,
        name: &HouseholdName,
        revision: Option<u64>,
    ) -> Result<Renamed, StoreError> {
        let mut change = Change::default();
        change.set("nm", text(name.as_str())).add("nr", number(1));
        let mut condition = LIVES.to_owned();
        if let Some(revision) = revision {
            change.value("seen", number(revision));
            condition.push_str(" AND nr = :seen");
        }
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(id), META)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => household(&answer.attributes.unwrap_or_default()).map(Renamed::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => {
                    let is_there = self.meta(id).await?.is_some_and(|row| !is_ending(&row));
                    Ok(if is_there { Renamed::Stale } else { Renamed::NotThere })
                }
                _ => Err(unavailable(&error)),
            },
        }
    }
}

impl Store {
    /// The household's own row.
    pub(crate) async fn meta(&self, household: &HouseholdId) -> Result<Option<Row>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(household), META)))
            .consistent_read(true);
        Ok(get.send().await.map_err(|error| unavailable(&error))?.item)
    }

    /// Requires the household to be there, and not on its way out.
    pub(crate) fn lives(&self, household: &HouseholdId) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(household), META)))
            .condition_expression(LIVES)
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}
