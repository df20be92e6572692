//! `POST /api/v1/invitations/accept` — comes into a household by a code.
//!
//! Effects: one transaction, which uses the code up and lets the caller in. A crash before it leaves the code unused; after it
//! the same request finds the caller in the household.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{
    household::{Invitations, Membership, Memberships, Role, accept},
    ids::HouseholdId,
    limit::CODES,
    secret::InvitationCode,
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{HouseholdReply, Once, once},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use api::operation;

/// What this function reaches the world through.
pub struct Deps {
    /// Who belongs where.
    pub memberships: Arc<dyn Memberships>,
    /// Keeps invitations.
    pub invitations: Arc<dyn Invitations>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Requests with a key.
    pub once: Once,
}

const LONGEST_CODE: usize = 128;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    #[schemars(length(min = 1, max = LONGEST_CODE))]
    code: String,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    household_id: HouseholdId,
    role: Role,
}

/// Lets whoever has the code in.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once(&deps.once, request, async |request, _| enter(deps, &request).await).await
}

async fn enter(deps: &Deps, request: &Request) -> Result<HouseholdReply, Problem> {
    request.query().finish()?;
    let Body { code } = request.json()?;
    // A code is copied with blanks around it, and typed in any case; its own letters are small.
    let code = code.trim().to_lowercase();
    if code.is_empty() || code.chars().count() > LONGEST_CODE {
        return Err(Problem::field("code", "must have 1 to 128 characters"));
    }
    deps.once.within(&CODES, &request.user).await?;
    let (code, now) = (InvitationCode::new(code), deps.clock.now());
    let Membership { household, role } =
        accept(&*deps.memberships, &*deps.invitations, &request.user, &code, now).await?;
    Ok(Reply::json(200, &Answer { household_id: household.clone(), role })?.of(household))
}
