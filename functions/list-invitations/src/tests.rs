//! What a caller sees.

use std::sync::Arc;

use domain::{
    household::{Invitation, Invitations, Role},
    ids::InvitationId,
};
use edge::system::System;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::{CIRCLE, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, household: &str) -> (u16, Value) {
    let deps =
        Deps { memberships: world.store.clone(), invitations: world.store.clone(), clock: Arc::new(System) };
    body(acting!(handle(&deps, request(user, &[("household_id", household)], "", &Value::Null))).await)
}

#[tokio::test]
async fn who_may_invite_sees_what_is_open_and_no_code() {
    let world = World::new().await;
    let id = circle(&world).await;
    let now = Timestamp::now();
    for (number, hours) in [(1, -1), (2, 5), (3, 1)] {
        let invitation = Invitation {
            id: InvitationId::from_entropy([number; 10]),
            code_hash: format!("hash{number}"),
            household: id.clone(),
            role: Role::Member,
            by: "admin".parse().unwrap(),
            made: now + SignedDuration::from_secs(number.into()),
            expires: now + SignedDuration::from_hours(hours),
            departures: world.store.departures(&id).await.unwrap(),
            used_by: None,
        };
        world.store.invite(&invitation).await.unwrap();
    }
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 403, 200, 200]) {
        let (status, answer) = call(&world, user, id.as_str()).await;
        assert_eq!(status, expected, "{user}: {answer}");
        if status == 200 {
            let all = answer["invitations"].as_array().unwrap();
            assert_eq!(all.len(), 2);
            assert_eq!(all[0]["id"], InvitationId::from_entropy([2; 10]).as_str());
            assert_eq!((&all[0]["role"], &all[0]["created_by"]), (&json!("member"), &json!("admin")));
            assert!(!answer.to_string().contains("hash"));
        }
    }
}
