//! What a caller sees.

use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, household: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), members: world.store.clone() };
    body(acting!(handle(&deps, request(user, &[("household_id", household)], query, &Value::Null))).await)
}

#[tokio::test]
async fn everybody_in_a_household_sees_who_is_in_it_and_nobody_else_does() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 200, 200, 200, 200]) {
        let (status, answer) = call(&world, user, id.as_str(), "").await;
        assert_eq!(status, expected, "{user}: {answer}");
        if status == 200 {
            let members = answer["members"].as_array().unwrap().iter();
            let shown: Vec<_> = members.map(|member| (&member["user_id"], &member["role"])).collect();
            let all = ["admin", "member", "owner", "viewer"].map(|name| json!(name));
            assert_eq!(shown, all.iter().map(|name| (name, name)).collect::<Vec<_>>());
            assert!(answer["members"][0]["member_since"].is_string());
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_a_store_that_fails_is_said() {
    let world = World::new().await;
    for household in [world.other_household.as_str(), "hh_0000000000000000", "x"] {
        assert_eq!(call(&world, "alice", household, "").await.1["code"], "household_not_found");
    }
    assert_eq!(call(&world, "alice", world.household.as_str(), "role=owner").await.0, 400);
    world.aws.fault("Query", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, "alice", world.household.as_str(), "").await.1["code"], "store_unavailable");
}
