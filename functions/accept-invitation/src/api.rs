//! What the endpoint says of itself.

use edge::openapi::{Access, Operation};

use super::{Answer, Body};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/invitations/accept");
    Operation::new(route, "accept-invitation", "Come into a household", Access::Caller)
        .idempotent()
        .body::<Body>()
        .answer::<Answer>(200, "The household that you are in now, and what you are in it.")
        .problems(&[
            "invitation_not_found",
            "already_member",
            "household_full",
            "too_many_households",
            "too_many_requests",
        ])
}
