//! Ending households: marking, removing items, removing rows.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use domain::{
    account::AccountState,
    household::{Ending, HouseholdEnds, Members, Membership, Role},
    ids::{HouseholdId, ItemRef, UserId},
    item::{Connection, HealthState},
    removal::{Begun, RemovalStarts},
    store::{OneConnection, StoreError},
};
use jiff::Timestamp;

use crate::{
    Store,
    actions::expires,
    connections::connections,
    encode,
    households::{ENDING, LIVES, is_ending, membership, role_name},
    keys::{self, META},
    members::place_keys,
    outcome::unbuildable,
    removal::TOMBSTONE_DAYS,
    row::{Change, Reader, Row, key, number, text},
};

/// What is in a household's partition and does not go before its members: items, which have removals of their own, and
/// the rows that let an owner ask again.
const STAYS: [&str; 3] = ["I#", "M#", META];

#[async_trait]
impl HouseholdEnds for Store {
    async fn place(&self, user: &UserId, household: &HouseholdId) -> Result<Option<Membership>, StoreError> {
        let row = self.place_row(user, household).await?;
        row.as_ref().map(membership).transpose()
    }

    async fn begin(
        &self,
        by: &UserId,
        household: &HouseholdId,
        revision: Option<u64>,
        now: Timestamp,
    ) -> Result<Ending, StoreError> {
        let Some(row) = self.meta(household).await? else { return Ok(Ending::NotThere) };
        if is_ending(&row) {
            return Ok(Ending::Begun);
        }
        let meta = Reader(&row);
        let (named, members): (u64, u64) = (meta.number("nr")?, meta.number("mr")?);
        if revision.is_some_and(|revision| revision != named) {
            return Ok(Ending::Stale);
        }
        let mut mark = Change::default();
        mark.set(ENDING, text(now.to_string()))
            .value("named", number(named))
            .value("members", number(members));
        let as_read = format!("{LIVES} AND nr = :named AND mr = :members");
        let meta_key = key(keys::household(household), META);
        let mut actions = vec![self.update(meta_key, mark, Some(&as_read))?];
        let all = self.members(household).await?;
        if !all.iter().any(|member| member.user == *by) {
            return Ok(Ending::NotThere);
        }
        for member in all {
            let mut mark = Change::default();
            mark.set(ENDING, text(now.to_string()));
            // Who ends it is an owner in this moment.
            let condition = if member.user == *by {
                mark.value("owner", text(role_name(Role::Owner)));
                "ro = :owner"
            } else {
                "attribute_exists(pk)"
            };
            let [place, _] = place_keys(household, &member.user);
            actions.push(self.update(place, mark, Some(condition))?);
        }
        self.transact(actions).await.map(|()| Ending::Begun)
    }

    async fn is_ending(&self, household: &HouseholdId) -> Result<bool, StoreError> {
        Ok(self.meta(household).await?.is_some_and(|row| is_ending(&row)))
    }

    async fn remove_items(
        &self,
        household: &HouseholdId,
        now: Timestamp,
    ) -> Result<Vec<ItemRef>, StoreError> {
        let rows = self.item_rows(household, None, true).await?;
        let mut waiting = Vec::new();
        for connection in connections(household, &rows)? {
            let at = connection.item.at;
            match self.remove_item(&at, false, now).await? {
                Begun::Removing => {
                    self.keep_nothing(&at).await?;
                    waiting.push(at.clone());
                }
                Begun::NotThere => {}
            }
            // One whose data was to be kept may have been buried just now.
            let Some(connection) = self.connection(&at).await? else { continue };
            if connection.item.health.state == HealthState::Removed
                && self.erase_kept(&connection, now).await?
                && !waiting.contains(&at)
            {
                waiting.push(at);
            }
        }
        Ok(waiting)
    }

    async fn end(&self, household: &HouseholdId) -> Result<(), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.data)
            .consistent_read(true)
            .projection_expression("pk, sk")
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::household(household)));
        let mut rows = self.all(query).await?;
        rows.retain(|row| {
            let sk = Reader(row).maybe_text(keys::SK).unwrap_or_default();
            !STAYS.iter().any(|prefix| sk.starts_with(prefix))
        });
        self.delete_all(rows).await?;
        let mut actions = vec![self.delete(key(keys::household(household), META))?];
        for member in self.members(household).await? {
            for place in place_keys(household, &member.user) {
                actions.push(self.delete(place)?);
            }
        }
        self.transact(actions).await
    }
}

impl Store {
    pub(crate) fn delete(&self, row_key: Row) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.data).set_key(Some(row_key));
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(unbuildable)?).build())
    }

    /// A removal that was to leave the data here leaves none. Its revision tells whoever buries the item right now.
    async fn keep_nothing(&self, at: &ItemRef) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.remove("kd").add("rev", number(1)).value("removing", text("removing"));
        let condition = "attribute_exists(kd) AND hs = :removing";
        self.change_item(at, change, condition).await.map(|_had_to_be_kept| ())
    }

    /// Accounts that were kept by hand are to be erased, and what stands for them expires; whether there are any.
    async fn erase_kept(&self, connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
        let at = &connection.item.at;
        let mut are_any = false;
        for account in &connection.accounts {
            if account.state == (AccountState::Removed { erased: true }) {
                continue;
            }
            let mut change = Change::default();
            change
                .put("st", encode::account_state(AccountState::Removed { erased: false }).map(text))
                .set("ttl", expires(now, TOMBSTONE_DAYS));
            let row_key = key(keys::household(&at.household), keys::account(&account.id));
            are_any |= self.change_row(row_key, change, "attribute_exists(pk)").await?;
        }
        if are_any {
            let mut change = Change::default();
            change
                .set("ttl", expires(now, TOMBSTONE_DAYS))
                .set("dp", text(keys::due(&at.item)))
                .set("ds", text(keys::transactions(at)));
            self.change_item(at, change, "attribute_exists(pk)").await?;
        }
        Ok(are_any)
    }
}
