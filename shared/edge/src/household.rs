//! What people are told about households and who is in them.

use domain::household::{InvitationError, MOST_HOUSEHOLDS, MOST_MEMBERS, MemberError};

use crate::Problem;

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
