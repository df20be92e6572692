//! What people decide about accounts, and the accounts that they keep themselves.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    account::{
        Account, AccountChange, AccountEdited, AccountEdits, AccountHalf, AccountState, Balances,
        BankAccount, NewManualAccount,
    },
    bank::HistoryStatus,
    ids::{AccountId, ItemRef, PlaidAccountId},
    item::{Health, HealthState},
    store::StoreError,
    sync::{AccountWrite, Edit},
};

use crate::{
    Store, decode,
    encode::{self, SCHEMA},
    keys, merging,
    outcome::{Cancelled, cancelled, unavailable},
    row::{Change, Row, key, number, text},
};

/// How often a change starts over because somebody else was at the row.
const TRIES: usize = 8;
/// Stands where Plaid's id would: no bank knows of the account.
const NO_BANK: &str = "manual";
/// Nobody has decided anything since, and the account is kept as it was.
const FIRST: &str = "attribute_exists(pk) AND attribute_not_exists(ar)";
const LATER: &str = "ar = :read";

#[async_trait]
impl AccountEdits for Store {
    async fn open(&self, new: &NewManualAccount) -> Result<bool, StoreError> {
        let account = manual_account(new)?;
        let actions = vec![
            self.put_new(item_row(new))?,
            self.update(
                account_key(&new.at, &account.id),
                encode::account(&AccountWrite::from(&account)),
                None,
            )?,
            self.lives(&new.at.household)?,
        ];
        for _ in 0..TRIES {
            let request = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            let Err(error) = request.send().await else { return Ok(true) };
            match cancelled(&error) {
                // Our ids are random: a row that is there is our own first try.
                Cancelled::Condition(0) => return Ok(true),
                Cancelled::Condition(_) => return Ok(false),
                Cancelled::Conflict => {}
                Cancelled::Failed(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    async fn change_account(
        &self,
        at: &ItemRef,
        account: &AccountId,
        change: &AccountChange,
        if_rev: Option<u64>,
    ) -> Result<AccountEdited, StoreError> {
        let is_manuals = change.closed.is_some() || change.balance != Edit::Keep;
        let mut intended: Option<AccountHalf> = None;
        for _ in 0..TRIES {
            let found = self.account(at, account).await?;
            let Some((found, row)) = found.filter(|(found, _)| found.state.is_listed()) else {
                return Ok(AccountEdited::NotFound);
            };
            // The answer of our own write was lost: this is what it wrote.
            if intended.as_ref() == Some(&found.half) {
                return Ok(AccountEdited::Done(Box::new(found)));
            }
            if is_manuals && found.state != AccountState::Manual {
                return Ok(AccountEdited::NotManual);
            }
            if if_rev.is_some_and(|rev| rev != found.half.rev) {
                return Ok(AccountEdited::Stale);
            }
            let read = found.half.rev;
            let half = found.half.with(change);
            match self
                .write_account(at, account, (read, row.get("st").cloned()), &half, change.is_alone)
                .await
            {
                Ok(Some(row)) => {
                    let account = decode::account(&at.item, account.tail(), &row)?;
                    return Ok(AccountEdited::Done(Box::new(account)));
                }
                Ok(None) | Err(StoreError::Busy) => intended = Some(half),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

impl Store {
    /// An account with its row, read consistently.
    async fn account(&self, at: &ItemRef, account: &AccountId) -> Result<Option<(Account, Row)>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.data)
            .set_key(Some(account_key(at, account)))
            .consistent_read(true);
        let Some(row) = get.send().await.map_err(|error| unavailable(&error))?.item else { return Ok(None) };
        Ok(Some((decode::account(&at.item, account.tail(), &row)?, row)))
    }

    /// The row as it is now; none if somebody was faster.
    async fn write_account(
        &self,
        at: &ItemRef,
        account: &AccountId,
        (read, state): (u64, Option<AttributeValue>),
        half: &AccountHalf,
        is_alone: bool,
    ) -> Result<Option<Row>, StoreError> {
        let flag = |is_set: bool| is_set.then_some(AttributeValue::Bool(true));
        let mut change = Change::default();
        change
            .set("ar", number(half.rev))
            .put("un", half.name.as_ref().map(text))
            .put("xb", flag(half.is_left_out))
            .put("uh", flag(half.hidden))
            .put("cl", flag(half.closed))
            .put("ub", half.balance.map(number));
        if is_alone {
            change.set("tw", merging::alone());
        }
        if read > 0 {
            change.value("read", number(read));
        }
        let condition = if read > 0 { LATER } else { FIRST };
        let as_it_was = if state.is_some() { "st = :state" } else { "attribute_not_exists(st)" };
        if let Some(state) = state {
            change.value("state", state);
        }
        let (expression, names, values) = change.finish();
        let update = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(account_key(at, account)))
            .update_expression(expression)
            .condition_expression(format!("{condition} AND {as_it_was}"))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(unavailable(&error)),
            },
        }
    }
}

/// The primary key of an account's row.
pub(crate) fn account_key(at: &ItemRef, account: &AccountId) -> Row {
    key(keys::household(&at.household), keys::account(account))
}

/// The one account of an item that is connected to nothing.
fn manual_account(new: &NewManualAccount) -> Result<Account, StoreError> {
    let no_bank: PlaidAccountId = NO_BANK.parse().map_err(|_bad| StoreError::Corrupt("pi"))?;
    let bank = BankAccount {
        name: new.name.clone(),
        kind: new.kind.clone(),
        subtype: new.subtype.clone(),
        balances: Balances { current: new.balance, ..Balances::default() },
        currency: Some(new.currency.clone()),
        ..BankAccount::placeholder(no_bank.clone())
    };
    let id = AccountId::derive(&new.at.item, &no_bank);
    Ok(Account { state: AccountState::Manual, ..Account::new(id, bank) })
}

/// An item like one whose connection went and whose accounts were kept. Nothing looks at it by itself, as long as nothing of
/// it is to be erased.
fn item_row(new: &NewManualAccount) -> Row {
    let mut row = key(keys::household(&new.at.household), keys::item(&new.at.item));
    let health = Health { state: HealthState::Removed, ..Health::healthy(new.now) };
    let fields = [
        ("v", number(SCHEMA)),
        ("rev", number(1)),
        ("want", number(0)),
        ("done", number(0)),
        ("us", text(new.user.as_str())),
        ("pi", text(NO_BANK)),
        ("hs", text(encode::health_name(health.state))),
        ("ha", text(health.since.to_string())),
        ("hi", text(HistoryStatus::Unknown.as_str())),
        ("ct", text(new.now.to_string())),
    ];
    row.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    row
}
