//! What a caller sees.

use domain::{
    category::{CategoryChange, update},
    household::{Households, NewHousehold, Role},
    ids::HouseholdId,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request};

use crate::{Deps, handle};

async fn call(world: &World, user: &str, query: &str) -> (u16, Value) {
    let deps = Deps { memberships: world.store.clone(), categories: world.store.clone() };
    body(acting!(handle(&deps, request(user, &[], query, &Value::Null))).await)
}

#[tokio::test]
async fn who_may_see_a_households_categories() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([404, 404, 200, 200, 200, 200]) {
        let (status, answer) = call(&world, user, &format!("household_id={id}")).await;
        assert_eq!(status, expected, "{user}: {answer}");
    }
}

#[tokio::test]
async fn everybody_has_the_systems_each_after_its_parent() {
    let world = World::new().await;
    let (status, answer) = call(&world, "carol", "").await;
    let all = answer["categories"].as_array().unwrap();
    assert_eq!((status, all.len() > 100), (200, true));
    let place = |id: &str| all.iter().position(|category| category["id"] == id).unwrap();
    assert!(place("s_income") < place("s_income_salary") && place("s_income_salary") < place("s_travel"));
    assert_eq!(
        all[place("s_food_and_drink_coffee")],
        json!({
            "id": "s_food_and_drink_coffee", "household_id": world.household.as_str(), "name": "Coffee",
            "parent_id": "s_food_and_drink", "type": "expense", "color": "#EF6C00", "icon": "cup",
            "is_system": true, "is_active": true, "revision": 1,
        })
    );
}

#[tokio::test]
async fn what_one_household_changes_is_its_own() {
    let world = World::new().await;
    let change = CategoryChange {
        name: Some("Trips".parse().unwrap()),
        is_active: Some(false),
        ..CategoryChange::default()
    };
    let travel = "s_travel".parse().unwrap();
    update(&*world.store, &world.household, &travel, &change, None).await.unwrap();
    for (user, name, is_active) in [("alice", "Trips", false), ("bob", "Travel", true)] {
        let answer = call(&world, user, "").await.1;
        let all = answer["categories"].as_array().unwrap();
        let travel = all.iter().find(|category| category["id"] == "s_travel").unwrap();
        assert_eq!((&travel["name"], &travel["is_active"]), (&json!(name), &json!(is_active)), "{user}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let other = format!("household_id={}", world.other_household);
    assert_eq!(call(&world, "alice", &other).await.1["code"], "household_not_found");
    for (query, field) in [("household_id=x", "household_id"), ("type=income", "type")] {
        let (status, answer) = call(&world, "alice", query).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)));
    }
    let second = NewHousehold {
        id: HouseholdId::from_entropy([8; 10]),
        name: "A second".parse().unwrap(),
        members: vec![("alice".parse().unwrap(), Role::Viewer)],
        at: Timestamp::now(),
    };
    world.store.create(&second).await.unwrap();
    let (status, answer) = call(&world, "alice", "").await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("household_id")));
}

#[tokio::test]
async fn two_reads_are_all_and_a_store_that_fails_is_said() {
    let world = World::new().await;
    let query = format!("household_id={}", world.household);
    world.aws.take_calls();
    call(&world, "alice", &query).await;
    assert_eq!(world.aws.take_calls().into_iter().collect::<Vec<_>>(), [("GetItem".into(), 2)]);
    world.aws.fault("GetItem", 1, 9, Fault::Refuse);
    assert_eq!(call(&world, "alice", &query).await.1["code"], "store_unavailable");
}
