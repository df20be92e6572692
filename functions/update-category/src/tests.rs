//! What a caller sees.

use domain::{
    category::{Kind, NewCategory, create},
    household::{Households, NewHousehold, Role},
    ids::{CategoryId, HouseholdId},
};
use edge::http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps { memberships: world.store.clone(), categories: world.store.clone() }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn change(user: &str, id: &str, query: &str, body: &Value) -> Request {
    request(user, &[("category_id", id)], query, body)
}

/// One of a household's own.
async fn own(world: &World, household: &HouseholdId, n: u8, parent: Option<&str>) -> CategoryId {
    let new = NewCategory {
        id: CategoryId::from_entropy([n; 10]),
        name: format!("Own {n}").parse().unwrap(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        kind: parent.is_none().then_some(Kind::Income),
        colour: None,
        icon: None,
    };
    create(&*world.store, household, &new).await.unwrap().id
}

#[tokio::test]
async fn who_may_change_a_category_named_by_its_household_or_not() {
    let world = World::new().await;
    let household = circle(&world).await;
    let id = own(&world, &household, 1, None).await;
    for query in [format!("household_id={household}"), String::new()] {
        for (user, expected) in CIRCLE.into_iter().zip([404, 404, 403, 200, 200, 200]) {
            let renamed = json!({"name": format!("{user} {}", query.len())});
            let (status, answer) = call(&world, change(user, id.as_str(), &query, &renamed)).await;
            assert_eq!(status, expected, "{user}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_is_said_changes_and_the_rest_stays() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, Some("s_travel")).await;
    let asked = json!({"name": " Trips ", "color": "#00ff00", "icon": "tent", "is_active": false});
    let reply = acting!(handle(&deps(&world), change("alice", id.as_str(), "", &asked))).await.unwrap();
    assert_eq!((reply.status, reply.headers), (200, vec![("etag", "\"2\"".to_owned())]));
    let mut expected = json!({
        "id": id.as_str(), "household_id": world.household.as_str(), "name": "Trips", "parent_id": "s_travel",
        "type": "expense", "color": "#00FF00", "icon": "tent", "is_system": false, "is_active": false,
        "revision": 2,
    });
    assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap(), expected);
    // Nothing is said: nothing changes.
    assert_eq!(call(&world, change("alice", id.as_str(), "", &json!({}))).await, (200, expected.clone()));
    let moved = call(&world, change("alice", id.as_str(), "", &json!({"parent_id": "s_income"}))).await.1;
    expected["parent_id"] = json!("s_income");
    expected["type"] = json!("income");
    expected["revision"] = json!(3);
    assert_eq!(moved, expected);
    let at_top = call(&world, change("alice", id.as_str(), "", &json!({"parent_id": null}))).await.1;
    assert_eq!((&at_top["parent_id"], &at_top["type"]), (&Value::Null, &json!("income")));
}

#[tokio::test]
async fn one_of_the_system_is_changed_here_alone_and_stays_in_its_place() {
    let world = World::new().await;
    let renamed = json!({"name": "Flying", "is_active": false});
    let (status, answer) = call(&world, change("alice", "s_travel_flights", "", &renamed)).await;
    assert_eq!((status, &answer["name"], &answer["is_system"]), (200, &json!("Flying"), &json!(true)));
    let (_, theirs) = call(&world, change("bob", "s_travel_flights", "", &json!({}))).await;
    assert_eq!((&theirs["name"], &theirs["revision"]), (&json!("Flights"), &json!(1)));
    for parent in [json!(null), json!("s_income")] {
        let moved = change("alice", "s_travel_flights", "", &json!({"parent_id": parent}));
        assert_eq!(call(&world, moved).await.1["code"], "system_category");
    }
    // Whose it is has to be said by who is in several.
    let second = NewHousehold {
        id: HouseholdId::from_entropy([8; 10]),
        name: "A second".parse().unwrap(),
        members: vec![("alice".parse().unwrap(), Role::Owner)],
        at: Timestamp::now(),
    };
    world.store.create(&second).await.unwrap();
    let (status, answer) = call(&world, change("alice", "s_travel", "", &json!({}))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!("household_id")));
    let own = own(&world, &second.id, 1, None).await;
    let found = call(&world, change("alice", own.as_str(), "", &json!({}))).await.1;
    assert_eq!(found["household_id"], second.id.as_str());
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_not_overwritten() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, None).await;
    let with = |name: &str, tag| {
        with_header(change("alice", id.as_str(), "", &json!({"name": name})), "if-match", tag)
    };
    assert_eq!(call(&world, with("One", "\"1\"")).await.0, 200);
    for stale in ["\"1\"", "W/\"2\"", "2"] {
        let (status, answer) = call(&world, with("Two", stale)).await;
        assert_eq!((status, &answer["code"]), (412, &json!("precondition_failed")), "{stale}");
    }
    let any = call(&world, with("Three", "*")).await.1;
    assert_eq!((&any["name"], &any["revision"]), (&json!("Three"), &json!(3)));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let world = World::new().await;
    let id = own(&world, &world.household, 1, Some("s_travel")).await;
    let below = own(&world, &world.household, 2, Some(id.as_str())).await;
    for (body, field) in [
        (json!({"name": null}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"color": "#12"}), "color"),
        (json!({"color": null}), "color"),
        (json!({"icon": "A"}), "icon"),
        (json!({"is_active": null}), "is_active"),
        (json!({"is_active": "no"}), "is_active"),
        (json!({"type": "income"}), "type"),
        (json!({"revision": 7}), "revision"),
        (json!({"household_id": world.other_household.as_str()}), "household_id"),
        (json!({"parent_id": "cat_0000000000000000"}), "parent_id"),
        (json!({"parent_id": id.as_str()}), "parent_id"),
        (json!({"parent_id": below.as_str()}), "parent_id"),
    ] {
        let (status, answer) = call(&world, change("alice", id.as_str(), "", &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{body}: {answer}");
    }
    let taken = change("alice", id.as_str(), "", &json!({"name": "FLIGHTS"}));
    assert_eq!(call(&world, taken).await.1["code"], "category_exists");
    assert_eq!(call(&world, change("alice", id.as_str(), "", &json!({}))).await.1["revision"], 1);
    for missing in ["cat_0000000000000000", "s_space", "", "\u{0}"] {
        let (status, answer) = call(&world, change("alice", missing, "", &json!({"name": "x"}))).await;
        assert_eq!((status, &answer["code"]), (404, &json!("category_not_found")), "{missing:?}");
    }
    // Another household's real one, by its own id and by both.
    let theirs = own(&world, &world.other_household, 3, None).await;
    for query in [String::new(), format!("household_id={}", world.household)] {
        let (status, answer) = call(&world, change("alice", theirs.as_str(), &query, &json!({}))).await;
        assert_eq!((status, &answer["code"]), (404, &json!("category_not_found")));
    }
    let named = format!("household_id={}", world.other_household);
    let asked = change("alice", theirs.as_str(), &named, &json!({}));
    assert_eq!(call(&world, asked).await.1["code"], "household_not_found");
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    let asked = change("alice", id.as_str(), "", &json!({"name": "Trips"}));
    assert_eq!(call(&world, asked).await.1["code"], "store_unavailable");
}
