//! What the endpoint says of itself.

use edge::openapi::{Access, Operation};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/openapi.json");
    Operation::new(route, "describe-api", "Get this document", Access::Anybody)
        .answer_object(200, "OpenAPI 3.1.")
        .header("Cache-Control", "For how long it need not be asked for again.")
        .problems(&["invalid_parameter"])
}
