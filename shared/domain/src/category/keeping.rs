//! What people do with their household's tree, however many do it at the same time.

use super::{Categories, Category, CategoryChange, CategoryError, CategoryUses, NewCategory, Tree, system};
use crate::{
    household::{AccessError, Memberships, Permission, one_household},
    ids::{CategoryId, HouseholdId, UserId},
    store::StoreError,
};

/// How often a command starts over because somebody else was faster.
const TRIES: usize = 40;

/// The household that a category is meant to be in: the named one; else, for one of a household's own, whichever of the
/// user's has it; for the system's, the user's only one. If the user may do `permission` there.
pub async fn household_of(
    memberships: &dyn Memberships,
    categories: &dyn Categories,
    (user, named): (&UserId, Option<&HouseholdId>),
    id: &CategoryId,
    permission: Permission,
) -> Result<HouseholdId, CategoryError> {
    if named.is_some() || system::CATEGORIES.iter().any(|category| category.id == *id) {
        return Ok(one_household(memberships, user, named, permission).await?.household);
    }
    for place in memberships.memberships(user).await? {
        if categories.tree(&place.household).await?.get(id).is_some() {
            let is_allowed = place.role.allows(permission);
            return if is_allowed { Ok(place.household) } else { Err(AccessError::NotAllowed.into()) };
        }
    }
    Err(CategoryError::NotThere)
}

/// Makes a category. One of that id that is there already is left as it is.
pub async fn create(
    categories: &dyn Categories,
    household: &HouseholdId,
    new: &NewCategory,
) -> Result<Category, CategoryError> {
    change_tree(categories, household, &new.id, |tree| tree.add(new)).await
}

/// Changes a category, if it is at `revision` or none is asked for.
pub async fn update(
    categories: &dyn Categories,
    household: &HouseholdId,
    id: &CategoryId,
    change: &CategoryChange,
    revision: Option<u64>,
) -> Result<Category, CategoryError> {
    change_tree(categories, household, id, |tree| tree.change(id, change, revision)).await
}

async fn change_tree(
    categories: &dyn Categories,
    household: &HouseholdId,
    id: &CategoryId,
    change: impl Fn(&mut Tree) -> Result<(), CategoryError>,
) -> Result<Category, CategoryError> {
    for _ in 0..TRIES {
        let read = categories.tree(household).await?;
        let mut tree = read.clone();
        change(&mut tree)?;
        if tree == read || categories.save(household, &tree).await? {
            return tree.get(id).cloned().ok_or(CategoryError::NotThere);
        }
    }
    Err(StoreError::Busy.into())
}

/// Deletes a category, if it is at `revision` or none is asked for, and gives what its id means from now on. One that
/// transactions have goes only with `move_to`, which is one write however many they are.
///
/// Who writes the category on a transaction while it is deleted as unused has written its parent, if it had one.
pub async fn delete(
    categories: &dyn Categories,
    uses: &dyn CategoryUses,
    household: &HouseholdId,
    id: &CategoryId,
    (move_to, revision): (Option<&CategoryId>, Option<u64>),
) -> Result<Option<CategoryId>, CategoryError> {
    for _ in 0..TRIES {
        let mut tree = categories.tree(household).await?;
        let names = tree.names_of(id);
        tree.delete(id, move_to, revision)?;
        if move_to.is_none() {
            let used = uses.uses(household, &names).await?;
            if used > 0 {
                return Err(CategoryError::InUse(used));
            }
        }
        if categories.save(household, &tree).await? {
            return Ok(move_to.and_then(|to| tree.resolve(to)).map(|to| to.id.clone()));
        }
    }
    Err(StoreError::Busy.into())
}
