//! What the endpoint says of itself.

use domain::household::Permission;
use edge::{
    category::ShownCategory,
    openapi::{Access, Operation},
};

use super::Body;

/// The endpoint, as `openapi.json` has it.
pub fn operation() -> Operation {
    let route = ("POST", "/api/v1/categories");
    Operation::new(route, "create-category", "Make a category", Access::Allowed(Permission::Edit))
        .about("At the top with a `type`, or below another one, whose type it has. Without a colour or an icon it has its parent's.")
        .idempotent()
        .body::<Body>()
        .answer::<ShownCategory<'_>>(201, "The category.")
        .tagged()
        .problems(&["household_not_found", "category_exists", "too_many_categories"])
}
