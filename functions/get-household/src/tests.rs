//! What a caller sees.

use serde_json::{Value, json};
use testkit::{CIRCLE, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, household: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), households: world.store.clone() };
    body(acting!(handle(&deps, request(user, &[("household_id", household)], query, &Value::Null))).await)
}

#[tokio::test]
async fn a_household_is_shown_to_its_members_alone() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 200, 200, 200, 200]) {
        let (status, answer) = call(&world, user, id.as_str(), "").await;
        assert_eq!(status, expected, "{user}: {answer}");
        if status == 200 {
            assert_eq!((&answer["id"], &answer["role"]), (&json!(id.as_str()), &json!(user)));
        }
    }
    assert_eq!(call(&world, "owner", "x", "").await.1["code"], "household_not_found");
    assert_eq!(call(&world, "owner", id.as_str(), "x=1").await.0, 400);
}
