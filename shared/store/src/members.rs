//! Who is in a household. Every change of it passes the household's own row, which counts owners and members.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem};
use domain::{
    household::{Changed, Member, MemberChange, Members, Role},
    ids::{HouseholdId, UserId},
    store::StoreError,
};

use crate::{
    Store,
    households::{DEPARTURES, LIVES, is_ending, role, role_name},
    keys::{self, META},
    outcome::{Cancelled, cancelled, unbuildable},
    row::{Change, Reader, Row, key, number, text},
};

fn member(row: &Row) -> Result<Member, StoreError> {
    let row = Reader(row);
    let user = row.text("sk")?.strip_prefix("M#").and_then(|user| user.parse().ok());
    Ok(Member { user: user.ok_or(StoreError::Corrupt("sk"))?, role: role(row)?, since: row.time("ct")? })
}

/// The place of a user, and its twin.
pub(crate) fn place_keys(household: &HouseholdId, user: &UserId) -> [Row; 2] {
    [key(keys::user(user), keys::household(household)), key(keys::household(household), keys::member(user))]
}

#[async_trait]
impl Members for Store {
    async fn members(&self, household: &HouseholdId) -> Result<Vec<Member>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", text(keys::household(household)))
            .expression_attribute_values(":sk", text("M#"));
        self.all(query).await?.iter().map(member).collect()
    }

    async fn change(&self, change: &MemberChange<'_>) -> Result<Changed, StoreError> {
        let owners = i8::from(change.to == Some(Role::Owner)) - i8::from(change.from == Role::Owner);
        let mut meta = Change::default();
        let mut condition = LIVES.to_owned();
        meta.add("mr", number(1));
        if change.to.is_none() {
            meta.add("mb", number(-1));
        }
        if owners != 0 {
            meta.add("ow", number(owners));
        }
        if change.is_departure() {
            meta.add(DEPARTURES, number(1));
        }
        if owners < 0 {
            meta.value("one", number(1));
            condition.push_str(" AND ow > :one");
        }
        let meta_key = key(keys::household(change.household), META);
        let mut request = self.client.transact_write_items().transact_items(self.update(
            meta_key,
            meta,
            Some(&condition),
        )?);
        for place in place_keys(change.household, change.member) {
            request = request.transact_items(self.place_change(place, change)?);
        }
        let (by, by_role) = change.by;
        if by != change.member {
            request = request.transact_items(self.has_role(change.household, by, &[by_role])?);
        }
        match request.send().await {
            Ok(_) => Ok(Changed::Done),
            Err(error) => match cancelled(&error) {
                Cancelled::Condition(0) if owners < 0 => self.why_not(change.household).await,
                Cancelled::Condition(_) | Cancelled::Conflict => Ok(Changed::Moved),
                Cancelled::Failed(error) => Err(error),
            },
        }
    }
}

impl Store {
    fn place_change(&self, place: Row, change: &MemberChange<'_>) -> Result<TransactWriteItem, StoreError> {
        const STILL: &str = "ro = :from";
        let from = text(role_name(change.from));
        if let Some(to) = change.to {
            let mut update = Change::default();
            update.set("ro", text(role_name(to))).value("from", from);
            return self.update(place, update, Some(STILL));
        }
        let delete = Delete::builder()
            .table_name(&self.data)
            .set_key(Some(place))
            .condition_expression(STILL)
            .expression_attribute_values(":from", from)
            .build()
            .map_err(unbuildable)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Requires a user to have one of these roles.
    pub(crate) fn has_role(
        &self,
        household: &HouseholdId,
        user: &UserId,
        roles: &[Role],
    ) -> Result<TransactWriteItem, StoreError> {
        let mut check = ConditionCheck::builder()
            .table_name(&self.data)
            .set_key(Some(key(keys::user(user), keys::household(household))));
        let mut names = Vec::new();
        for role in roles {
            let name = format!(":{}", role_name(*role));
            check = check.expression_attribute_values(&name, text(role_name(*role)));
            names.push(name);
        }
        let check = check.condition_expression(format!("ro IN ({})", names.join(", ")));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuildable)?).build())
    }

    /// An owner did not go: because nobody would be left, unless the household is on its way out.
    async fn why_not(&self, household: &HouseholdId) -> Result<Changed, StoreError> {
        let Some(meta) = self.meta(household).await?.filter(|row| !is_ending(row)) else {
            return Ok(Changed::Moved);
        };
        let owners: u32 = Reader(&meta).number("ow")?;
        Ok(if owners <= 1 { Changed::LastOwner } else { Changed::Moved })
    }
}
