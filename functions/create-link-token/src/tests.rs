//! What a caller sees.

use std::sync::Arc;

use async_trait::async_trait;
use domain::bank::{BankError, LinkRequest, LinkToken, Linking, Meaning, Patience};
use edge::{idempotency::Once, system::System};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, acting, body, request, with_header};

use crate::{Deps, handle};

/// A Plaid that answers what it is asked for, or nothing at all.
struct Plaid {
    down: bool,
}

#[async_trait]
impl Linking for Plaid {
    async fn link_token(&self, request: &LinkRequest) -> Result<LinkToken, BankError> {
        if self.down {
            let patience = Patience::Seconds;
            return Err(BankError::new(Meaning::Later { patience, retry_after_s: Some(7) }, "timeout"));
        }
        let link_token = format!("link for {} with {:?}", request.user, request.purpose);
        let hosted_url = request.hosted.then(|| "https://hosted.example".to_owned());
        Ok(LinkToken { link_token, expiration: Timestamp::UNIX_EPOCH, hosted_url })
    }
}

fn deps(world: &World, down: bool) -> Deps {
    Deps {
        memberships: world.store.clone(),
        connections: world.store.clone(),
        hints: world.store.clone(),
        reads: world.store.clone(),
        vault: world.opener.clone(),
        sessions: world.store.clone(),
        bank: Arc::new(Plaid { down }),
        clock: Arc::new(System),
        once: Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
        },
    }
}

async fn call(world: &World, down: bool, user: &str, asked: &Value) -> (u16, Value) {
    body(acting!(handle(&deps(world, down), request(user, &[], "", asked))).await)
}

#[tokio::test]
async fn a_member_gets_a_token() {
    let world = World::new().await;
    for asked in [json!({}), json!({"household_id": world.household}), Value::Null] {
        let (status, answer) = call(&world, false, "alice", &asked).await;
        assert_eq!(status, 200);
        assert_eq!(answer["link_token"], r#"link for alice with Connect(["transactions"])"#);
        assert_eq!(answer["expiration"], "1970-01-01T00:00:00Z");
    }
}

#[tokio::test]
async fn nobody_else_does() {
    let world = World::new().await;
    let named = json!({"household_id": world.household});
    assert_eq!(call(&world, false, "bob", &named).await.0, 404);
    assert_eq!(call(&world, false, "carol", &named).await.0, 403);
    assert_eq!(call(&world, false, "nobody", &json!({})).await.0, 404);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let world = World::new().await;
    let cases = [
        (json!({"products": []}), "products"),
        (json!({"products": ["balance"]}), "products"),
        (json!({"products": "transactions"}), "products"),
        (json!({"redirect_uri": "https://x.example/?a=b"}), "redirect_uri"),
        (json!({"redirect_uri": "ftp://x.example"}), "redirect_uri"),
        (json!({"redirect_uri": "http://x.example/oauth"}), "redirect_uri"),
        (json!({"redirect_uri": "http://localhost.x.example/oauth"}), "redirect_uri"),
        (json!({"redirect_uri": "http://localhost:x@x.example/oauth"}), "redirect_uri"),
        (json!({"redirect_uri": "https://"}), "redirect_uri"),
        (json!({"redirect_uri": "https://a b"}), "redirect_uri"),
        (json!({"household_id": "x"}), "household_id"),
        (json!({"webhook": "x"}), "webhook"),
    ];
    for (asked, field) in cases {
        let (status, answer) = call(&world, false, "alice", &asked).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (400, Some(field)), "{answer}");
    }
}

#[tokio::test]
async fn https_and_local_redirect_uris_are_taken() {
    let world = World::new().await;
    for uri in
        ["https://x.example/oauth", "http://localhost:3000/oauth", "http://127.0.0.1", "http://localhost/"]
    {
        let (status, answer) = call(&world, false, "alice", &json!({"redirect_uri": uri})).await;
        assert_eq!(status, 200, "{uri}: {answer}");
    }
}

#[tokio::test]
async fn plaid_down_is_503_with_retry_after() {
    let world = World::new().await;
    let problem =
        acting!(handle(&deps(&world, true), request("alice", &[], "", &json!({})))).await.unwrap_err();
    assert_eq!((problem.status, problem.code, problem.retry_after_s), (503, "plaid_unavailable", Some(7)));
}

