//! What the endpoint says of itself.

use edge::openapi::{Access, Operation};

use super::Answer;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/households");
    Operation::new(route, "list-households", "List your households", Access::Caller)
        .answer::<Answer>(200, "The households that you are in, and what you are in each.")
}
