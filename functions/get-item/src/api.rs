//! What the endpoint says of itself.

use domain::{household::Permission, ids::ItemId};
use edge::{
    item::ItemView,
    openapi::{Access, Operation},
};

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("GET", "/api/v1/plaid/items/{item_id}");
    Operation::new(route, "get-item", "Get a connection", Access::Allowed(Permission::Read))
        .path::<ItemId>("item_id", "The connection.")
        .answer::<ItemView>(200, "How the connection is, and what to do next.")
        .problems(&["item_not_found"])
}
