//! Who is in a household, whoever else changes it at the same time; and its end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::collections::BTreeSet;

use domain::{
    household::{
        AccessError, Ending, HouseholdEnds, Households, Invitation, InvitationError, Invitations,
        MOST_MEMBERS, Member, MemberError, Members, Memberships, NewHousehold, Renamed, Role, accept,
        change_member,
    },
    ids::{HouseholdId, InvitationId, UserId, fingerprint},
    secret::InvitationCode,
    store::{Added, NewConnections, StoreError},
    time::{Random, later},
    vault::TokenSealer,
};
use futures::future::join_all;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use testkit::{Fault, World};

const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

/// A household of these people.
async fn household(world: &World, members: &[(&str, Role)]) -> HouseholdId {
    let id = HouseholdId::from_entropy([9; 10]);
    let new = NewHousehold {
        id: id.clone(),
        name: "Ours".parse().unwrap(),
        members: members.iter().map(|(name, role)| (user(name), *role)).collect(),
        at: Timestamp::now(),
    };
    world.store.create(&new).await.unwrap();
    id
}

async fn change(
    world: &World,
    id: &HouseholdId,
    by: &str,
    member: &str,
    to: Option<Role>,
) -> Result<(), MemberError> {
    change_member(&*world.store, &*world.store, (&user(by), id), &user(member), to).await
}

async fn members(world: &World, id: &HouseholdId) -> Vec<(String, Role)> {
    let all = world.store.members(id).await.unwrap();
    all.into_iter().map(|Member { user, role, .. }| (user.to_string(), role)).collect()
}

/// The twins agree, and the household's own row counts right.
async fn is_sound(world: &World, id: &HouseholdId) {
    let all = world.store.members(id).await.unwrap();
    for member in &all {
        let place = world.store.membership(&member.user, id).await.unwrap().unwrap();
        assert_eq!(place.role, member.role);
    }
    let key = json!({"pk": {"S": format!("H#{id}")}, "sk": {"S": "META"}});
    let row =
        world.aws.ask("DynamoDB_20120810.GetItem", &json!({"TableName": "DataTable", "Key": key})).await;
    let owners = all.iter().filter(|member| member.role == Role::Owner).count();
    assert_eq!(row["Item"]["ow"]["N"], json!(owners.to_string()));
    assert_eq!(row["Item"]["mb"]["N"], json!(all.len().to_string()));
    let scan = world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": "DataTable"})).await;
    let places = scan["Items"].as_array().unwrap().iter();
    let places = places.filter(|row| row["sk"]["S"] == json!(format!("H#{id}"))).count();
    assert_eq!(places, all.len(), "a place without a twin");
}

fn invitation(id: &HouseholdId, by: &str, role: Role) -> (Invitation, InvitationCode) {
    let code = InvitationCode::random(&edge::system::System);
    let now = Timestamp::now();
    let new = Invitation {
        id: InvitationId::from_entropy(edge::system::System.entropy()),
        code_hash: fingerprint(code.expose()),
        household: id.clone(),
        role,
        by: user(by),
        made: now,
        expires: later(now, HOUR),
        departures: 0,
        used_by: None,
    };
    (new, code)
}

async fn invite(world: &World, id: &HouseholdId, by: &str, role: Role) -> InvitationCode {
    let (new, code) = invitation(id, by, role);
    world.store.invite(&new).await.unwrap();
    code
}

async fn enter(world: &World, name: &str, code: &InvitationCode) -> Result<Role, InvitationError> {
    let entered = accept(&*world.store, &*world.store, &user(name), code, Timestamp::now()).await;
    entered.map(|membership| membership.role)
}

#[tokio::test]
async fn two_owners_who_leave_at_once_leave_one() {
    for _ in 0..20 {
        let world = World::new().await;
        let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Owner)]).await;
        let left = tokio::join!(
            change(&world, &id, "ann", "ann", None),
            change(&world, &id, "ben", "ben", Some(Role::Viewer)),
        );
        let outcomes = [left.0, left.1];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Err(MemberError::LastOwner)), "{outcomes:?}");
        is_sound(&world, &id).await;
    }
}

