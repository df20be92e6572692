//! Transactions that people enter: a row without a bank's digest, which the sync leaves alone.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::delete_item::DeleteItemError,
    types::{AttributeValue, ConditionCheck, TransactWriteItem},
};
use domain::{
    edit::{
        Change as UserChange, Deleted, Edited, Entered, Facts, FactsChange, ManualTransactions,
        NewTransaction, UserHalf,
    },
    ids::{AccountId, HouseholdId, ItemRef, TransactionId},
    store::StoreError,
    transaction::Month,
};

use super::{TRIES, done, find::whole, half::encode};
use crate::{
    Store,
    decode::account,
    edits::user_half,
    encode::{self, SCHEMA, currency, read_currency},
    households::LIVES,
    keys::{self, META},
    outcome::{Cancelled, cancelled, unavailable, unbuildable},
    row::{Change, Reader, Row, key, number, text, texts},
    transactions::account_of,
};

/// Nobody has written since, and a person has entered it.
const AS_READ: &str = "ma = :ma AND ur = :read";
/// The account is kept, by a bank or by hand, and takes new ones.
const IS_OPEN: &str = "attribute_exists(pk) AND (attribute_not_exists(st) OR st IN (:unshared, :manual)) AND \
                       attribute_not_exists(cl)";
/// The item is not on its way out: nobody would come for what is written then.
const STAYS: &str = "attribute_exists(pk) AND hs <> :removing";
/// The place of the row among the actions of a write.
const ROW: usize = 0;

#[async_trait]
impl ManualTransactions for Store {
    async fn enter(&self, new: &NewTransaction) -> Result<Entered, StoreError> {
        let row_key = key(keys::transactions(&new.at), keys::transaction(&new.id));
        let mut change = encode(&new.half);
        facts_of(&mut change, &new.at, &new.id, &new.facts);
        let actions = vec![
            self.update(row_key, change, Some("attribute_not_exists(pk)"))?,
            self.account_is_open(&new.at, &new.facts.account)?,
            self.item_stays(&new.at)?,
            self.add_month(&new.at.household, Month::of(new.facts.date))?,
        ];
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        let Err(error) = request.send().await else { return self.entered(new).await };
        match cancelled(&error) {
            Cancelled::Condition(ROW) => self.entered(new).await,
            Cancelled::Condition(_) => self.why_not_entered(new).await,
            Cancelled::Conflict => Err(StoreError::Busy),
            Cancelled::Failed(error) => Err(error),
        }
    }

    async fn amend(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        (facts, change): (&FactsChange, &UserChange),
        if_rev: Option<u64>,
    ) -> Result<Edited, StoreError> {
        let mut intended: Option<(Facts, UserHalf)> = None;
        for _ in 0..TRIES {
            let Some((key, row)) = self.read_followed(at, id).await? else { return Ok(Edited::NotFound) };
            let Some(stored) = manual_facts(at, &row)? else { return Ok(Edited::NotFound) };
            let stored = (stored, user_half(Reader(&row))?);
            // The answer of our own write was lost: this is what it wrote.
            if intended.as_ref() == Some(&stored) {
                return done(at, key, stored.1, &row);
            }
            let read = stored.1.rev;
            if if_rev.is_some_and(|rev| rev != read) {
                return Ok(Edited::Stale(stored.1));
            }
            let next = (stored.0.with(facts), stored.1.with(change));
            if !next.1.fits() {
                return Ok(Edited::TooMuch);
            }
            match self.write_manual(at, &key, read, &next).await {
                Ok(()) => return self.amended(at, key, next.1).await,
                Err(StoreError::Busy) => intended = Some(next),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    async fn delete(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        if_rev: Option<u64>,
    ) -> Result<Deleted, StoreError> {
        let mut is_tried = false;
        for _ in 0..TRIES {
            let Some((id, row)) = self.read_followed(at, id).await?.filter(|(_, row)| Reader(row).flag("ma"))
            else {
                // It may be gone by our own try, whose answer was lost.
                return Ok(if is_tried { Deleted::Done } else { Deleted::NotFound });
            };
            let read: u64 = Reader(&row).number("ur")?;
            if if_rev.is_some_and(|rev| rev != read) {
                return Ok(Deleted::Stale);
            }
            is_tried = true;
            let delete = self
                .client
                .delete_item()
                .table_name(&self.data)
                .set_key(Some(key(keys::transactions(at), keys::transaction(&id))))
                .condition_expression(AS_READ)
                .expression_attribute_values(":ma", AttributeValue::Bool(true))
                .expression_attribute_values(":read", number(read));
            match delete.send().await {
                Ok(_) => return Ok(Deleted::Done),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(_)) => {}
                    _ => match unavailable(&error) {
                        StoreError::Busy => {}
                        other => return Err(other),
                    },
                },
            }
        }
        Err(StoreError::Busy)
    }
}

impl Store {
    /// Busy if somebody was faster.
    async fn write_manual(
        &self,
        at: &ItemRef,
        id: &TransactionId,
        read: u64,
        (facts, half): &(Facts, UserHalf),
    ) -> Result<(), StoreError> {
        let mut change = encode(half);
        facts_of(&mut change, at, id, facts);
        change.value("read", number(read));
        let row_key = key(keys::transactions(at), keys::transaction(id));
        let row = self.update(row_key, change, Some(AS_READ))?;
        self.transact(vec![row, self.add_month(&at.household, Month::of(facts.date))?]).await
    }

