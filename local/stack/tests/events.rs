//! Every file under `events/` runs through its function, as `cargo dev invoke` runs it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::PathBuf;

use stack::invoke;

fn events() -> Vec<(String, PathBuf)> {
    let mut events = Vec::new();
    for function in std::fs::read_dir(stack::root().join("events")).unwrap() {
        let function = function.unwrap();
        for event in std::fs::read_dir(function.path()).unwrap() {
            events.push((function.file_name().into_string().unwrap(), event.unwrap().path()));
        }
    }
    events.sort();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_runs() {
    let stack = invoke::stack().await.unwrap();
    let events = events();
    assert!(!events.is_empty());
    for (function, event) in events {
        let outcome = invoke::run(&stack, &function, &event).await.unwrap();
        assert!(outcome.is_good, "{function} {}: {}", event.display(), outcome.text);
        let answer: serde_json::Value = serde_json::from_str(&outcome.text).unwrap();
        let status = answer["statusCode"].as_u64();
        let expected: &[Option<u64>] = match event.file_stem().unwrap().to_str().unwrap() {
            "no-caller" | "no-token" | "no-token-base64" | "garbage-token" | "algorithm-none"
            | "key-id-is-a-path" => &[Some(401)],
            "other-method" => &[Some(405)],
            "link" | "created" | "created-again" => &[Some(201)],
            "stale" => &[Some(412)],
            "last-owner" | "system-category" => &[Some(409)],
            "not-an-owner" => &[Some(403)],
            "unknown-token" | "other-body" => &[Some(422)],
            "malformed" | "unknown-field" | "missing-token" | "bad-date" | "bad-data" | "bad-parameter"
            | "bad-cursor" | "bad-amount" | "no-group" => &[Some(400)],
            "other-household"
            | "unknown-code"
            | "unknown-member"
            | "unknown-account"
            | "unknown-invitation"
            | "unknown-transaction"
            | "unknown-category"
            | "no-account-id"
            | "other-path" => &[Some(404)],
            "unknown-item" => &[Some(404), None],
            _ => &[Some(200), None],
        };
        assert!(expected.contains(&status), "{function} {}: {}", event.display(), outcome.text);
    }
    stack.stop().await.unwrap();
}