#[tokio::test]
async fn the_last_owner_neither_leaves_nor_becomes_less() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Admin)]).await;
    for to in [None, Some(Role::Admin), Some(Role::Viewer)] {
        assert_eq!(change(&world, &id, "ann", "ann", to).await, Err(MemberError::LastOwner));
    }
    assert_eq!(change(&world, &id, "ann", "ann", Some(Role::Owner)).await, Ok(()), "what is so already");
    change(&world, &id, "ann", "ben", Some(Role::Owner)).await.unwrap();
    change(&world, &id, "ben", "ann", None).await.unwrap();
    assert_eq!(members(&world, &id).await, [("ben".to_owned(), Role::Owner)]);
    is_sound(&world, &id).await;
}

#[tokio::test]
async fn nobody_does_with_a_role_what_they_have_lost_meanwhile() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Admin), ("cat", Role::Member)]).await;
    // Ben has read that he is an admin; before his write he is none any more.
    let late = domain::household::MemberChange {
        household: &id,
        by: (&user("ben"), Role::Admin),
        member: &user("cat"),
        from: Role::Member,
        to: None,
    };
    change(&world, &id, "ann", "ben", Some(Role::Member)).await.unwrap();
    assert_eq!(world.store.change(&late).await.unwrap(), domain::household::Changed::Moved);
    let refused = change(&world, &id, "ben", "cat", None).await;
    assert_eq!(refused, Err(MemberError::Access(AccessError::NotAllowed)));
    assert_eq!(members(&world, &id).await.len(), 3);
}

#[tokio::test]
async fn a_code_lets_one_in_however_many_come_at_once() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner)]).await;
    let code = invite(&world, &id, "ann", Role::Member).await;
    let names: Vec<String> = (0..10).map(|n| format!("guest-{n}")).collect();
    let entered = join_all(names.iter().map(|name| enter(&world, name, &code))).await;
    assert_eq!(entered.iter().filter(|one| **one == Ok(Role::Member)).count(), 1, "{entered:?}");
    assert_eq!(entered.iter().filter(|one| **one == Err(InvitationError::NotThere)).count(), 9);
    is_sound(&world, &id).await;
    // Whoever used it finds themselves in it; put out, they do not come in by it again.
    let inside = members(&world, &id).await.into_iter().find(|(_, role)| *role == Role::Member).unwrap().0;
    assert_eq!(enter(&world, &inside, &code).await, Ok(Role::Member));
    change(&world, &id, "ann", &inside, None).await.unwrap();
    assert_eq!(enter(&world, &inside, &code).await, Err(InvitationError::NotThere));
}

#[tokio::test]
async fn an_invitation_is_as_good_as_whoever_made_it() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Admin)]).await;
    let code = invite(&world, &id, "ben", Role::Member).await;
    assert_eq!(enter(&world, "ann", &code).await, Err(InvitationError::AlreadyMember));
    change(&world, &id, "ann", "ben", Some(Role::Member)).await.unwrap();
    assert_eq!(enter(&world, "cat", &code).await, Err(InvitationError::NotThere));
    change(&world, &id, "ann", "ben", Some(Role::Admin)).await.unwrap();
    change(&world, &id, "ann", "ben", None).await.unwrap();
    assert_eq!(enter(&world, "ben", &code).await, Err(InvitationError::NotThere), "the way back in");
    assert_eq!(enter(&world, "cat", &code).await, Err(InvitationError::NotThere));
    assert_eq!(
        enter(&world, "cat", &InvitationCode::new("inv_x".into())).await,
        Err(InvitationError::NotThere)
    );
    is_sound(&world, &id).await;
}

#[tokio::test]
async fn an_expired_invitation_is_none() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner)]).await;
    let (new, code) = invitation(&id, "ann", Role::Viewer);
    world.store.invite(&new).await.unwrap();
    let ben = user("ben");
    let late = accept(&*world.store, &*world.store, &ben, &code, new.expires).await;
    assert_eq!(late, Err(InvitationError::NotThere));
    assert_eq!(enter(&world, "ben", &code).await, Ok(Role::Viewer));
}

