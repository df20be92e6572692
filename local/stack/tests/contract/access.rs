//! Who may call what: every endpoint of the API's own description, with every token that is bad and every place that somebody
//! may have in the household concerned.

use crate::endpoints::{CALLERS, Endpoint, Place, caller, document, endpoints, token};
use serde_json::{Value, json};
use stack::{Client, Options, Stack};

/// Callers whom the gateway does not let in.
async fn unknown(stack: &Stack) -> Vec<(&'static str, Client)> {
    let bad = [
        ("expired", json!({"user": "owner", "expires_in_s": -1})),
        ("wrong issuer", json!({"user": "owner", "issuer": "https://elsewhere.example"})),
        ("wrong audience", json!({"user": "owner", "audience": "another-api"})),
    ];
    let mut callers = vec![
        ("no token", Client::new(&stack.ready.api_url).unwrap()),
        ("garbage", caller(stack, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciJ9.")),
    ];
    for (name, asked) in bad {
        callers.push((name, caller(stack, &token(stack, &asked).await)));
    }
    callers
}

/// A role that the description does not let in is told so, and one that it does is not.
fn agrees_with_the_description(endpoint: &Endpoint) {
    let id = endpoint.row.id;
    let Some(roles) = endpoint.operation["x-roles"].as_array() else { return };
    for (user, told) in CALLERS.into_iter().zip(endpoint.row.told) {
        match user {
            "stranger" | "removed" => assert_eq!(told, 404, "{id} tells a {user} of something"),
            role if !roles.contains(&json!(role)) => assert_eq!(told, 403, "{id} lets a {role} in"),
            _ => {}
        }
    }
    assert!(endpoint.row.told[4] < 300, "{id} does not let the owner in");
}

async fn asked(endpoint: &Endpoint, place: &mut Place<'_>, client: &Client) -> (u16, Value) {
    let (path, body) = place.request(endpoint).await;
    client.call(&endpoint.method, &path, body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_tells_every_caller_what_it_should() {
    let stack = Stack::start(Options { time_scale: 20, ..Options::default() }).await.unwrap();
    let unknown = unknown(&stack).await;
    let mut known = Vec::new();
    for user in CALLERS {
        known.push((user, caller(&stack, &token(&stack, &json!({"user": user})).await)));
    }
    for endpoint in endpoints(&document(&stack).await) {
        agrees_with_the_description(&endpoint);
        let id = endpoint.row.id;
        let is_open = endpoint.operation["security"] == json!([]);
        let mut place = Place::new(&stack).await;
        for (name, client) in &unknown {
            let (status, answer) = asked(&endpoint, &mut place, client).await;
            assert_eq!(status, if is_open { 200 } else { 401 }, "{id} as {name}: {answer}");
        }
        for ((user, client), told) in known.iter().zip(endpoint.row.told) {
            let (status, answer) = asked(&endpoint, &mut place, client).await;
            assert_eq!(status, told, "{id} as {user}: {answer}");
            // What was done is not there for the next one.
            if status < 300 && endpoint.method != "GET" {
                place = Place::new(&stack).await;
            }
        }
    }
    stack.stop().await.unwrap();
}
