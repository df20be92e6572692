//! Households and memberships.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{
    household::{Membership, Memberships, Role},
    ids::{HouseholdId, UserId},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Reader, Row, key, number, text},
};

/// A household to be made.
#[derive(Debug, Clone)]
pub struct NewHousehold {
    /// Its id.
    pub id: HouseholdId,
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<(UserId, Role)>,
    /// When.
    pub at: Timestamp,
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
        Role::Viewer => "viewer",
    }
}

fn membership(row: &Row) -> Result<Membership, StoreError> {
    let row = Reader(row);
    let id = row.text("sk")?.strip_prefix("H#").and_then(|id| id.parse().ok());
    let name = row.text("ro")?;
    let roles = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];
    Ok(Membership {
        household: id.ok_or(StoreError::Corrupt("sk"))?,
        role: roles.into_iter().find(|role| role_name(*role) == name).ok_or(StoreError::Corrupt("ro"))?,
    })
}

#[async_trait]
impl Memberships for Store {
    async fn membership(
        &self,
        user: &UserId,
        household: &HouseholdId,
    ) -> Result<Option<Membership>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::user(user), keys::household(household))))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        answer.item.as_ref().map(membership).transpose()
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
        self.all(query).await?.iter().map(membership).collect()
    }
}

impl Store {
    /// Makes a household with its members, in one transaction. One that is there already is left as it is.
    pub async fn add_household(&self, new: &NewHousehold) -> Result<(), StoreError> {
        let put = |row: Row| {
            let put = Put::builder().table_name(&self.data).set_item(Some(row));
            put.condition_expression("attribute_not_exists(pk)").build().map_err(unbuildable)
        };
        let mut meta = key(keys::household(&new.id), META);
        meta.insert("v".to_owned(), number(SCHEMA));
        meta.insert("nm".to_owned(), text(&new.name));
        meta.insert("ct".to_owned(), text(new.at.to_string()));
        let mut rows = vec![meta];
        for (user, role) in &new.members {
            let twins = [
                key(keys::user(user), keys::household(&new.id)),
                key(keys::household(&new.id), keys::member(user)),
            ];
            rows.extend(twins.map(|mut row| {
                row.insert("v".to_owned(), number(SCHEMA));
                row.insert("ro".to_owned(), text(role_name(*role)));
                row
            }));
        }
        let mut request = self.client.transact_write_items();
        for row in rows {
            request = request.transact_items(TransactWriteItem::builder().put(put(row)?).build());
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
}