#[tokio::test]
async fn a_code_is_stored_as_its_hash_alone() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner)]).await;
    let code = invite(&world, &id, "ann", Role::Viewer).await;
    enter(&world, "ben", &code).await.unwrap();
    for table in ["DataTable", "GuardsTable"] {
        let scan = world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": table})).await.to_string();
        assert!(!scan.contains(code.expose().trim_start_matches("inv_")), "{table}");
    }
    let codes: BTreeSet<String> =
        (0..100).map(|_| InvitationCode::random(&edge::system::System).expose().to_owned()).collect();
    assert_eq!(codes.len(), 100);
    assert!(codes.iter().all(|code| code.len() == 4 + 32), "160 bits");
}

#[tokio::test]
async fn a_household_that_is_full_takes_nobody_and_ends_in_one_go() {
    let world = World::new().await;
    let names: Vec<String> = (0..MOST_MEMBERS).map(|n| format!("owner-{n}")).collect();
    let all: Vec<(&str, Role)> = names.iter().map(|name| (name.as_str(), Role::Owner)).collect();
    let id = household(&world, &all).await;
    let code = invite(&world, &id, "owner-0", Role::Viewer).await;
    assert_eq!(enter(&world, "guest", &code).await, Err(InvitationError::Full));
    change(&world, &id, "owner-1", "owner-1", None).await.unwrap();
    // The departure has ended the invitation; another one finds room.
    assert_eq!(enter(&world, "guest", &code).await, Err(InvitationError::NotThere));
    let departures = world.store.departures(&id).await.unwrap();
    let (new, code) = invitation(&id, "owner-0", Role::Viewer);
    world.store.invite(&Invitation { departures, ..new }).await.unwrap();
    assert_eq!(enter(&world, "guest", &code).await, Ok(Role::Viewer));
    is_sound(&world, &id).await;
    assert_eq!(
        world.store.begin(&user("owner-2"), &id, None, Timestamp::now()).await.unwrap(),
        Ending::Begun
    );
    world.store.end(&id).await.unwrap();
    let scan = world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": "DataTable"})).await.to_string();
    assert!(!scan.contains(id.as_str()), "{scan}");
}

#[tokio::test]
async fn in_a_household_that_ends_nobody_can_do_anything() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Owner)]).await;
    let code = invite(&world, &id, "ann", Role::Member).await;
    let stale = world.store.begin(&user("ann"), &id, Some(7), Timestamp::now()).await.unwrap();
    assert_eq!(stale, Ending::Stale);
    assert_eq!(world.store.begin(&user("ann"), &id, Some(1), Timestamp::now()).await.unwrap(), Ending::Begun);
    assert_eq!(
        world.store.begin(&user("ann"), &id, Some(1), Timestamp::now()).await.unwrap(),
        Ending::Begun,
        "again"
    );
    assert_eq!(world.store.membership(&user("ann"), &id).await.unwrap(), None);
    assert_eq!(world.store.memberships(&user("ben")).await.unwrap(), []);
    assert_eq!(world.store.households(std::slice::from_ref(&id)).await.unwrap(), []);
    let renamed = world.store.rename(&id, &"New".parse().unwrap(), None).await.unwrap();
    assert_eq!(renamed, Renamed::NotThere);
    assert_eq!(enter(&world, "cat", &code).await, Err(InvitationError::NotThere));
    let left = change(&world, &id, "ann", "ann", None).await;
    assert_eq!(left, Err(MemberError::Access(AccessError::NotFound)));
    // Only its owners can go on with its end.
    assert_eq!(world.store.place(&user("ben"), &id).await.unwrap().unwrap().role, Role::Owner);
    assert_eq!(world.store.place(&user("cat"), &id).await.unwrap(), None);
    world.store.end(&id).await.unwrap();
    assert_eq!(world.store.begin(&user("ann"), &id, None, Timestamp::now()).await.unwrap(), Ending::NotThere);
}

