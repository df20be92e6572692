//! Categories: what a household counts its money by. One tree of the system's set and the household's own.

mod commands;
mod keeping;
mod look;
mod system;
mod tree;

use std::collections::BTreeSet;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use commands::{CategoryChange, CategoryError, DEEPEST, MOST_MOVES, MOST_OWN, NewCategory};
pub use keeping::{create, delete, household_of, update};
pub use look::{CategoryName, Colour, Icon, LookError};
pub use tree::{BrokenTree, KeptTree, Tree};

use crate::{
    ids::{CategoryId, HouseholdId},
    store::StoreError,
};

/// Which way a category counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Money earned.
    Income,
    /// Money spent.
    Expense,
    /// Money that only changed its place, or is owed.
    Transfer,
}

/// Who says that a transaction is of a category. A household's rules will come between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A person.
    Person,
    /// The bank, by Plaid.
    Bank,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Its name, which no sibling has.
    pub name: CategoryName,
    /// The category that it is a part of.
    pub parent: Option<CategoryId>,
    /// Which way it counts: as its parent does.
    pub kind: Kind,
    /// Its colour.
    pub colour: Colour,
    /// Its icon.
    pub icon: Icon,
    /// Whether it is of the system's set: it can be changed and deactivated, but not deleted or moved.
    pub is_system: bool,
    /// Whether it is offered. One that is not stays on the transactions that have it.
    pub is_active: bool,
    /// Counts its changes, from 1.
    pub revision: u64,
}

/// The category that counts for a transaction, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective<'a> {
    /// The category.
    pub category: &'a Category,
    /// Who says so.
    pub source: Source,
}

/// Keeps each household's tree.
#[async_trait]
pub trait Categories: Send + Sync {
    /// The household's tree, read consistently; the system's, if it has changed nothing.
    async fn tree(&self, household: &HouseholdId) -> Result<Tree, StoreError>;

    /// Keeps `tree`, if the household's is still at the revision that this one was read at; false if somebody was faster.
    /// Saving the same again after a lost answer is success.
    async fn save(&self, household: &HouseholdId, tree: &Tree) -> Result<bool, StoreError>;
}

/// Counts what is of a category.
#[async_trait]
pub trait CategoryUses: Send + Sync {
    /// On how many of the household's transactions a person wrote one of these categories, on the whole or on a part; those
    /// that went away count too, since what was written on them can be moved. Read consistently.
    async fn uses(
        &self,
        household: &HouseholdId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<u64, StoreError>;
}
