//! What a caller sees.

use std::sync::Arc;

use domain::{
    household::{Invitations, MAX_OPEN_INVITATIONS, Role},
    ids::fingerprint,
};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

async fn call(world: &World, request: Request) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        invitations: world.store.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    };
    body(acting!(handle(&deps, request)).await)
}

fn invite(user: &str, household: &str, body: &Value) -> Request {
    request(user, &[("household_id", household)], "", body)
}

async fn invitations(world: &World) -> String {
    world.aws.ask("DynamoDB_20120810.Scan", &json!({"TableName": "GuardsTable"})).await.to_string()
}

#[tokio::test]
async fn who_may_invite_whom() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (role, expected) in [
        ("viewer", [404, 404, 403, 403, 201, 201]),
        ("member", [404, 404, 403, 403, 201, 201]),
        ("admin", [404, 404, 403, 403, 403, 201]),
        ("owner", [404, 404, 403, 403, 400, 400]),
    ] {
        for (user, expected) in CIRCLE.into_iter().zip(expected) {
            let (status, answer) = call(&world, invite(user, id.as_str(), &json!({"role": role}))).await;
            assert_eq!(status, expected, "{user} invites a {role}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_household_has_so_many_open_invitations_and_no_more() {
    let world = World::new().await;
    let id = world.household.as_str();
    let ask = async || call(&world, invite("alice", id, &json!({"role": "viewer"}))).await;
    for _ in 0..MAX_OPEN_INVITATIONS {
        assert_eq!(ask().await.0, 201);
    }
    let (status, answer) = ask().await;
    assert_eq!((status, &answer["code"]), (422, &json!("too_many_invitations")));
    let open = world.store.open_invitations(&world.household, Timestamp::now()).await.unwrap();
    assert!(world.store.withdraw(&open[0]).await.unwrap());
    assert_eq!(ask().await.0, 201);
}

#[tokio::test]
async fn a_code_is_shown_once_and_leads_to_its_invitation() {
    let world = World::new().await;
    let id = world.household.as_str();
    for (hours, expected) in [(Value::Null, 168), (json!(1), 1), (json!(720), 720)] {
        let asked = json!({"role": "member", "expires_in_hours": hours});
        let (status, answer) = call(&world, invite("alice", id, &asked)).await;
        assert_eq!((status, &answer["role"], &answer["household_id"]), (201, &json!("member"), &json!(id)));
        let code = answer["code"].as_str().unwrap();
        let stored = world.store.invitation(&fingerprint(code)).await.unwrap().unwrap();
        assert_eq!((stored.role, stored.by.as_str()), (Role::Member, "alice"));
        assert_eq!(stored.expires.duration_since(stored.made), SignedDuration::from_hours(expected));
        assert_eq!(answer["expires_at"], json!(stored.expires));
        assert!(stored.expires > Timestamp::now());
        assert!(!invitations(&world).await.contains(code));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    for (body, field) in [
        (json!({}), "role"),
        (json!({"role": "boss"}), "role"),
        (json!({"role": "owner"}), "role"),
        (json!({"role": "viewer", "expires_in_hours": 0}), "expires_in_hours"),
        (json!({"role": "viewer", "expires_in_hours": 721}), "expires_in_hours"),
        (json!({"role": "viewer", "expires_in_hours": -1}), "expires_in_hours"),
        (json!({"role": "viewer", "expires_in_hours": 1.5}), "expires_in_hours"),
        (json!({"role": "viewer", "household_id": "hh_1"}), "household_id"),
    ] {
        let (status, answer) = call(&world, invite("alice", world.household.as_str(), &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    for household in [world.other_household.as_str(), "hh_0000000000000000", "x"] {
        let (_, answer) = call(&world, invite("alice", household, &json!({"role": "viewer"}))).await;
        assert_eq!(answer["code"], "household_not_found");
    }
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let (_, answer) =
        call(&world, invite("alice", world.household.as_str(), &json!({"role": "viewer"}))).await;
    assert_eq!(answer["code"], "store_unavailable");
}

#[tokio::test]
async fn a_key_makes_one_invitation_and_its_code_is_kept_nowhere() {
    let world = World::new().await;
    let asked = invite("alice", world.household.as_str(), &json!({"role": "viewer"}));
    let keyed = || with_header(asked.clone(), "idempotency-key", "k");
    let (status, answer) = call(&world, keyed()).await;
    assert_eq!(status, 201);
    let (status, again) = call(&world, keyed()).await;
    assert_eq!((status, &again["code"]), (409, &json!("answer_not_kept")), "{again}");
    let rows = invitations(&world).await;
    assert_eq!(rows.matches("INV#").count(), 1);
    assert!(!rows.contains(answer["code"].as_str().unwrap()));
}
