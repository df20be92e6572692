//! Invitations, in the table of guards: a row for each, under the hash of its code.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use domain::{
    household::{Accepted, Invitation, Invitations, MOST_MEMBERS, Permission, Role},
    ids::{HouseholdId, InvitationId, UserId},
    store::StoreError,
};
use futures::future::try_join;
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    households::{DEPARTURES, LIVES, is_ending, place_rows, role, role_name},
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, key, number, text},
};

/// For so long after its end a used invitation still knows who has used it.
const SHOWN_S: i64 = 86_400;

/// A partition for each, which a code leads to.
fn invitation_key(code_hash: &str) -> Row {
    key(format!("INV#{code_hash}"), META)
}

/// Its twin in the household, which lists show.
fn twin_key(household: &HouseholdId, id: &InvitationId) -> Row {
    key(keys::household(household), keys::invitation(id))
}

fn invitation(row: &Row) -> Result<Invitation, StoreError> {
    let row = Reader(row);
    Ok(Invitation {
        id: row.parsed("ii")?,
        code_hash: row.text("ch")?.to_owned(),
        household: row.parsed("hh")?,
        role: role(row)?,
        by: row.parsed("us")?,
        made: row.time("ct")?,
        expires: row.time("xp")?,
        departures: row.maybe_number(DEPARTURES).unwrap_or_default(),
        used_by: row.maybe_parsed("ub"),
    })
}

fn put(table: &str, mut row: Row, new: &Invitation) -> Result<TransactWriteItem, StoreError> {
    let fields = [
        ("v", number(SCHEMA)),
        ("ii", text(new.id.as_str())),
        ("ch", text(&new.code_hash)),
        ("hh", text(new.household.as_str())),
        ("ro", text(role_name(new.role))),
        ("us", text(new.by.as_str())),
        ("ct", text(new.made.to_string())),
        ("xp", text(new.expires.to_string())),
        (DEPARTURES, number(new.departures)),
        ("ttl", number(new.expires.as_second() + SHOWN_S)),
    ];
    row.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    let put = Put::builder().table_name(table).set_item(Some(row)).build().map_err(unbuildable)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn delete(table: &str, key: Row, condition: Option<&str>) -> Result<TransactWriteItem, StoreError> {
    let delete = Delete::builder().table_name(table).set_key(Some(key));
    let delete =
        delete.set_condition_expression(condition.map(str::to_owned)).build().map_err(unbuildable)?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

#[async_trait]
impl Invitations for Store {
    async fn departures(&self, household: &HouseholdId) -> Result<u64, StoreError> {
        let meta = self.meta(household).await?;
        Ok(meta.and_then(|row| Reader(&row).maybe_number(DEPARTURES)).unwrap_or_default())
    }

    async fn invite(&self, new: &Invitation) -> Result<(), StoreError> {
        let actions = vec![
            put(&self.guards, invitation_key(&new.code_hash), new)?,
            put(&self.data, twin_key(&new.household, &new.id), new)?,
        ];
        self.transact(actions).await
    }

    async fn open_invitations(
        &self,
        household: &HouseholdId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::household(household)))
            .expression_attribute_values(":sk", text("V#"));
        let (rows, departures) = try_join(self.all(query), self.departures(household)).await?;
        let mut all = rows.iter().map(invitation).collect::<Result<Vec<_>, _>>()?;
        all.retain(|invitation| now < invitation.expires && invitation.departures == departures);
        all.sort_by(|a, b| (a.made, &a.id).cmp(&(b.made, &b.id)));
        Ok(all)
    }

    async fn withdraw(&self, open: &Invitation) -> Result<bool, StoreError> {
        let unused = "attribute_exists(pk) AND attribute_not_exists(ub)";
        let request = self
            .client
            .transact_write_items()
            .transact_items(delete(&self.guards, invitation_key(&open.code_hash), Some(unused))?)
            .transact_items(delete(&self.data, twin_key(&open.household, &open.id), None)?);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(_) => Ok(false),
                Cancelled::Conflict => Err(StoreError::Busy),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }

    async fn invitation(&self, code_hash: &str) -> Result<Option<Invitation>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.guards)
            .set_key(Some(invitation_key(code_hash)))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.as_ref().map(invitation).transpose()
    }

    async fn accept(&self, from: &Invitation, user: &UserId, now: Timestamp) -> Result<Accepted, StoreError> {
        let mut meta = Change::default();
        meta.add("mr", number(1)).add("mb", number(1)).value("most", number(MOST_MEMBERS));
        if from.role == Role::Owner {
            meta.add("ow", number(1));
        }
        let meta_key = key(keys::household(&from.household), META);
        let is_in_force = match from.departures {
            0 => format!("attribute_not_exists({DEPARTURES})"),
            departures => {
                meta.value(DEPARTURES, number(departures));
                format!("{DEPARTURES} = :{DEPARTURES}")
            }
        };
        let room = format!("{LIVES} AND mb < :most AND {is_in_force}");
        let inviters: Vec<Role> =
            Role::ALL.into_iter().filter(|role| role.allows(Permission::Manage(from.role))).collect();
        let mut request = self
            .client
            .transact_write_items()
            .transact_items(self.used(from, user)?)
            .transact_items(self.update(meta_key, meta, Some(&room))?)
            .transact_items(self.has_role(&from.household, &from.by, &inviters)?);
        for row in place_rows(&from.household, user, from.role, now) {
            request = request.transact_items(self.put_new(row)?);
        }
        request = request.transact_items(delete(&self.data, twin_key(&from.household, &from.id), None)?);
        match request.send().await {
            Ok(_) => Ok(Accepted::Joined),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(1) => {
                    let meta = self.meta(&from.household).await?.filter(|row| !is_ending(row));
                    let departures =
                        meta.map(|row| Reader(&row).maybe_number(DEPARTURES).unwrap_or_default());
                    let is_in_force = departures == Some(from.departures);
                    Ok(if is_in_force { Accepted::Full } else { Accepted::NotThere })
                }
                Cancelled::Condition(2) => Ok(Accepted::NotThere),
                // Used, or a member, by now: which may be our own first try, whose answer was lost.
                Cancelled::Condition(_) | Cancelled::Conflict => Ok(Accepted::Moved),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}

impl Store {
    /// Uses an invitation up.
    fn used(&self, invitation: &Invitation, user: &UserId) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.guards)
            .set_key(Some(invitation_key(&invitation.code_hash)))
            .update_expression("SET ub = :user")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(ub)")
            .expression_attribute_values(":user", text(user.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
