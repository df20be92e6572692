//! Invitations, in the table of guards: a row for each, under the hash of its code.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use domain::{
    household::{Accepted, Invitation, Invitations, MOST_MEMBERS, Permission, Role},
    ids::UserId,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    households::{LIVES, is_ending, place_rows, role, role_name},
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, key, number, text},
};

/// For so long after its end a used invitation still knows who has used it.
const SHOWN_S: i64 = 86_400;

/// A partition for each: nobody lists them.
fn invitation_key(code_hash: &str) -> Row {
    key(format!("INV#{code_hash}"), META)
}

fn invitation(code_hash: &str, row: &Row) -> Result<Invitation, StoreError> {
    let row = Reader(row);
    Ok(Invitation {
        code_hash: code_hash.to_owned(),
        household: row.parsed("hh")?,
        role: role(row)?,
        by: row.parsed("us")?,
        made: row.time("ct")?,
        expires: row.time("xp")?,
        used_by: row.maybe_parsed("ub"),
    })
}

#[async_trait]
impl Invitations for Store {
    async fn invite(&self, new: &Invitation) -> Result<(), StoreError> {
        let mut row = invitation_key(&new.code_hash);
        let fields = [
            ("v", number(SCHEMA)),
            ("hh", text(new.household.as_str())),
            ("ro", text(role_name(new.role))),
            ("us", text(new.by.as_str())),
            ("ct", text(new.made.to_string())),
            ("xp", text(new.expires.to_string())),
            ("ttl", number(new.expires.as_second() + SHOWN_S)),
        ];
        row.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        let put = self.client.put_item().table_name(&self.guards).set_item(Some(row));
        put.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn invitation(&self, code_hash: &str) -> Result<Option<Invitation>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.guards)
            .set_key(Some(invitation_key(code_hash)))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map(|row| invitation(code_hash, &row)).transpose()
    }

    async fn accept(&self, from: &Invitation, user: &UserId, now: Timestamp) -> Result<Accepted, StoreError> {
        let mut meta = Change::default();
        meta.add("mr", number(1)).add("mb", number(1)).value("most", number(MOST_MEMBERS));
        if from.role == Role::Owner {
            meta.add("ow", number(1));
        }
        let meta_key = key(keys::household(&from.household), META);
        let room = format!("{LIVES} AND mb < :most");
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
        match request.send().await {
            Ok(_) => Ok(Accepted::Joined),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(1) => {
                    let lives = self.meta(&from.household).await?.is_some_and(|row| !is_ending(&row));
                    Ok(if lives { Accepted::Full } else { Accepted::NotThere })
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
