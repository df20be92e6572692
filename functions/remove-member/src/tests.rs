//! What a caller sees.

use domain::household::Memberships;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, household: &str, member: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), members: world.store.clone() };
    let path = [("household_id", household), ("user_id", member)];
    body(acting!(handle(&deps, request(user, &path, "", &Value::Null))).await)
}

/// Whom, and what each of the circle is told who wants them out.
const TABLE: [(&str, [u16; 6]); 6] = [
    ("stranger", [404, 404, 404, 404, 404, 404]),
    ("removed", [404, 404, 404, 404, 404, 404]),
    ("viewer", [404, 404, 200, 403, 200, 200]),
    ("member", [404, 404, 403, 200, 200, 200]),
    ("admin", [404, 404, 403, 403, 200, 200]),
    ("owner", [404, 404, 403, 403, 403, 409]),
];

#[tokio::test]
async fn who_may_put_out_whom_and_everybody_may_leave_but_the_last_owner() {
    for (member, expected) in TABLE {
        for (user, expected) in CIRCLE.into_iter().zip(expected) {
            let world = World::new().await;
            let id = circle(&world).await;
            let (status, answer) = call(&world, user, id.as_str(), member).await;
            assert_eq!(status, expected, "{user} removes {member}: {answer}");
            let is_in = world.store.membership(&member.parse().unwrap(), &id).await.unwrap().is_some();
            let was_in = !["stranger", "removed"].contains(&member);
            assert_eq!(is_in, was_in && status != 200, "{user} removes {member}");
        }
    }
}

#[tokio::test]
async fn whoever_was_put_out_can_do_nothing_any_more() {
    let world = World::new().await;
    let id = circle(&world).await;
    let (status, answer) = call(&world, "owner", id.as_str(), "admin").await;
    let expected = json!({"household_id": id.as_str(), "user_id": "admin", "status": "removed"});
    assert_eq!((status, answer), (200, expected));
    assert_eq!(call(&world, "admin", id.as_str(), "member").await.1["code"], "household_not_found");
    assert_eq!(call(&world, "owner", id.as_str(), "admin").await.1["code"], "member_not_found");
    assert_eq!(call(&world, "owner", id.as_str(), "owner").await.1["code"], "last_owner");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_a_store_that_fails_is_said() {
    let world = World::new().await;
    for household in [world.other_household.as_str(), "hh_0000000000000000", "x"] {
        assert_eq!(call(&world, "alice", household, "bob").await.1["code"], "household_not_found");
    }
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let id = world.household.to_string();
    assert_eq!(call(&world, "alice", &id, "carol").await.1["code"], "store_unavailable");
}
