//! What a caller sees.

use domain::household::{Memberships, Role};
use edge::http::Request;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, request: Request) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), members: world.store.clone() };
    body(acting!(handle(&deps, request)).await)
}

fn change(user: &str, household: &str, member: &str, body: &Value) -> Request {
    request(user, &[("household_id", household), ("user_id", member)], "", body)
}

/// Who asks, in the order of the circle, for whom and what, and what they are told.
const TABLE: [(&str, &str, [u16; 6]); 8] = [
    ("viewer", "member", [404, 404, 403, 403, 200, 200]),
    ("member", "viewer", [404, 404, 403, 403, 200, 200]),
    ("member", "admin", [404, 404, 403, 403, 403, 200]),
    ("member", "owner", [404, 404, 403, 403, 403, 200]),
    ("admin", "viewer", [404, 404, 403, 403, 403, 200]),
    ("owner", "admin", [404, 404, 403, 403, 403, 409]),
    ("removed", "viewer", [404, 404, 404, 404, 404, 404]),
    ("stranger", "owner", [404, 404, 404, 404, 404, 404]),
];

#[tokio::test]
async fn who_may_change_whose_role() {
    for (member, to, expected) in TABLE {
        for (user, expected) in CIRCLE.into_iter().zip(expected) {
            let world = World::new().await;
            let id = circle(&world).await;
            let (status, answer) =
                call(&world, change(user, id.as_str(), member, &json!({"role": to}))).await;
            assert_eq!(status, expected, "{user} makes {member} {to}: {answer}");
            let place = world.store.membership(&member.parse().unwrap(), &id).await.unwrap();
            let role = place.map(|place| json!(place.role));
            let was = (!["removed", "stranger"].contains(&member)).then(|| json!(member));
            assert_eq!(role, if status == 200 { Some(json!(to)) } else { was }, "{user} {member} {to}");
        }
    }
}

#[tokio::test]
async fn nobody_makes_more_of_themselves_and_everybody_may_become_less_only_by_the_table() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, to, expected) in [
        ("viewer", "owner", 403),
        ("member", "admin", 403),
        ("admin", "owner", 403),
        // Who may not unmake admins does not unmake themselves: they leave.
        ("admin", "viewer", 403),
        ("owner", "viewer", 409),
    ] {
        let (status, answer) = call(&world, change(user, id.as_str(), user, &json!({"role": to}))).await;
        assert_eq!(status, expected, "{user} becomes {to}: {answer}");
    }
    call(&world, change("owner", id.as_str(), "admin", &json!({"role": "owner"}))).await;
    let (status, answer) =
        call(&world, change("owner", id.as_str(), "owner", &json!({"role": "viewer"}))).await;
    assert_eq!((status, &answer["role"]), (200, &json!("viewer")), "{answer}");
    let place = world.store.membership(&"owner".parse().unwrap(), &id).await.unwrap().unwrap();
    assert_eq!(place.role, Role::Viewer);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let id = world.household.to_string();
    for (body, field) in [
        (json!({}), "role"),
        (json!({"role": "boss"}), "role"),
        (json!({"role": "viewer", "user_id": "bob"}), "user_id"),
    ] {
        let (status, answer) = call(&world, change("alice", &id, "carol", &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{answer}");
    }
    let viewer = json!({"role": "viewer"});
    for member in ["nobody", "", "a\nb"] {
        assert_eq!(call(&world, change("alice", &id, member, &viewer)).await.1["code"], "member_not_found");
    }
    for household in [world.other_household.as_str(), "x"] {
        let (_, answer) = call(&world, change("alice", household, "bob", &viewer)).await;
        assert_eq!(answer["code"], "household_not_found");
    }
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let member = json!({"role": "member"});
    assert_eq!(call(&world, change("alice", &id, "carol", &member)).await.1["code"], "store_unavailable");
}
