//! What a caller sees.

use std::sync::Arc;

use domain::{
    household::{Invitation, Invitations, Role},
    ids::InvitationId,
};
use edge::system::System;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use testkit::{CIRCLE, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, household: &str, id: &str) -> (u16, Value) {
    let deps =
        Deps { memberships: world.store.clone(), invitations: world.store.clone(), clock: Arc::new(System) };
    let path = [("household_id", household), ("invitation_id", id)];
    body(acting!(handle(&deps, request(user, &path, "", &Value::Null))).await)
}

#[tokio::test]
async fn a_withdrawn_invitation_is_gone() {
    let world = World::new().await;
    let household = circle(&world).await;
    let now = Timestamp::now();
    let invitation = Invitation {
        id: InvitationId::from_entropy([1; 10]),
        code_hash: "hash".to_owned(),
        household: household.clone(),
        role: Role::Member,
        by: "admin".parse().unwrap(),
        made: now,
        expires: now + SignedDuration::from_hours(1),
        departures: world.store.departures(&household).await.unwrap(),
        used_by: None,
    };
    world.store.invite(&invitation).await.unwrap();
    let id = invitation.id.as_str();
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 403, 200, 404]) {
        let (status, answer) = call(&world, user, household.as_str(), id).await;
        assert_eq!(status, expected, "{user}: {answer}");
    }
    assert_eq!(world.store.invitation("hash").await.unwrap(), None);
    assert_eq!(world.store.open_invitations(&household, now).await.unwrap(), []);
    for id in [id, "x"] {
        assert_eq!(call(&world, "owner", household.as_str(), id).await.1["code"], "invitation_not_found");
    }
    assert_eq!(
        call(&world, "alice", world.other_household.as_str(), id).await.1["code"],
        "household_not_found"
    );
}
