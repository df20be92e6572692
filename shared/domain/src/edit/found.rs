//! One transaction, wherever it is.

use async_trait::async_trait;

use super::UserHalf;
use crate::{
    household::{AccessError, Memberships, Permission},
    ids::{HouseholdId, ItemRef, TransactionId, UserId},
    search::Listed,
    store::StoreError,
};

/// A transaction with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// What lists show.
    pub listed: Listed,
    /// What is rarely read, as the JSON text of one object.
    pub detail: Option<String>,
}

/// What stands under an id.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The item that it is kept with.
    pub at: ItemRef,
    /// The id under which it is kept.
    pub key: TransactionId,
    /// What people have written on it.
    pub half: UserHalf,
    /// The transaction; none if it is no more, and the person's half waits for another.
    pub whole: Option<Box<Whole>>,
}

/// Finds single transactions.
#[async_trait]
pub trait OneTransaction: Send + Sync {
    /// What stands under an id, any that the transaction has had, in one of these households; read consistently. One
    /// query a household, then one batch read.
    async fn find_one(
        &self,
        households: &[HouseholdId],
        id: &TransactionId,
    ) -> Result<Option<Found>, StoreError>;
}

/// The transaction of that id, in whichever of the user's households it is, if the user may do `permission` there.
///
/// # Errors
/// If there is none, or the user may not.
pub async fn one_transaction(
    memberships: &dyn Memberships,
    transactions: &dyn OneTransaction,
    user: &UserId,
    id: &TransactionId,
    permission: Permission,
) -> Result<Found, AccessError> {
    let places = memberships.memberships(user).await?;
    let households: Vec<_> = places.iter().map(|place| place.household.clone()).collect();
    let found = transactions.find_one(&households, id).await?.ok_or(AccessError::NotFound)?;
    let place = places.iter().find(|place| place.household == found.at.household);
    if place.is_some_and(|place| place.role.allows(permission)) {
        Ok(found)
    } else {
        Err(AccessError::NotAllowed)
    }
}