#[tokio::test]
async fn no_bank_is_connected_in_a_household_that_ends() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    let sealed = world.sealer.seal(&at, &token).await.unwrap();
    world.store.begin(&user("alice"), &at.household, None, Timestamp::now()).await.unwrap();
    let new = domain::item::NewItem {
        at: domain::ids::ItemRef { item: domain::ids::ItemId::from_entropy([8; 10]), ..at.clone() },
        user: user("alice"),
        plaid_item: "another".parse().unwrap(),
        institution: None,
        institution_name: None,
        token: sealed,
        at_time: Timestamp::now(),
        awaits_admission: false,
    };
    assert_eq!(world.store.add(&new).await.unwrap(), Added::NoHousehold);
    assert_eq!(
        world.store.remove_items(&at.household, Timestamp::now()).await.unwrap(),
        std::slice::from_ref(&at)
    );
    world.store.end(&at.household).await.unwrap();
    assert_eq!(world.store.add(&new).await.unwrap(), Added::NoHousehold, "nor in one that is gone");
}

#[tokio::test]
async fn a_rename_requires_the_revision_that_was_seen() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner)]).await;
    let rename = |name: &str, seen| {
        let name = name.parse().unwrap();
        let (store, id) = (world.store.clone(), id.clone());
        async move { store.rename(&id, &name, seen).await.unwrap() }
    };
    let Renamed::Done(named) = rename("One", Some(1)).await else { unreachable!("it is at 1") };
    assert_eq!((named.name.as_str(), named.revision), ("One", 2));
    assert_eq!(rename("Two", Some(1)).await, Renamed::Stale);
    let Renamed::Done(named) = rename("Three", None).await else { unreachable!("nothing was required") };
    assert_eq!((named.name.as_str(), named.revision), ("Three", 3));
}

#[tokio::test]
async fn what_the_store_does_not_say_is_not_taken_for_done() {
    let world = World::new().await;
    let id = household(&world, &[("ann", Role::Owner), ("ben", Role::Member)]).await;
    let code = invite(&world, &id, "ann", Role::Member).await;
    world.aws.fault("TransactWriteItems", 0, 99, Fault::Refuse);
    let unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    let entered = enter(&world, "cat", &code).await;
    assert!(matches!(&entered, Err(InvitationError::Store(error)) if unavailable(error)), "{entered:?}");
    let left = change(&world, &id, "ben", "ben", None).await;
    let is_told = matches!(&left, Err(MemberError::Access(AccessError::Store(error))) if unavailable(error));
    assert!(is_told, "{left:?}");
    world.aws.heal();
    assert_eq!(members(&world, &id).await.len(), 2);
    assert_eq!(enter(&world, "cat", &code).await, Ok(Role::Member));
}

#[derive(Debug, Clone)]
struct Step {
    by: usize,
    member: usize,
    to: Option<Role>,
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let role = prop::option::of(prop::sample::select(Role::ALL.to_vec()));
    let step = (0..4_usize, 0..4_usize, role).prop_map(|(by, member, to)| Step { by, member, to });
    prop::collection::vec(prop::collection::vec(step, 1..4), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever people do to each other, some of it at once: an owner is left, and the rows agree.
    #[test]
    fn there_is_always_an_owner(rounds in steps()) {
        const NAMES: [&str; 4] = ["ann", "ben", "cat", "dan"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let id = household(&world, &[
                ("ann", Role::Owner), ("ben", Role::Owner), ("cat", Role::Admin), ("dan", Role::Viewer),
            ]).await;
            for round in rounds {
                join_all(round.iter().map(|step| {
                    change(&world, &id, NAMES[step.by], NAMES[step.member], step.to)
                })).await;
                let owners = members(&world, &id).await;
                assert!(owners.iter().any(|(_, role)| *role == Role::Owner), "{owners:?}");
                is_sound(&world, &id).await;
            }
        });
    }
}
