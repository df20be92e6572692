//! Ways into a household: a code that is used once.

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{MOST_HOUSEHOLDS, Membership, Memberships, Role};
use crate::{
    ids::{HouseholdId, InvitationId, UserId, fingerprint},
    secret::InvitationCode,
    store::StoreError,
};

/// Invitations of a household that may be open at a time. Several at once may come to a few more.
pub const MAX_OPEN_INVITATIONS: usize = 50;
/// Tries of an acceptance while others change the same household.
const TRIES: u32 = 8;

/// What is remembered of an invitation: everything but its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What lists call it.
    pub id: InvitationId,
    /// The SHA-256 of the code, in hexadecimal.
    pub code_hash: String,
    /// Where it leads.
    pub household: HouseholdId,
    /// The role that it gives.
    pub role: Role,
    /// Who invites. The invitation holds for as long as they may give that role.
    pub by: UserId,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it may be used, unless somebody leaves the household or gets a lesser role before.
    pub expires: Timestamp,
    /// How often that had happened in the household when it was made.
    pub departures: u64,
    /// Who has used it.
    pub used_by: Option<UserId>,
}

/// What became of an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// They are in the household.
    Joined,
    /// There are as many in it as there may be.
    Full,
    /// The code has been used, whoever invited may not any more, or the household is gone.
    NotThere,
    /// Something changed meanwhile: read again.
    Moved,
}

/// Keeps invitations.
#[async_trait]
pub trait Invitations: Send + Sync {
    /// How often somebody has left a household or got a lesser role: invitations from before do not hold any more.
    async fn departures(&self, household: &HouseholdId) -> Result<u64, StoreError>;

    /// Remembers an invitation until some time after it has expired.
    async fn invite(&self, invitation: &Invitation) -> Result<(), StoreError>;

    /// The invitations of a household that may still be used, by time.
    async fn open_invitations(
        &self,
        household: &HouseholdId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// Ends an invitation. False if it was used, ended or never there.
    async fn withdraw(&self, invitation: &Invitation) -> Result<bool, StoreError>;

    /// The invitation of a code, used and expired ones too.
    async fn invitation(&self, code_hash: &str) -> Result<Option<Invitation>, StoreError>;

    /// Uses an invitation up and lets `user` in, in one transaction that requires it to be unused, whoever invited to be
    /// allowed to still, and the household to have room.
    async fn accept(
        &self,
        invitation: &Invitation,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Accepted, StoreError>;
}

/// Why somebody did not come in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// The code is wrong, used, expired or void: for whoever holds it that is the same.
    #[error("there is no such invitation")]
    NotThere,
    /// The user is in the household already. The invitation is still good.
    #[error("the user is in the household already")]
    AlreadyMember,
    /// The household is full.
    #[error("the household is full")]
    Full,
    /// The user is in as many households as one may be.
    #[error("the user is in too many households")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets whoever holds the code in. The same code of the same user again finds them in it.
pub async fn accept(
    memberships: &dyn Memberships,
    invitations: &dyn Invitations,
    user: &UserId,
    code: &InvitationCode,
    now: Timestamp,
) -> Result<Membership, InvitationError> {
    let code_hash = fingerprint(code.expose());
    for _ in 0..TRIES {
        let found = invitations.invitation(&code_hash).await?;
        let invitation =
            found.filter(|invitation| now < invitation.expires).ok_or(InvitationError::NotThere)?;
        let own = memberships.membership(user, &invitation.household).await?;
        match (&invitation.used_by, own) {
            (Some(by), Some(own)) if by == user => return Ok(own),
            (Some(_), _) => return Err(InvitationError::NotThere),
            (None, Some(_)) => return Err(InvitationError::AlreadyMember),
            // Who has been put out does not let themselves in again.
            (None, None) if invitation.by == *user => return Err(InvitationError::NotThere),
            (None, None) => {}
        }
        if memberships.memberships(user).await?.len() >= MOST_HOUSEHOLDS {
            return Err(InvitationError::TooMany);
        }
        match invitations.accept(&invitation, user, now).await? {
            Accepted::Joined => {
                return Ok(Membership { household: invitation.household, role: invitation.role });
            }
            Accepted::Full => return Err(InvitationError::Full),
            Accepted::NotThere => return Err(InvitationError::NotThere),
            Accepted::Moved => {}
        }
    }
    Err(StoreError::Busy.into())
}