    /// A half that is written, with what stands there by now.
    async fn amended(&self, at: &ItemRef, key: TransactionId, half: UserHalf) -> Result<Edited, StoreError> {
        match self.read_followed(at, &key).await? {
            Some((key, row)) => done(at, key, half, &row),
            None => Ok(Edited::Done { key, half, whole: None }),
        }
    }

    /// What stands there of a transaction that was entered, now or before.
    async fn entered(&self, new: &NewTransaction) -> Result<Entered, StoreError> {
        let row = self.read_followed(&new.at, &new.id).await?;
        let whole = row.map(|(_, row)| whole(&new.at, &row)).transpose()?.flatten();
        // Gone: somebody has deleted it meanwhile, or all of its account.
        Ok(whole.map_or(Entered::NoAccount, |whole| Entered::Done(Box::new(whole))))
    }

    /// Why the account takes nothing.
    async fn why_not_entered(&self, new: &NewTransaction) -> Result<Entered, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&new.at.household), keys::account(&new.facts.account))))
            .consistent_read(true);
        let Some(row) = get.send().await.map_err(|error| unavailable(&error))?.item else {
            return Ok(Entered::NoAccount);
        };
        let account = account(&new.at.item, new.facts.account.tail(), &row)?;
        Ok(if account.state.is_listed() { Entered::Closed } else { Entered::NoAccount })
    }

    fn account_is_open(&self, at: &ItemRef, account: &AccountId) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&at.household), keys::account(account))))
            .condition_expression(IS_OPEN)
            .expression_attribute_values(":unshared", text("unshared"))
            .expression_attribute_values(":manual", text("manual"));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuildable)?).build())
    }

    fn item_stays(&self, at: &ItemRef) -> Result<TransactWriteItem, StoreError> {
        let removing = encode::health_name(domain::item::HealthState::Removing);
        let check = ConditionCheck::builder()
            .table_name(&self.data)
            .set_key(Some(key(keys::household(&at.household), keys::item(&at.item))))
            .condition_expression(STAYS)
            .expression_attribute_values(":removing", text(removing));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuildable)?).build())
    }

    /// The household has transactions in a month, and is not on its way out.
    fn add_month(&self, household: &HouseholdId, month: Month) -> Result<TransactWriteItem, StoreError> {
        let mut change = Change::default();
        change.add("mo", texts([month.to_string()]));
        self.update(key(keys::household(household), META), change, Some(LIVES))
    }
}

/// What a person says in place of a bank, under the names that a bank's facts have.
fn facts_of(change: &mut Change, at: &ItemRef, id: &TransactionId, facts: &Facts) {
    change
        .set("v", number(SCHEMA))
        .set("id", text(id.as_str()))
        .set("ma", AttributeValue::Bool(true))
        .set("ac", text(facts.account.tail()))
        .set("dt", text(facts.date.to_string()))
        .set("nm", text(&facts.name))
        .set("am", number(facts.amount))
        .set("mp", text(keys::month(&at.household, Month::of(facts.date))))
        .set("ms", text(keys::place(facts.date, id)))
        .put("cu", facts.currency.as_ref().map(currency))
        .put("mn", facts.merchant_name.as_ref().map(text))
        .put("pe", facts.pending.then_some(AttributeValue::Bool(true)));
}

/// The facts of a row that a person has entered; none of any other.
fn manual_facts(at: &ItemRef, row: &Row) -> Result<Option<Facts>, StoreError> {
    let row = Reader(row);
    if !row.flag("ma") {
        return Ok(None);
    }
    Ok(Some(Facts {
        account: account_of(at, row).ok_or(StoreError::Corrupt("ac"))?,
        date: row.parsed("dt")?,
        amount: row.decimal("am").ok_or(StoreError::Corrupt("am"))?,
        currency: row.maybe_text("cu").map(read_currency),
        name: row.text("nm")?.to_owned(),
        merchant_name: row.owned("mn"),
        pending: row.flag("pe"),
    }))
}
