//! What a caller sees.

use std::sync::Arc;

use async_trait::async_trait;
use domain::bank::{BankError, LinkRequest, LinkToken, Linking, Meaning, Patience};
use edge::system::System;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{World, body, request};

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
        reads: world.store.clone(),
        vault: world.opener.clone(),
        sessions: world.store.clone(),
        bank: Arc::new(Plaid { down }),
        clock: Arc::new(System),
    }
}

async fn call(world: &World, down: bool, user: &str, asked: &Value) -> (u16, Value) {
    body(handle(&deps(world, down), request(user, &[], "", asked)).await)
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
async fn plaid_down_is_503_with_retry_after() {
    let world = World::new().await;
    let problem = handle(&deps(&world, true), request("alice", &[], "", &json!({}))).await.unwrap_err();
    assert_eq!((problem.status, problem.code, problem.retry_after_s), (503, "plaid_unavailable", Some(7)));
}
