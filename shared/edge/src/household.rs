//! What people are told about households and who is in them.

use domain::{
    household::{
        Household, HouseholdName, InvitationError, MOST_HOUSEHOLDS, MOST_MEMBERS, MemberError, Role,
    },
    ids::HouseholdId,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Problem, http::Reply};

/// A household as answers show it: one shape, whichever endpoint answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HouseholdView {
    /// Its id.
    pub id: HouseholdId,
    /// Its name.
    pub name: HouseholdName,
    /// The caller's.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// What `If-Match` requires of it, in quotes.
    pub revision: u64,
}

impl HouseholdView {
    /// The view of a household for somebody who has this role in it.
    pub fn new(household: Household, role: Role) -> Self {
        let Household { id, name, revision, created } = household;
        Self { id, name, role, created_at: created, revision }
    }

    /// An answer that shows it alone, with its entity tag.
    ///
    /// # Errors
    /// Never, as long as it is JSON.
    pub fn reply(&self, status: u16) -> Result<Reply, Problem> {
        Ok(Reply::json(status, self)?.tagged(self.revision))
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Access(error) => error.into(),
            MemberError::NoSuchMember => {
                Self::new(404, "member_not_found", "There is no such member in this household.")
            }
            MemberError::LastOwner => Self::new(
                409,
                "last_owner",
                "A household needs an owner. Make somebody else an owner first, or delete the household.",
            ),
        }
    }
}

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::NotThere => Self::new(
                404,
                "invitation_not_found",
                "This invitation is not good any more, or never was. Ask for a new one.",
            ),
            InvitationError::AlreadyMember => {
                Self::new(409, "already_member", "You are in this household already.")
            }
            InvitationError::Full => Self::new(
                409,
                "household_full",
                format!("The household has {MOST_MEMBERS} members, and may not have more."),
            ),
            InvitationError::TooMany => Self::too_many_households(),
            InvitationError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    /// 409: the caller is in as many households as one may be.
    pub fn too_many_households() -> Self {
        let words = format!("You are in {MOST_HOUSEHOLDS} households, and may not be in more.");
        Self::new(409, "too_many_households", words)
    }
}
