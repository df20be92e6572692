//! Exchanges under way.

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    ids::ItemRef,
    store::{Intent, Intents, StoreError},
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    outcome::unavailable,
    row::{Reader, Row, key, number, text},
};

/// All intents stand in one partition: there are as many as exchanges under way, and a list is one query.
const PARTITION: &str = "INTENT";
/// An intent that nobody could finish is shown for so long.
const DAYS_SHOWN: i64 = 90;
/// One that is complete leads whoever's answer was lost to the connection for so long.
const DAY_S: i64 = 86_400;

fn intent(row: &Row) -> Result<Intent, StoreError> {
    let row = Reader(row);
    Ok(Intent {
        token_hash: row.text("sk")?.to_owned(),
        at: ItemRef { household: row.parsed("hh")?, item: row.parsed("it")? },
        user: row.parsed("us")?,
        began: row.time("ct")?,
        succession: row.maybe_number("ep"),
    })
}

fn intent_row(intent: &Intent) -> Row {
    let mut row = key(PARTITION, &intent.token_hash);
    row.insert("v".to_owned(), number(SCHEMA));
    row.insert("hh".to_owned(), text(intent.at.household.as_str()));
    row.insert("it".to_owned(), text(intent.at.item.as_str()));
    row.insert("us".to_owned(), text(intent.user.as_str()));
    row.insert("ct".to_owned(), text(intent.began.to_string()));
    row.insert("ttl".to_owned(), number(intent.began.as_second() + DAYS_SHOWN * DAY_S));
    row.extend(intent.succession.map(|succession| ("ep".to_owned(), number(succession))));
    row
}

#[async_trait]
impl Intents for Store {
    async fn begin(&self, new: &Intent) -> Result<Option<Intent>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.guards)
            .set_item(Some(intent_row(new)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) => {
                    let row = there.item().ok_or(StoreError::Corrupt("intent"))?;
                    // Our own first try, whose answer was lost, is no earlier exchange.
                    Some(intent(row)?).filter(|there| there != new).map_or(Ok(None), |there| Ok(Some(there)))
                }
                _ => Err(unavailable(&error)),
            },
        }
    }

    async fn place(&self, intent: &Intent) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.guards).set_item(Some(intent_row(intent)));
        put.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn linked(&self, intent: &Intent, now: Timestamp) -> Result<(), StoreError> {
        let mut row = intent_row(intent);
        row.insert("dn".to_owned(), text(now.to_string()));
        row.insert("ttl".to_owned(), number(now.as_second() + DAY_S));
        let put = self.client.put_item().table_name(&self.guards).set_item(Some(row));
        put.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn end(&self, token_hash: &str) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.guards)
            .set_key(Some(key(PARTITION, token_hash)))
            .send();
        delete.await.map(drop).map_err(|error| unavailable(&error))
    }

    async fn unfinished(&self) -> Result<Vec<Intent>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.guards)
            .key_condition_expression("pk = :pk")
            .filter_expression("attribute_not_exists(dn)")
            .expression_attribute_values(":pk", text(PARTITION));
        let mut intents: Vec<_> = self.all(query).await?.iter().map(intent).collect::<Result<_, _>>()?;
        intents.sort_by_key(|intent: &Intent| intent.began);
        Ok(intents)
    }
}
