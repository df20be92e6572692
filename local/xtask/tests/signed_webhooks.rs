//! A webhook that Plaid has really signed, and what others have made of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails where it stands")]

use std::{path::PathBuf, sync::Arc};

use domain::webhook::{Environment, ReceivedWebhook, Refusal, Verifier};
use jiff::Timestamp;
use serde_json::Value;
use testkit::{FakeConfirmedKeys, KeyEndpoint, StandingClock};

/// Beside the repository, where they are given; the project does not need them.
fn folder() -> Option<PathBuf> {
    let folder = xtask::root().join("../shared/plaid/webhook-verification");
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: Plaid's signed webhooks are not here");
    None
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What becomes of a webhook at a time, and how many keys were asked for.
async fn verify(
    jwk: &Value,
    at_s: i64,
    token: &str,
    body: &[u8],
) -> (Result<ReceivedWebhook, Refusal>, usize) {
    let plaid = Arc::new(KeyEndpoint::default());
    plaid.add(jwk.clone());
    let clock = Arc::new(StandingClock::at(Timestamp::from_second(at_s).unwrap()));
    let verifier =
        Verifier::new(Environment::Sandbox, plaid.client(), Arc::new(FakeConfirmedKeys::default()), clock);
    let outcome = verifier.verify(Some(token.as_bytes()), body).await;
    (outcome, plaid.asked())
}

#[tokio::test]
async fn what_plaid_has_signed_verifies_while_it_is_fresh() {
    let Some(folder) = folder() else { return };
    let signed = json(folder.join("real_plaid_signed_webhooks.json"));
    let jwk = &signed["verification_key_get_response"]["key"];
    let vectors = signed["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let token = vector["plaid_verification"].as_str().unwrap();
        let body = std::fs::read(folder.join(vector["body_file"].as_str().unwrap())).unwrap();
        let [from, until] = [0, 1].map(|end| vector["fresh_at"][end].as_i64().unwrap());
        for at_s in [from, i64::midpoint(from, until), until] {
            let (webhook, asked) = verify(jwk, at_s, token, &body).await;
            assert_eq!((webhook.unwrap().body.as_bytes(), asked), (body.as_slice(), 1), "{at_s}");
        }
        let (stale, _) = verify(jwk, until + 1, token, &body).await;
        assert_eq!(stale, Err(Refusal::Unlikely));
        let (early, _) = verify(jwk, from - 61, token, &body).await;
        assert_eq!(early, Err(Refusal::Unlikely));
    }
}

/// What a mutation's `expect` says, in our words, and whether a key may be asked for. Nothing is asked for a token that is of
/// another body or time by its own word.
fn reason(id: &str, expect: &str) -> (fn(&Refusal) -> bool, bool) {
    match expect.split('(').next().unwrap_or_default().trim() {
        "reject: algorithm" => (|refusal| *refusal == Refusal::Algorithm, false),
        "reject: signature" => (|refusal| matches!(refusal, Refusal::Signature | Refusal::Unlikely), true),
        "reject: body hash" => (|refusal| *refusal == Refusal::Unlikely, false),
        "reject: malformed" => (|refusal| *refusal == Refusal::Malformed, false),
        "reject before any call to Plaid" => (|refusal| *refusal == Refusal::KeyId, false),
        text if text.starts_with("reject when clock > iat+300") => {
            (|refusal| *refusal == Refusal::Unlikely, false)
        }
        other => panic!("{id}: {other} is no reason that is known here"),
    }
}

#[tokio::test]
async fn every_mutation_is_refused_for_its_own_reason() {
    let Some(folder) = folder() else { return };
    let signed = json(folder.join("real_plaid_signed_webhooks.json"));
    let jwk = &signed["verification_key_get_response"]["key"];
    let fresh_at = signed["vectors"][0]["fresh_at"][0].as_i64().unwrap();
    let mutations = json(folder.join("negative_vectors_from_001.json"));
    let mutations = mutations.as_array().unwrap();
    assert!(!mutations.is_empty());
    for mutation in mutations {
        let text = |name: &str| mutation[name].as_str().unwrap();
        let (is_it, may_ask) = reason(text("id"), text("expect"));
        let at_s = if text("id") == "stale_now" { Timestamp::now().as_second() } else { fresh_at };
        let (outcome, asked) =
            verify(jwk, at_s, text("plaid_verification"), text("body_utf8").as_bytes()).await;
        let refusal = outcome.expect_err(text("id"));
        assert!(is_it(&refusal), "{}: {refusal:?}", text("id"));
        assert!(asked <= usize::from(may_ask), "{}", text("id"));
    }
}
