//! One of each kind of person, to ask who may.

use domain::{
    household::{Households, NewHousehold, Role, change_member},
    ids::HouseholdId,
};
use jiff::Timestamp;

use crate::World;

/// Who asks: everybody that there is to one household.
pub const CIRCLE: [&str; 6] = ["stranger", "removed", "viewer", "member", "admin", "owner"];

/// A household in which all but the stranger are, or were.
pub async fn circle(world: &World) -> HouseholdId {
    let id = HouseholdId::from_entropy([3; 10]);
    let members = [
        ("removed", Role::Owner),
        ("viewer", Role::Viewer),
        ("member", Role::Member),
        ("admin", Role::Admin),
        ("owner", Role::Owner),
    ];
    let members = members.map(|(user, role)| (user.parse().expect("a user"), role)).to_vec();
    let new = NewHousehold {
        id: id.clone(),
        name: "The circle".parse().expect("a name"),
        members,
        at: Timestamp::now(),
    };
    world.store.create(&new).await.expect("a household");
    let [owner, removed] = ["owner", "removed"].map(|user| user.parse().expect("a user"));
    let store = &*world.store;
    change_member(store, store, (&owner, &id), &removed, None).await.expect("a removal");
    id
}
