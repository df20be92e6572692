//! What a webhook costs the door: one of Plaid's with a key that is known, and forged ones.

use std::{hint::black_box, sync::Arc, time::Instant};

use domain::{
    ids::fingerprint,
    webhook::{Environment, LARGEST_BODY, Verifier},
};
use jiff::Timestamp;
use serde_json::json;
use testkit::{FakeConfirmedKeys, KeyEndpoint, Signer, StandingClock};

use crate::Outcome;

const RUNS: u32 = 10_000;

pub(crate) async fn measure() -> Outcome {
    let now = Timestamp::now();
    let plaid = Arc::new(KeyEndpoint::default());
    let signer = Signer::new("6c5516e1-92dc-479e-a8ff-5a51992e0001");
    plaid.add(signer.jwk());
    let verifier = Verifier::new(
        Environment::Sandbox,
        plaid.client(),
        Arc::new(FakeConfirmedKeys::default()),
        Arc::new(StandingClock::at(now)),
    );
    for (name, size) in [("a body as Plaid's are", 200), ("the largest body", LARGEST_BODY)] {
        let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8));
        let token = signer.token(body.as_bytes(), now);
        let began = Instant::now();
        for _ in 0..RUNS {
            black_box(verifier.verify(Some(token.as_bytes()), body.as_bytes()).await?);
        }
        print(name, began);
    }

    let before = plaid.asked();
    let tokens: Vec<_> = (0..RUNS)
        .map(|number| {
            let header = json!({"alg": "ES256", "kid": format!("forged-{number}")});
            let claims = json!({"iat": now.as_second(), "request_body_sha256": fingerprint("{}")});
            signer.sign(&header, &claims)
        })
        .collect();
    let began = Instant::now();
    for token in &tokens {
        if verifier.verify(Some(token.as_bytes()), b"{}").await.is_ok() {
            return Err("a forged webhook was taken".into());
        }
    }
    print("a forged one", began);
    println!("{:<24} {:>8}", "look-ups for all those", plaid.asked() - before);
    Ok(())
}

fn print(name: &str, began: Instant) {
    println!("{name:<24} {:>8.1} µs", began.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS));
}
