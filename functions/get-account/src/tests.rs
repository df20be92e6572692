//! What a caller sees.

use domain::sync::{Cause, SyncReads};
use serde_json::Value;
use testkit::{World, acting, body, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, account: &str, query: &str) -> (u16, Value) {
    let deps = Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        household: world.store.clone(),
        categories: world.store.clone(),
    };
    body(acting!(handle(&deps, request(user, &[("account_id", account)], query, &Value::Null))).await)
}

#[tokio::test]
async fn an_account_is_shown_to_members_of_its_household_alone() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    world.run(&at, Cause::Night).await;
    let account = world.store.state(&at).await.unwrap().unwrap().accounts.remove(0);
    for user in ["alice", "carol"] {
        let (status, answer) = call(&world, user, account.id.as_str(), "").await;
        assert_eq!(
            (status, &answer["id"], &answer["name"]),
            (200, &account.id.as_str().into(), &account.name().into())
        );
    }
    for (user, id) in
        [("bob", account.id.as_str()), ("alice", "acc_0000000000000000_0000000000"), ("alice", "x")]
    {
        let (status, answer) = call(&world, user, id, "").await;
        assert_eq!((status, &answer["code"]), (404, &"account_not_found".into()), "{user} {id}");
    }
    assert_eq!(call(&world, "alice", account.id.as_str(), "x=1").await.0, 400);
}
