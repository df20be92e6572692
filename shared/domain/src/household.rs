//! Households and what each role in them may do.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ids::{HouseholdId, ItemId, ItemRef, UserId},
    item::{Connection, HealthState},
    store::{OneConnection, StoreError},
};

/// What a member may do, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the household's end included.
    Owner,
    /// Everything but the household's end.
    Admin,
    /// Connects banks and edits.
    Member,
    /// Reads.
    Viewer,
}

/// What somebody wants to do in a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See accounts and transactions.
    Read,
    /// Connect a bank, ask for a sync.
    Connect,
}

impl Role {
    /// The one table of what each role may do.
    pub fn allows(self, permission: Permission) -> bool {
        match (self, permission) {
            (_, Permission::Read) | (Self::Owner | Self::Admin | Self::Member, Permission::Connect) => true,
            (Self::Viewer, Permission::Connect) => false,
        }
    }
}

/// A person's place in a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The household.
    pub household: HouseholdId,
    /// The role in it.
    pub role: Role,
}

/// Who belongs where. Read on every call, consistently: a removed member's token opens nothing.
#[async_trait]
pub trait Memberships: Send + Sync {
    /// The user's place in one household, if any.
    async fn membership(
        &self,
        user: &UserId,
        household: &HouseholdId,
    ) -> Result<Option<Membership>, StoreError>;

    /// All of the user's households, ordered by id.
    async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>, StoreError>;
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// There is no such household, or the user is not in it: for the user that is the same.
    #[error("the user is in no such household")]
    NotFound,
    /// The user's role does not allow it.
    #[error("the user's role does not allow it")]
    NotAllowed,
    /// The user is in more than one household and named none.
    #[error("the user is in more than one household")]
    Ambiguous,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The household that the user named, or the only one there is, if the user may do `permission` in it.
pub async fn one_household(
    port: &dyn Memberships,
    user: &UserId,
    named: Option<&HouseholdId>,
    permission: Permission,
) -> Result<Membership, AccessError> {
    let membership = match named {
        Some(household) => port.membership(user, household).await?.ok_or(AccessError::NotFound)?,
        None => {
            let mut all = port.memberships(user).await?.into_iter();
            match (all.next(), all.next()) {
                (Some(only), None) => only,
                (None, _) => return Err(AccessError::NotFound),
                (Some(_), Some(_)) => return Err(AccessError::Ambiguous),
            }
        }
    };
    if membership.role.allows(permission) { Ok(membership) } else { Err(AccessError::NotAllowed) }
}

/// The household that the user named, or all of the user's, ordered by id.
pub async fn readable_households(
    port: &dyn Memberships,
    user: &UserId,
    named: Option<&HouseholdId>,
) -> Result<Vec<HouseholdId>, AccessError> {
    let all = match named {
        Some(household) => vec![port.membership(user, household).await?.ok_or(AccessError::NotFound)?],
        None => port.memberships(user).await?,
    };
    Ok(all.into_iter().filter(|m| m.role.allows(Permission::Read)).map(|m| m.household).collect())
}

/// The user's item of that id with its accounts, in whichever of the user's households it is, if the user may do
/// `permission` there. One that was removed is not there.
pub async fn one_item(
    port: &dyn Memberships,
    connections: &dyn OneConnection,
    user: &UserId,
    item: &ItemId,
    permission: Permission,
) -> Result<Connection, AccessError> {
    for membership in port.memberships(user).await? {
        let at = ItemRef { household: membership.household, item: item.clone() };
        let Some(found) = connections.connection(&at).await? else { continue };
        if found.item.health.state == HealthState::Removed {
            break;
        }
        let is_allowed = membership.role.allows(permission);
        return if is_allowed { Ok(found) } else { Err(AccessError::NotAllowed) };
    }
    Err(AccessError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_reads_and_connects_nothing() {
        for role in [Role::Owner, Role::Admin, Role::Member, Role::Viewer] {
            assert!(role.allows(Permission::Read));
            assert_eq!(role.allows(Permission::Connect), role != Role::Viewer);
        }
    }
}
