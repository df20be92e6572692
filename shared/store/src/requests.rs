//! Requests that are answered once, in the table of guards: a row for each, under the hash of its key.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        delete_item::DeleteItemError,
        put_item::{PutItemError, builders::PutItemFluentBuilder},
        update_item::UpdateItemError,
    },
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    idempotency::{Attempt, AttemptStart, KeptAnswer, RequestRecords},
    ids::Entropy,
    limit::{Counted, Limit},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    keys::META,
    outcome::unavailable,
    row::{Change, Reader, Row, bytes, key, number, text},
};

/// What an answer may be asked for again.
const KEPT_S: i64 = 86_400;
const OPEN: &str = "open";
const DONE: &str = "done";
/// Nobody has taken the attempt over meanwhile.
const OURS: &str = "st = :open AND dl = :until";

/// A partition for each: nobody lists them.
fn record_key(attempt: &Attempt) -> Row {
    key(format!("IDEM#{}", attempt.key), META)
}

fn until(attempt: &Attempt) -> AttributeValue {
    number(attempt.until.as_millisecond())
}

fn record(attempt: &Attempt, entropy: Entropy) -> Row {
    let mut row = record_key(attempt);
    let fields = [
        ("v", number(SCHEMA)),
        ("rq", text(&attempt.request)),
        ("en", bytes(entropy)),
        ("st", text(OPEN)),
        ("dl", until(attempt)),
        ("ttl", number(attempt.began.as_second() + KEPT_S)),
    ];
    row.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    row
}

/// What stands there of an earlier attempt.
struct Earlier {
    request: String,
    entropy: Entropy,
    is_open: bool,
    until_ms: i64,
    answer: Option<KeptAnswer>,
}

fn earlier(row: &Row) -> Result<Earlier, StoreError> {
    let row = Reader(row);
    let entropy = row.bytes("en").and_then(|bytes| bytes.try_into().ok());
    let headers = row.maybe_text("hd").map(serde_json::from_str).transpose();
    // An answer of an earlier version does not say whose it is.
    let answer = row.maybe_text("bd").zip(row.maybe_parsed("hh")).map(|(body, household)| {
        Ok(KeptAnswer {
            household,
            status: row.number("rs")?,
            body: body.to_owned(),
            headers: headers.map_err(|_bad| StoreError::Corrupt("hd"))?.unwrap_or_default(),
        })
    });
    Ok(Earlier {
        request: row.text("rq")?.to_owned(),
        entropy: entropy.ok_or(StoreError::Corrupt("en"))?,
        is_open: row.text("st")? == OPEN,
        until_ms: row.number("dl")?,
        answer: answer.transpose()?,
    })
}

#[async_trait]
impl RequestRecords for Store {
    async fn begin(&self, attempt: &Attempt) -> Result<AttemptStart, StoreError> {
        // Rows outlive their time by up to days.
        let put = self
            .put_record(attempt, attempt.entropy)
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(attempt.began.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let there = match put.send().await {
            Ok(_) => return Ok(AttemptStart::Go(attempt.entropy)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) => {
                    earlier(there.item().ok_or(StoreError::Corrupt("request"))?)?
                }
                _ => return Err(unavailable(&error)),
            },
        };
        if there.request != attempt.request {
            return Ok(AttemptStart::OtherRequest);
        }
        if !there.is_open {
            return Ok(there.answer.map_or(AttemptStart::AnsweredUnkept, AttemptStart::Answered));
        }
        // Our own first try, whose answer was lost.
        if there.entropy == attempt.entropy {
            return Ok(AttemptStart::Go(attempt.entropy));
        }
        if there.until_ms >= attempt.began.as_millisecond() {
            return Ok(AttemptStart::UnderWay);
        }
        self.take_over(attempt, &there).await
    }

    async fn answered(&self, attempt: &Attempt, answer: Option<&KeptAnswer>) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.set("st", text(DONE));
        if let Some(answer) = answer {
            let headers =
                serde_json::to_string(&answer.headers).map_err(|_bad| StoreError::Corrupt("headers"))?;
            change
                .set("hh", text(answer.household.as_str()))
                .set("rs", number(answer.status))
                .set("bd", text(&answer.body))
                .set("hd", text(headers));
        }
        self.change_record(attempt, change).await
    }

    async fn reopen(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.set("dl", number(0));
        self.change_record(attempt, change).await
    }

    async fn forget(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.guards)
            .set_key(Some(record_key(attempt)))
            .condition_expression(OURS)
            .expression_attribute_values(":open", text(OPEN))
            .expression_attribute_values(":until", until(attempt));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), DeleteItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(())
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn count(&self, limit: &Limit, subject: &str, now: Timestamp) -> Result<Counted, StoreError> {
        let (span, retry_after_s) = limit.span(now);
        let mut change = Change::default();
        change
            .add("n", number(1))
            .set("ttl", number(now.as_second() + i64::from(retry_after_s)))
            .value("max", number(limit.max));
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.guards)
            .set_key(Some(key(format!("LIMIT#{}#{subject}#{span}", limit.name), META)))
            .update_expression(expression)
            .condition_expression("attribute_not_exists(n) OR n < :max")
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match update.send().await {
            Ok(_) => Ok(Counted::Within),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => {
                    Ok(Counted::Beyond { retry_after_s })
                }
                _ => Err(unavailable(&error)),
            },
        }
    }
}

impl Store {
    fn put_record(&self, attempt: &Attempt, entropy: Entropy) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.guards).set_item(Some(record(attempt, entropy)))
    }

    /// Makes an attempt again that never ended, with what that one made ids of.
    async fn take_over(&self, attempt: &Attempt, there: &Earlier) -> Result<AttemptStart, StoreError> {
        let put = self
            .put_record(attempt, there.entropy)
            .condition_expression(OURS)
            .expression_attribute_values(":open", text(OPEN))
            .expression_attribute_values(":until", number(there.until_ms));
        match put.send().await {
            Ok(_) => Ok(AttemptStart::Go(there.entropy)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(AttemptStart::UnderWay),
                _ => Err(unavailable(&error)),
            },
        }
    }

    /// Changes the record, unless somebody has taken the attempt over.
    async fn change_record(&self, attempt: &Attempt, mut change: Change) -> Result<(), StoreError> {
        change.value("open", text(OPEN)).value("until", until(attempt));
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.guards)
            .set_key(Some(record_key(attempt)))
            .update_expression(expression)
            .condition_expression(OURS)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(unavailable(&error)),
            },
        }
    }
}
