//! Who is in a household, and who becomes what.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{AccessError, Membership, Memberships, Permission, Role};
use crate::{
    ids::{HouseholdId, UserId},
    store::StoreError,
};

/// People in one household: as many as one transaction can let go at once (a row and its twin each, and the household's own).
pub const MOST_MEMBERS: usize = 49;
/// Households that a person may make or join. Whoever does both at once may come to a few more.
pub const MOST_HOUSEHOLDS: usize = 50;
/// Tries of a change while others change the same household.
const TRIES: u32 = 8;

/// Somebody in a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// Since when they are in it.
    pub since: Timestamp,
}

/// A change of somebody's place in a household.
#[derive(Debug, Clone, Copy)]
pub struct MemberChange<'a> {
    /// The household.
    pub household: &'a HouseholdId,
    /// Who does it, and the role that allows it.
    pub by: (&'a UserId, Role),
    /// Whose place changes.
    pub member: &'a UserId,
    /// The role that they have.
    pub from: Role,
    /// The role that they get; none if they go.
    pub to: Option<Role>,
}

impl MemberChange<'_> {
    /// Whether the member may do less afterwards: then no invitation holds any more that they made or may have seen.
    pub fn is_departure(&self) -> bool {
        let place = |role: Role| Role::ALL.into_iter().position(|other| other == role);
        self.to.is_none_or(|to| place(to) > place(self.from))
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is so now.
    Done,
    /// There would be no owner left.
    LastOwner,
    /// Somebody's role, or the household, is not as it was read: read again.
    Moved,
}

/// Reads and changes who is in a household.
#[async_trait]
pub trait Members: Send + Sync {
    /// Everybody in it, ordered by id, read consistently.
    async fn members(&self, household: &HouseholdId) -> Result<Vec<Member>, StoreError>;

    /// Changes somebody's place, in one transaction that requires both roles as they were read, and an owner who stays.
    async fn change(&self, change: &MemberChange<'_>) -> Result<Changed, StoreError>;
}

/// Why somebody's place did not change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberError {
    /// Whoever asks may not, or is not there.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is nobody of that name in the household.
    #[error("there is no such member")]
    NoSuchMember,
    /// There would be no owner left.
    #[error("the last owner must stay")]
    LastOwner,
}

impl From<StoreError> for MemberError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// Gives `member` the role `to`, or lets them go. Everybody may go; else whoever does it must be allowed to manage both the
/// role that was and the one that will be.
pub async fn change_member(
    memberships: &dyn Memberships,
    members: &dyn Members,
    (user, household): (&UserId, &HouseholdId),
    member: &UserId,
    to: Option<Role>,
) -> Result<(), MemberError> {
    for _ in 0..TRIES {
        let own = memberships.membership(user, household).await?.ok_or(AccessError::NotFound)?;
        let from = if member == user {
            own.role
        } else {
            memberships.membership(member, household).await?.ok_or(MemberError::NoSuchMember)?.role
        };
        let leaves = member == user && to.is_none();
        if !leaves && !may_manage(&own, from, to) {
            return Err(AccessError::NotAllowed.into());
        }
        if to == Some(from) {
            return Ok(());
        }
        let change = MemberChange { household, by: (user, own.role), member, from, to };
        match members.change(&change).await? {
            Changed::Done => return Ok(()),
            Changed::LastOwner => return Err(MemberError::LastOwner),
            Changed::Moved => {}
        }
    }
    Err(StoreError::Busy.into())
}

fn may_manage(own: &Membership, from: Role, to: Option<Role>) -> bool {
    [Some(from), to].into_iter().flatten().all(|role| own.role.allows(Permission::Manage(role)))
}
