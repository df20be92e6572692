//! Households, who is in them, and what each role in them may do.

mod ending;
mod invitation;
mod members;
mod name;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use ending::{EndError, Ending, HouseholdEnds, finish};
pub use invitation::{Accepted, Invitation, InvitationError, Invitations, MAX_OPEN_INVITATIONS, accept};
pub use members::{
    Changed, MOST_HOUSEHOLDS, MOST_MEMBERS, Member, MemberChange, MemberError, Members, change_member,
};
pub use name::{HouseholdName, NameError};

use crate::{
    ids::{HouseholdId, ItemId, ItemRef, UserId},
    item::Connection,
    store::{OneConnection, StoreError},
};

/// What a member may do, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the household's end included.
    Owner,
    /// Names the household, invites and manages members and viewers. Not whom an owner has made an admin or an owner.
    Admin,
    /// Connects banks and edits.
    Member,
    /// Reads.
    Viewer,
}

/// What somebody wants to do in a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See accounts, transactions and members.
    Read,
    /// Connect a bank, ask for a sync, disconnect.
    Connect,
    /// Write on transactions, keep categories.
    Edit,
    /// Give the household another name.
    Rename,
    /// Give somebody this role, or take it from whoever has it.
    Manage(Role),
    /// End the household, with all that is in it.
    Delete,
}

impl Role {
    /// All of them, from most to least.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The one table of what each role may do.
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Connect | Permission::Edit => match self {
                Self::Owner | Self::Admin | Self::Member => true,
                Self::Viewer => false,
            },
            Permission::Rename | Permission::Manage(Self::Member | Self::Viewer) => match self {
                Self::Owner | Self::Admin => true,
                Self::Member | Self::Viewer => false,
            },
            Permission::Manage(Self::Owner | Self::Admin) | Permission::Delete => match self {
                Self::Owner => true,
                Self::Admin | Self::Member | Self::Viewer => false,
            },
        }
    }
}

/// A household as its members see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Household {
    /// Its id.
    pub id: HouseholdId,
    /// Its name.
    pub name: HouseholdName,
    /// Counts the changes of what people call it.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// A household to be made.
#[derive(Debug, Clone)]
pub struct NewHousehold {
    /// Its id.
    pub id: HouseholdId,
    /// Its name.
    pub name: HouseholdName,
    /// Who is in it: at most [`MOST_MEMBERS`].
    pub members: Vec<(UserId, Role)>,
    /// When.
    pub at: Timestamp,
}

/// What became of a new name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renamed {
    /// It is this now.
    Done(Household),
    /// It is not at the revision any more that the caller has seen.
    Stale,
    /// There is no such household, or none any more.
    NotThere,
}

/// Makes and names households.
#[async_trait]
pub trait Households: Send + Sync {
    /// Makes a household with its members, in one transaction. One that is there already is left as it is.
    async fn create(&self, new: &NewHousehold) -> Result<(), StoreError>;

    /// Those of them that are there, ordered by id.
    async fn households(&self, ids: &[HouseholdId]) -> Result<Vec<Household>, StoreError>;

    /// Gives a household another name, if it is at `revision` or none is asked for.
    async fn rename(
        &self,
        household: &HouseholdId,
        name: &HouseholdName,
        revision: Option<u64>,
    ) -> Result<Renamed, StoreError>;
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
/// `permission` there. One that was removed is found as well: it may have accounts that were kept.
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
        let is_allowed = membership.role.allows(permission);
        return if is_allowed { Ok(found) } else { Err(AccessError::NotAllowed) };
    }
    Err(AccessError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table: what is to be done, then owner, admin, member, viewer.
    const TABLE: [(Permission, [bool; 4]); 9] = [
        (Permission::Read, [true, true, true, true]),
        (Permission::Connect, [true, true, true, false]),
        (Permission::Edit, [true, true, true, false]),
        (Permission::Rename, [true, true, false, false]),
        (Permission::Manage(Role::Owner), [true, false, false, false]),
        (Permission::Manage(Role::Admin), [true, false, false, false]),
        (Permission::Manage(Role::Member), [true, true, false, false]),
        (Permission::Manage(Role::Viewer), [true, true, false, false]),
        (Permission::Delete, [true, false, false, false]),
    ];

    #[test]
    fn each_role_may_do_what_the_table_says() {
        for (permission, expected) in TABLE {
            let allowed = Role::ALL.map(|role| role.allows(permission));
            assert_eq!(allowed, expected, "{permission:?}");
        }
    }

    #[test]
    fn who_has_more_may_do_what_who_has_less_may() {
        for (permission, _) in TABLE {
            for [more, less] in [0, 1, 2].map(|n| [Role::ALL[n], Role::ALL[n + 1]]) {
                assert!(more.allows(permission) || !less.allows(permission), "{more:?} {permission:?}");
            }
        }
    }

    #[test]
    fn nobody_makes_somebody_who_may_do_more() {
        for role in Role::ALL {
            for given in Role::ALL.into_iter().filter(|given| role.allows(Permission::Manage(*given))) {
                let gained = TABLE.iter().find(|(what, _)| given.allows(*what) && !role.allows(*what));
                assert_eq!(gained, None, "{role:?} gives {given:?}");
            }
        }
    }
}
