//! The households that are there from the start: alice and carol in one, bob in another. Their ids are fixed, so that
//! events in files can name them.

use std::collections::BTreeMap;

use domain::{
    household::{HouseholdName, Households, NewHousehold, Role},
    ids::{HouseholdId, UserId},
};
use jiff::Timestamp;
use store::Store;

use crate::StackError;

/// The household of alice and carol.
const ALICES: &str = "hh_a11ce00000000000";
/// The household of bob.
const BOBS: &str = "hh_b0b0000000000000";
/// Everybody who gets a token.
pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StackError> {
    text.parse().map_err(|error| StackError::Seed(format!("{text} {error}")))
}

pub(crate) async fn households(store: &Store) -> Result<(), StackError> {
    let seeds = [
        (ALICES, "Alice's household", vec![("alice", Role::Owner), ("carol", Role::Member)]),
        (BOBS, "Bob's household", vec![("bob", Role::Owner)]),
    ];
    for (household, name, members) in seeds {
        let members: Result<Vec<_>, StackError> =
            members.into_iter().map(|(user, role)| Ok((parse::<UserId>(user)?, role))).collect();
        let new = NewHousehold {
            id: parse::<HouseholdId>(household)?,
            name: parse::<HouseholdName>(name)?,
            members: members?,
            at: Timestamp::now(),
        };
        store.create(&new).await.map_err(|error| StackError::Seed(error.to_string()))?;
    }
    Ok(())
}

/// The household of each user.
pub(crate) fn households_by_user() -> BTreeMap<String, String> {
    [("alice", ALICES), ("carol", ALICES), ("bob", BOBS)]
        .map(|(user, household)| (user.to_owned(), household.to_owned()))
        .into()
}
