//! `POST /api/v1/households/{household_id}/invitations` — a code that lets one person into a household, once.
//!
//! Effects: one row, which has the code's hash alone. The code is shown in this answer and nowhere else; a crash leaves an
//! invitation that nobody has.

mod api;
pub mod config;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{
    household::{
        Invitation, Invitations, MAX_OPEN_INVITATIONS, Memberships, Permission, Role, one_household,
    },
    ids::{HouseholdId, InvitationId, fingerprint},
    limit::INVITATIONS,
    secret::InvitationCode,
    time::{Clock, Random, later},
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{Once, once_with_a_secret},
};
use futures::future::try_join;
use jiff::Timestamp;
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
    /// New codes.
    pub random: Arc<dyn Random>,
    /// Requests with a key.
    pub once: Once,
}

/// A week.
const USUAL_HOURS: u32 = 7 * 24;
/// 30 days.
const MOST_HOURS: u32 = 30 * 24;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    /// An owner is made of who is in the household already.
    #[schemars(extend("enum" = ["admin", "member", "viewer"]))]
    role: Role,
    /// 168 without it.
    #[serde(default, deserialize_with = "edge::numbers::whole")]
    #[schemars(range(min = 1, max = MOST_HOURS))]
    expires_in_hours: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Answer<'a> {
    /// What lists call it, and what it is withdrawn by.
    id: InvitationId,
    household_id: HouseholdId,
    role: Role,
    /// Shown once.
    code: &'a str,
    expires_at: Timestamp,
}

/// Invites somebody.
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    once_with_a_secret(&deps.once, request, async |request, _| invite(deps, &request).await).await
}

async fn invite(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    request.query().finish()?;
    let missing = || Problem::not_found("household_not_found", "household");
    let household: HouseholdId = request.path("household_id", missing)?;
    // Whoever invites nobody at all is told so, whatever the body says.
    let least = Permission::Manage(Role::Viewer);
    let place = one_household(&*deps.memberships, &request.user, Some(&household), least).await?;
    let body: Body = request.json()?;
    let lasts = lasts(&body)?;
    if !place.role.allows(Permission::Manage(body.role)) {
        return Err(domain::household::AccessError::NotAllowed.into());
    }
    deps.once.within(&INVITATIONS, &household).await?;
    let code = InvitationCode::random(&*deps.random);
    let now = deps.clock.now();
    let (open, departures) =
        try_join(deps.invitations.open_invitations(&household, now), deps.invitations.departures(&household))
            .await?;
    if open.len() >= MAX_OPEN_INVITATIONS {
        let words = format!("The household has {MAX_OPEN_INVITATIONS} open invitations. Withdraw one first.");
        return Err(Problem::new(422, "too_many_invitations", words));
    }
    let invitation = Invitation {
        id: InvitationId::from_entropy(deps.random.entropy()),
        departures,
        code_hash: fingerprint(code.expose()),
        household,
        role: body.role,
        by: request.user.clone(),
        made: now,
        expires: later(now, lasts),
        used_by: None,
    };
    deps.invitations.invite(&invitation).await?;
    let Invitation { id, household, role, expires, .. } = invitation;
    let answer = Answer { id, household_id: household, role, code: code.expose(), expires_at: expires };
    Reply::json(201, &answer)
}

fn lasts(body: &Body) -> Result<Duration, Problem> {
    if body.role == Role::Owner {
        // A code goes through other hands. Who is in the household can be made an owner.
        return Err(Problem::field("role", "must be admin, member or viewer"));
    }
    match body.expires_in_hours.unwrap_or(USUAL_HOURS) {
        hours @ 1..=MOST_HOURS => Ok(Duration::from_hours(hours.into())),
        _ => Err(Problem::field("expires_in_hours", "must be 1 to 720")),
    }
}