#[tokio::test]
async fn update_mode_asks_for_nothing_new_and_keeps_the_token_to_itself() {
    let world = World::new().await;
    let (at, _) = world.item("user_good", "pass_good").await;
    let (status, answer) = call(&world, false, "alice", &json!({"item_id": at.item.as_str()})).await;
    let asked_for = "link for alice with Update { token: AccessToken, mode: UpdateMode { select_accounts: false, consent_products: [] } }";
    assert_eq!((status, answer["link_token"].as_str()), (200, Some(asked_for)), "{answer}");
    let chosen = json!({"item_id": at.item.as_str(), "select_accounts": true});
    let answer = call(&world, false, "alice", &chosen).await.1;
    assert!(answer["link_token"].as_str().unwrap().contains("select_accounts: true"), "{answer}");
    // What the bank has and does not share is offered by itself.
    domain::store::Hints::has_new_accounts(&*world.store, &at).await.unwrap();
    let answer = call(&world, false, "alice", &json!({"item_id": at.item.as_str()})).await.1;
    assert!(answer["link_token"].as_str().unwrap().contains("select_accounts: true"), "{answer}");
}

#[tokio::test]
async fn update_mode_is_for_ones_own_items_that_can_be_repaired() {
    let world = World::new().await;
    let (at, token) = world.item("user_good", "pass_good").await;
    let item = json!({"item_id": at.item.as_str()});
    assert_eq!(call(&world, false, "bob", &item).await.1["code"], "item_not_found");
    assert_eq!(call(&world, false, "carol", &item).await.1["code"], "role_not_sufficient");
    let unknown = json!({"item_id": "itm_0000000000000000"});
    assert_eq!(call(&world, false, "alice", &unknown).await.0, 404);
    let elsewhere = json!({"item_id": at.item.as_str(), "household_id": world.other_household});
    assert_eq!(call(&world, false, "alice", &elsewhere).await.0, 404);
    for (wrong, field) in [
        (json!({"item_id": at.item.as_str(), "products": ["transactions"]}), "products"),
        (json!({"select_accounts": true}), "select_accounts"),
        (json!({"item_id": 7}), "item_id"),
    ] {
        let (status, answer) = call(&world, false, "alice", &wrong).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (400, Some(field)), "{answer}");
    }
    world.call_plaid("/item/remove", &json!({"access_token": token.expose()})).await;
    world.run(&at, domain::sync::Cause::Webhook).await;
    assert_eq!(call(&world, false, "alice", &item).await.1["code"], "item_gone");
}

#[tokio::test]
async fn who_opened_a_hosted_link_is_remembered() {
    let world = World::new().await;
    let (status, answer) = call(&world, false, "alice", &json!({"hosted_link": true})).await;
    assert_eq!(
        (status, answer["hosted_link_url"].as_str()),
        (200, Some("https://hosted.example")),
        "{answer}"
    );
    let hash = domain::ids::fingerprint(answer["link_token"].as_str().unwrap());
    let session = domain::store::LinkSessions::session(&*world.store, &hash).await.unwrap().unwrap();
    assert_eq!((session.user.as_str(), session.household), ("alice", world.household.clone()));
}

#[tokio::test]
async fn with_a_key_a_token_is_made_once_and_kept_nowhere() {
    let world = World::new().await;
    let keyed = |asked: &Value| with_header(request("alice", &[], "", asked), "idempotency-key", "k");
    let (status, answer) = body(acting!(handle(&deps(&world, false), keyed(&json!({})))).await);
    assert_eq!(status, 200, "{answer}");
    let (status, again) = body(acting!(handle(&deps(&world, false), keyed(&json!({})))).await);
    assert_eq!((status, &again["code"]), (409, &json!("answer_not_kept")), "{again}");
    let (status, other) =
        body(acting!(handle(&deps(&world, false), keyed(&json!({"hosted_link": true})))).await);
    assert_eq!((status, &other["code"]), (422, &json!("idempotency_key_reused")), "{other}");
}
