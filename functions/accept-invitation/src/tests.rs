//! What a caller sees.

use std::{sync::Arc, time::Duration};

use domain::{
    household::{HouseholdEnds, Invitation, Invitations, Memberships, Role, change_member},
    ids::{HouseholdId, InvitationId, fingerprint},
    limit::CODES,
    secret::InvitationCode,
    time::{Random, later},
};
use edge::{http::Request, idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{CIRCLE, Fault, World, acting, body, circle, request, with_header};

use crate::{Deps, handle};

fn deps(world: &World) -> Deps {
    Deps {
        memberships: world.store.clone(),
        invitations: world.store.clone(),
        clock: Arc::new(System),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    }
}

async fn call(world: &World, request: Request) -> (u16, Value) {
    body(acting!(handle(&deps(world), request)).await)
}

fn with(user: &str, code: &str) -> Request {
    request(user, &[], "", &json!({"code": code}))
}

async fn invite(world: &World, household: &HouseholdId, by: &str, lasts: Duration) -> String {
    let code = InvitationCode::random(&System);
    let made = Timestamp::now();
    let invitation = Invitation {
        id: InvitationId::from_entropy(System.entropy()),
        code_hash: fingerprint(code.expose()),
        household: household.clone(),
        role: Role::Member,
        by: by.parse().unwrap(),
        made,
        expires: later(made, lasts),
        departures: world.store.departures(household).await.unwrap(),
        used_by: None,
    };
    world.store.invite(&invitation).await.unwrap();
    code.expose().to_owned()
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn whoever_has_the_code_comes_in_unless_they_are_in_already() {
    let world = World::new().await;
    let id = circle(&world).await;
    for (user, expected) in CIRCLE.into_iter().zip([200, 200, 409, 409, 409, 409]) {
        let code = invite(&world, &id, "admin", HOUR).await;
        let (status, answer) = call(&world, with(user, &code)).await;
        assert_eq!(status, expected, "{user}: {answer}");
        match status {
            200 => assert_eq!(answer, json!({"household_id": id.as_str(), "role": "member"})),
            _ => assert_eq!(answer["code"], "already_member"),
        }
    }
}

#[tokio::test]
async fn a_code_is_taken_with_blanks_around_it_and_in_any_case() {
    let world = World::new().await;
    for (user, around) in [("dora", " {} "), ("emil", "\n{}\u{a0}"), ("fritz", "\t{}\r\n")] {
        let code = invite(&world, &world.household, "alice", HOUR).await;
        let typed = around.replace("{}", &code.to_uppercase());
        let (status, answer) = call(&world, with(user, &typed)).await;
        assert_eq!(status, 200, "{typed:?}: {answer}");
    }
}

#[tokio::test]
async fn a_code_that_is_no_good_is_always_the_same_problem() {
    let world = World::new().await;
    let used = invite(&world, &world.household, "alice", HOUR).await;
    assert_eq!(call(&world, with("dora", &used)).await.0, 200);
    let expired = invite(&world, &world.household, "alice", Duration::ZERO).await;
    // Of somebody who may not invite, and into a household that ends.
    let void = invite(&world, &world.household, "carol", HOUR).await;
    let ended = invite(&world, &world.other_household, "bob", HOUR).await;
    world.store.begin(&"bob".parse().unwrap(), &world.other_household, None, Timestamp::now()).await.unwrap();
    let mut problems = Vec::new();
    for code in [used.as_str(), &expired, &void, &ended, "inv_00000000000000000000000000000000", "é"] {
        let (status, answer) = call(&world, with("emil", code)).await;
        assert_eq!((status, &answer["code"]), (404, &json!("invitation_not_found")), "{code}");
        problems.push(answer);
    }
    assert!(problems.iter().all(|problem| *problem == problems[0]));
    assert_eq!(world.store.memberships(&"emil".parse().unwrap()).await.unwrap(), []);
    // The user of a code finds that it has worked, with or without a key.
    assert_eq!(call(&world, with("dora", &used)).await.0, 200);
}

/// A removed member does not come back with a code they saw, and no later promotion makes one valid again.
#[tokio::test]
async fn a_departure_ends_every_open_invitation() {
    let change = async |world: &World, household: &HouseholdId, (by, member): (&str, &str), to| {
        let (by, member) = (by.parse().unwrap(), member.parse().unwrap());
        let store = &*world.store;
        change_member(store, store, (&by, household), &member, to).await.unwrap();
    };
    for (by, member, to) in [
        ("owner", "member", None),
        ("member", "member", None),
        ("owner", "admin", Some(Role::Viewer)),
        ("owner", "admin", None),
    ] {
        let world = World::new().await;
        let id = circle(&world).await;
        let codes = [invite(&world, &id, "admin", HOUR).await, invite(&world, &id, "owner", HOUR).await];
        change(&world, &id, (by, member), to).await;
        if to.is_some() {
            change(&world, &id, (by, member), Some(Role::Admin)).await;
        }
        for code in codes {
            let user = if to.is_none() { member } else { "dora" };
            assert_eq!(
                call(&world, with(user, &code)).await.1["code"],
                "invitation_not_found",
                "{by} {member}"
            );
        }
        assert_eq!(world.store.open_invitations(&id, Timestamp::now()).await.unwrap(), []);
        let fresh = invite(&world, &id, "owner", HOUR).await;
        assert_eq!(call(&world, with("dora", &fresh)).await.0, 200);
    }
    // More may be seen by who gets more; nothing ends.
    let world = World::new().await;
    let id = circle(&world).await;
    let code = invite(&world, &id, "admin", HOUR).await;
    change(&world, &id, ("owner", "viewer"), Some(Role::Member)).await;
    assert_eq!(call(&world, with("dora", &code)).await.0, 200);
    assert_eq!(world.store.open_invitations(&id, Timestamp::now()).await.unwrap(), []);
}

#[tokio::test]
async fn codes_cannot_be_tried_without_end() {
    let world = World::new().await;
    let code = invite(&world, &world.household, "alice", HOUR).await;
    for _ in 0..CODES.max {
        assert_eq!(call(&world, with("dora", "inv_0")).await.0, 404);
    }
    let refused = acting!(handle(&deps(&world), with("dora", &code))).await.unwrap_err();
    assert_eq!((refused.status, refused.code), (429, "too_many_requests"));
    assert!(refused.retry_after_s.is_some_and(|seconds| (1..=CODES.seconds).contains(&seconds)));
    // Another person is not held up by it.
    assert_eq!(call(&world, with("emil", &code)).await.0, 200);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    for (body, field) in [
        (json!({}), "code"),
        (json!({"code": ""}), "code"),
        (json!({"code": "x".repeat(129)}), "code"),
        (json!({"code": 7}), "code"),
        (json!({"code": "inv_0", "role": "owner"}), "role"),
        (json!({"code": "inv_0", "user_id": "alice"}), "user_id"),
    ] {
        let (status, answer) = call(&world, request("dora", &[], "", &body)).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (400, &json!(field)), "{answer}");
    }
}

#[tokio::test]
async fn killed_anywhere_the_same_request_comes_in() {
    for call in ["GetItem", "Query", "TransactWriteItems", "UpdateItem"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = World::new().await;
            let deps = deps(&world);
            let code = invite(&world, &world.household, "alice", HOUR).await;
            let mut keyed = with_header(with("dora", &code), "idempotency-key", "k");
            keyed.deadline = Timestamp::UNIX_EPOCH;
            world.aws.fault(call, 0, 1, fault);
            tokio::select! {
                outcome = acting!(handle(&deps, keyed.clone())) => panic!("{call}: {outcome:?}"),
                () = world.aws.hung() => {}
            }
            world.aws.heal();
            let (status, answer) = body(acting!(handle(&deps, keyed)).await);
            assert_eq!((status, &answer["role"]), (200, &json!("member")), "{call} {fault:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_is_said_and_the_code_is_good_still() {
    let world = World::new().await;
    let code = invite(&world, &world.household, "alice", HOUR).await;
    world.aws.fault("TransactWriteItems", 0, 9, Fault::Refuse);
    assert_eq!(call(&world, with("dora", &code)).await.1["code"], "store_unavailable");
    world.aws.heal();
    assert_eq!(call(&world, with("dora", &code)).await.0, 200);
}
