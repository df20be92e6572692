//! What a caller sees.

use domain::household::{HouseholdEnds, Role};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), households: world.store.clone() };
    body(acting!(handle(&deps, request(user, &[], query, &Value::Null))).await)
}

#[tokio::test]
async fn each_household_says_its_name_and_what_the_caller_is_in_it() {
    let world = World::new().await;
    let id = circle(&world).await;
    for user in CIRCLE {
        let (status, answer) = call(&world, user, "").await;
        let expected = match user {
            "stranger" | "removed" => json!([]),
            role => json!([{
                "id": id.as_str(), "name": "The circle", "role": role, "revision": 1,
                "created_at": answer["households"][0]["created_at"],
            }]),
        };
        assert_eq!((status, &answer["households"]), (200, &expected));
    }
    assert_eq!(call(&world, "alice", "").await.1["households"][0]["role"], json!(Role::Owner));
    assert_eq!(call(&world, "alice", "user=bob").await.0, 400);
}

#[tokio::test]
async fn one_that_ends_is_none_any_more() {
    let world = World::new().await;
    world.store.begin(&"alice".parse().unwrap(), &world.household, None, Timestamp::now()).await.unwrap();
    assert_eq!(call(&world, "alice", "").await, (200, json!({"households": []})));
}

#[tokio::test]
async fn two_reads_are_all_and_a_store_that_fails_is_said() {
    let world = World::new().await;
    circle(&world).await;
    world.aws.take_calls();
    call(&world, "alice", "").await;
    let calls = world.aws.take_calls();
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), [("BatchGetItem".into(), 1), ("Query".into(), 1)]);
    world.aws.fault("Query", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, "alice", "").await.1["code"], "store_unavailable");
}
