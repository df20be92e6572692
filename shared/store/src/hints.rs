//! What webhooks and people tell of items, and what has been announced.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use domain::{
    event::News,
    ids::{ItemRef, PlaidItemId},
    item::{Health, HealthState},
    store::{Hints, KnownItem, LinkSession, LinkSessions, PlaidItems, StoreError, Wanted},
    sync::Announcements,
    time::until,
};
use jiff::Timestamp;

use crate::{
    Store, decode,
    encode::{self, SCHEMA},
    keys,
    outcome::unavailable,
    row::{Change, Reader, Row, key, number, text},
};

/// A Link on a page of Plaid's may stay open for three weeks.
const SESSION_DAYS: i64 = 22;
const DAY_S: i64 = 86_400;
/// The time in which a selection of accounts in Link has to be confirmed by `/repaired`. A link token of update mode is valid for
/// 30 minutes.
const MAX_SELECTION_AGE: Duration = Duration::from_hours(4);

impl Store {
    /// Changes an item's row if a condition holds; false if not.
    pub(crate) async fn change_item(
        &self,
        at: &ItemRef,
        change: Change,
        condition: &str,
    ) -> Result<bool, StoreError> {
        self.change_row(key(keys::household(&at.household), keys::item(&at.item)), change, condition).await
    }

    /// Changes a row of the data if a condition holds; false if not.
    pub(crate) async fn change_row(
        &self,
        row_key: Row,
        change: Change,
        condition: &str,
    ) -> Result<bool, StoreError> {
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(row_key))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(unavailable(&error)),
            },
        }
    }

    async fn row_of(&self, at: &ItemRef) -> Result<Option<Row>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&at.household), keys::item(&at.item))))
            .consistent_read(true);
        Ok(get.send().await.map_err(|error| unavailable(&error))?.item)
    }

    /// An item's health changes from one state to another: not if it is another by now.
    async fn set_health(&self, at: &ItemRef, from: HealthState, to: &Health) -> Result<bool, StoreError> {
        let mut change = Change::default();
        encode::health(&mut change, to);
        let reason = (to.state != HealthState::Healthy).then(|| to.reason.clone().unwrap_or_default());
        change
            .set("nt", encode::news(&News { since: to.since, reason }))
            .value("from", text(encode::health_name(from)));
        self.change_item(at, change, "hs = :from").await
    }
}

#[async_trait]
impl Hints for Store {
    async fn want_look(&self, at: &ItemRef) -> Result<Option<Wanted>, StoreError> {
        let mut change = Change::default();
        change.set_to("al", "want + :one").value("one", number(1));
        self.want(at, change).await
    }

    async fn mark_account_selection(&self, at: &ItemRef, now: Timestamp) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.set("sa", text(now.to_string()));
        self.change_item(at, change, "attribute_exists(pk)").await.map(|_is_there| ())
    }

    async fn expires(
        &self,
        at: &ItemRef,
        reason: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(row) = self.row_of(at).await? else { return Ok(false) };
        let item = decode::item(&at.household, at.item.clone(), &row)?;
        let from = item.health.state;
        if item.health.until == Some(until) {
            // Said again: unless nobody has announced it, who heard it first has asked for all that follows.
            return Ok(from == HealthState::Expiring && Reader(&row).has("nt"));
        }
        if !item.health.is_active() {
            return Ok(false);
        }
        let health = Health {
            state: HealthState::Expiring,
            since: now,
            reason: Some(reason.to_owned()),
            until: Some(until),
        };
        self.set_health(at, from, &health).await
    }

    async fn renewed(&self, at: &ItemRef, now: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.row_of(at).await? else { return Ok(()) };
        let item = decode::item(&at.household, at.item.clone(), &row)?;
        if item.health.state == HealthState::Expiring {
            // Another state by now is one that a sync has found out: it knows more.
            self.set_health(at, HealthState::Expiring, &item.health.restored(now)).await?;
        }
        let chosen: Option<Timestamp> = Reader(&row).maybe_parsed("sa");
        if item.new_accounts || chosen.is_some() {
            let mut change = Change::default();
            change.remove("na").remove("sa");
            if chosen.is_some_and(|since| until(since, now) < MAX_SELECTION_AGE) {
                change.set("ch", AttributeValue::Bool(true));
            }
            self.change_item(at, change, "attribute_exists(pk)").await?;
        }
        Ok(())
    }

    async fn has_new_accounts(&self, at: &ItemRef) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.set("na", AttributeValue::Bool(true));
        // One that is not there any more has none.
        self.change_item(at, change, "attribute_exists(pk)").await.map(|_is_there| ())
    }
}

#[async_trait]
impl Announcements for Store {
    async fn announced(&self, at: &ItemRef, news: &News) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.remove("nt").value("t", text(news.since.to_string()));
        // Younger news are for the next to announce.
        self.change_item(at, change, "nt.t = :t").await.map(|_is_same| ())
    }
}

#[async_trait]
impl PlaidItems for Store {
    async fn find(&self, id: &PlaidItemId) -> Result<Option<KnownItem>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::plaid_item(id), keys::REF)))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map(|row| {
            let row = Reader(&row);
            if row.has("gone") {
                return Ok(KnownItem::Gone);
            }
            Ok(KnownItem::Here(ItemRef { household: row.parsed("hh")?, item: row.parsed("it")? }))
        })
        .transpose()
    }
}

/// A partition for each: nobody lists them.
fn session_key(token_hash: &str) -> Row {
    key(format!("LINK#{token_hash}"), keys::META)
}

#[async_trait]
impl LinkSessions for Store {
    async fn remember(&self, session: &LinkSession) -> Result<(), StoreError> {
        let mut row = session_key(&session.token_hash);
        row.insert("v".to_owned(), number(SCHEMA));
        row.insert("hh".to_owned(), text(session.household.as_str()));
        row.insert("us".to_owned(), text(session.user.as_str()));
        row.insert("ct".to_owned(), text(session.began.to_string()));
        row.insert("ho".to_owned(), AttributeValue::Bool(session.is_hosted));
        row.extend(session.item.as_ref().map(|item| ("it".to_owned(), text(item.as_str()))));
        row.insert("ttl".to_owned(), number(session.began.as_second() + SESSION_DAYS * DAY_S));
        let put = self.client.put_item().table_name(&self.guards).set_item(Some(row));
        put.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn session(&self, token_hash: &str) -> Result<Option<LinkSession>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.guards)
            .set_key(Some(session_key(token_hash)))
            .consistent_read(true);
        let row = get.send().await.map_err(|error| unavailable(&error))?.item;
        row.map(|row| {
            let row = Reader(&row);
            Ok(LinkSession {
                token_hash: token_hash.to_owned(),
                household: row.parsed("hh")?,
                user: row.parsed("us")?,
                item: row.maybe_parsed("it"),
                is_hosted: row.flag("ho"),
                began: row.time("ct")?,
            })
        })
        .transpose()
    }
}
