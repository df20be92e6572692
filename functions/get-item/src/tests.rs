//! What a caller sees.

use domain::sync::Cause;
use serde_json::Value;
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, item: &str, query: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        categories: world.store.clone(),
    };
    body(acting!(handle(&deps, request(user, &[("item_id", item)], query, &Value::Null))).await)
}

#[tokio::test]
async fn a_connection_is_shown_to_members_of_its_household_alone() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Night).await;
    for user in ["alice", "carol"] {
        let (status, answer) = call(&world, user, at.item.as_str(), "").await;
        assert_eq!(
            (status, &answer["id"], &answer["health"]),
            (200, &at.item.as_str().into(), &"healthy".into())
        );
        assert_eq!(answer["account_ids"].as_array().unwrap().len(), 3);
    }
    for (user, id) in [("bob", at.item.as_str()), ("alice", "itm_0000000000000000"), ("alice", "x")] {
        let (status, answer) = call(&world, user, id, "").await;
        assert_eq!((status, &answer["code"]), (404, &"item_not_found".into()), "{user} {id}");
    }
    assert_eq!(call(&world, "alice", at.item.as_str(), "x=1").await.0, 400);
}
