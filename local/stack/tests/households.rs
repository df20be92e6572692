//! A household's life, as apps see it: made, joined by a code, and ended with its bank, at Plaid too.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::time::{Duration, Instant};

use serde_json::json;
use stack::{Client, Options, Ready, Stack};

fn api(ready: &Ready, user: &str) -> Client {
    Client::new(&ready.api_url).unwrap().with_token(&ready.tokens[user])
}

fn plaid(ready: &Ready) -> Client {
    let client = Client::new(&ready.plaid_url).unwrap();
    client.with_header("plaid-client-id", "local-client-id").with_header("plaid-secret", "local-secret")
}

/// Makes a household of bob's, twice with the same key, and gives its path.
async fn made(ready: &Ready) -> String {
    let bob = api(ready, "bob").with_header("idempotency-key", "7d0e1c5e");
    let asked = json!({"name": "Holiday home"});
    let (status, made) = bob.post("/api/v1/households", &asked).await.unwrap();
    assert_eq!(status, 201, "{made}");
    assert_eq!(bob.post("/api/v1/households", &asked).await.unwrap(), (201, made.clone()));
    let (status, other) = bob.post("/api/v1/households", &json!({"name": "Another"})).await.unwrap();
    assert_eq!((status, &other["code"]), (422, &json!("idempotency_key_reused")));
    let (_, mine) = api(ready, "bob").get("/api/v1/households").await.unwrap();
    assert_eq!(mine["households"].as_array().unwrap().len(), 2, "the one from the start, and this: {mine}");
    format!("/api/v1/households/{}", made["id"].as_str().unwrap())
}

/// Carol comes in by a code of bob's.
async fn joined(ready: &Ready, home: &str) {
    let (bob, carol) = (api(ready, "bob"), api(ready, "carol"));
    let members = format!("{home}/members");
    assert_eq!(carol.get(&members).await.unwrap().0, 404);
    let (status, invitation) =
        bob.post(&format!("{home}/invitations"), &json!({"role": "viewer"})).await.unwrap();
    assert_eq!(status, 201, "{invitation}");
    let code = json!({"code": invitation["code"]});
    let (status, answer) = carol.post("/api/v1/invitations/accept", &code).await.unwrap();
    assert_eq!((status, &answer["role"]), (200, &json!("viewer")), "{answer}");
    let (status, answer) = api(ready, "alice").post("/api/v1/invitations/accept", &code).await.unwrap();
    assert_eq!((status, &answer["code"]), (404, &json!("invitation_not_found")));
    assert_eq!(carol.get(&members).await.unwrap().1["members"].as_array().unwrap().len(), 2);
}

async fn linked(ready: &Ready, home: &str) {
    let request = json!({
        "institution_id": "ins_109508", "initial_products": ["transactions"],
        "options": {"override_username": "user_good", "override_password": "pass_good"},
    });
    let (_, token) = plaid(ready).post("/sandbox/public_token/create", &request).await.unwrap();
    let household = home.rsplit('/').next().unwrap();
    let body = json!({"public_token": token["public_token"], "household_id": household});
    let (status, answer) = api(ready, "bob").post("/api/v1/plaid/link/exchange", &body).await.unwrap();
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_is_made_joined_and_ended_with_its_bank() {
    let stack = Stack::start(Options { time_scale: 20, ..Options::default() }).await.unwrap();
    let ready = &stack.ready;
    let (bob, carol) = (api(ready, "bob"), api(ready, "carol"));
    let home = made(ready).await;
    joined(ready, &home).await;
    linked(ready, &home).await;

    let (status, answer) = carol.patch(&home, &json!({"name": "Carol's"})).await.unwrap();
    assert_eq!((status, &answer["code"]), (403, &json!("role_not_sufficient")));
    let carols = format!("{home}/members/carol");
    let (status, answer) = bob.patch(&carols, &json!({"role": "admin"})).await.unwrap();
    assert_eq!((status, &answer["role"]), (200, &json!("admin")), "{answer}");
    let (status, answer) = carol.patch(&home, &json!({"name": "Carol's"})).await.unwrap();
    assert_eq!((status, &answer["revision"]), (200, &json!(2)), "{answer}");
    let stale = api(ready, "carol").with_header("if-match", "\"1\"");
    assert_eq!(stale.patch(&home, &json!({"name": "Late"})).await.unwrap().0, 412);
    let (status, answer) = bob.delete(&format!("{home}/members/bob")).await.unwrap();
    assert_eq!((status, &answer["code"]), (409, &json!("last_owner")));

    assert_eq!(carol.delete(&home).await.unwrap().0, 403);
    let (status, answer) = bob.delete(&home).await.unwrap();
    assert_eq!((status, &answer["status"]), (202, &json!("deleting")), "{answer}");
    for user in [&bob, &carol] {
        assert_eq!(user.get(&format!("{home}/members")).await.unwrap().0, 404);
    }
    gone_at_plaid(&stack).await;
    stack.stop().await.unwrap();
}

/// Waits until nothing is connected at Plaid any more.
async fn gone_at_plaid(stack: &Stack) {
    let began = Instant::now();
    while stack.sandbox().unwrap().world().items() > 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "the item is still at Plaid");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
