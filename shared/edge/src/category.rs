//! Categories as people see them, and what they are told about them.

use domain::{
    category::{Category, CategoryError, CategoryName, Colour, DEEPEST, Icon, Kind, MOST_MOVES, MOST_OWN},
    ids::{CategoryId, HouseholdId},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Problem, problem::FieldError};

/// A category in an answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Category")]
pub struct ShownCategory<'a> {
    id: &'a CategoryId,
    household_id: &'a HouseholdId,
    name: &'a CategoryName,
    parent_id: Option<&'a CategoryId>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(rename = "color")]
    colour: &'a Colour,
    icon: &'a Icon,
    is_system: bool,
    is_active: bool,
    revision: u64,
}

impl<'a> ShownCategory<'a> {
    /// A category as it is in a household.
    pub fn new(household: &'a HouseholdId, category: &'a Category) -> Self {
        Self {
            id: &category.id,
            household_id: household,
            name: &category.name,
            parent_id: category.parent.as_ref(),
            kind: category.kind,
            colour: &category.colour,
            icon: &category.icon,
            is_system: category.is_system,
            is_active: category.is_active,
            revision: category.revision,
        }
    }
}

impl From<CategoryError> for Problem {
    fn from(error: CategoryError) -> Self {
        match error {
            CategoryError::NotThere => Self::not_found("category_not_found", "category"),
            CategoryError::Stale => Self::stale(),
            CategoryError::Exists => Self::new(
                409,
                "category_exists",
                "A category in the same place has this name. It may be one that is not active.",
            ),
            CategoryError::NoParent => {
                Self::field("parent_id", "must be an active category of this household")
            }
            CategoryError::BelowItself => {
                Self::field("parent_id", "must not be the category itself, or one below it")
            }
            CategoryError::TooDeep => {
                Self::field("parent_id", format!("must leave no more than {DEEPEST} categories in a line"))
            }
            CategoryError::NoKind => Self::field("type", "is required without parent_id"),
            CategoryError::OtherKind => Self::field("type", "must be the parent's, if it is given"),
            CategoryError::NoTarget => {
                let message = "must be another active category of this household".to_owned();
                let error = FieldError { field: "move_to".to_owned(), message };
                Self::fields("invalid_parameter", vec![error])
            }
            CategoryError::System => Self::new(
                409,
                "system_category",
                "This category is in every household. It can be renamed, recoloured and deactivated, but neither deleted \
                 nor moved.",
            ),
            CategoryError::HasChildren(count) => {
                let words =
                    format!("There are categories below this one: {count}. Move or delete them first.");
                let count = u64::try_from(count).ok();
                Self { count, ..Self::new(409, "category_has_children", words) }
            }
            CategoryError::InUse(count) => {
                let words = format!(
                    "Transactions have this category: {count}. Send move_to with the category that they are to have instead."
                );
                Self { count: Some(count), ..Self::new(409, "category_in_use", words) }
            }
            CategoryError::TooMany => {
                let words =
                    format!("The household has {MOST_OWN} categories of its own, and may not have more.");
                Self::new(409, "too_many_categories", words)
            }
            CategoryError::TooManyMoves => {
                let words = format!(
                    "The household has deleted {MOST_MOVES} categories that meant others. Deactivate this one instead."
                );
                Self::new(409, "too_many_deleted_categories", words)
            }
            CategoryError::Access(error) => error.into(),
        }
    }
}
