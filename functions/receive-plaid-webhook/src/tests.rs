//! What Plaid sees, what everybody else sees, and what is in the queue afterwards.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::encodings::Body;
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::RSA_PKCS1_SHA256,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::{
    ids::fingerprint,
    webhook::{ConfirmedKeyWriter, Environment, LARGEST_BODY, Replays, Verifier},
};
use jiff::Timestamp;
use lambda_runtime::Context;
use serde_json::{Value, json};
use testkit::{FakeConfirmedKeys, FakeWebhookQueue, KeyEndpoint, Signer, StandingClock, signed_part};

use crate::{Deps, Strangers, handle};

/// What SQS takes.
const LARGEST_MESSAGE: usize = 1 << 20;
/// The look-ups of a minute.
const BOUND: usize = 6;

/// As Plaid writes it: indented by two, no newline at the end.
const BODY: &str = r#"{
  "environment": "sandbox",
  "error": null,
  "item_id": "wz666MBjYWTp2PDzzggYhM6oWWmBb",
  "webhook_code": "SYNC_UPDATES_AVAILABLE",
  "webhook_type": "TRANSACTIONS"
}"#;

struct Scene {
    now: Timestamp,
    clock: Arc<StandingClock>,
    plaid: Arc<KeyEndpoint>,
    signer: Signer,
    queue: Arc<FakeWebhookQueue>,
    confirmed: Arc<FakeConfirmedKeys>,
    deps: Deps,
}

impl Scene {
    fn new() -> Self {
        let now = Timestamp::now();
        let clock = Arc::new(StandingClock::at(now));
        let plaid = Arc::new(KeyEndpoint::default());
        let signer = Signer::new("bfbd5111-8e33-4643-8ced-b2e642a72f3c");
        plaid.add(signer.jwk());
        let queue = Arc::new(FakeWebhookQueue::default());
        let confirmed = Arc::new(FakeConfirmedKeys::default());
        let verifier = Verifier::new(Environment::Sandbox, plaid.client(), confirmed.clone(), clock.clone());
        let deps = Deps {
            verifier,
            queue: queue.clone(),
            replays: Replays::default(),
            strangers: Strangers::default(),
        };
        Self { now, clock, plaid, signer, queue, confirmed, deps }
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "kid": self.signer.kid, "typ": "JWT"})
    }

    fn claims(&self, body: &str) -> Value {
        json!({"iat": self.now.as_second(), "request_body_sha256": fingerprint(body)})
    }

    fn token(&self, body: &str) -> String {
        self.signer.token(body.as_bytes(), self.now)
    }

    /// A token whose `iat` is so far from now.
    fn token_of(&self, offset_s: i64) -> String {
        let claims =
            json!({"iat": self.now.as_second() + offset_s, "request_body_sha256": fingerprint(BODY)});
        self.signer.sign(&self.header(), &claims)
    }

    /// Status and code of the answer to an event.
    async fn answer(&self, event: Value) -> (u16, String) {
        let event = serde_json::from_value(event).unwrap();
        let response = edge::webhook::respond(&self.deps, &handle, event, &Context::default()).await;
        let Some(Body::Text(text)) = response.body else { panic!("no text") };
        let body: Value = serde_json::from_str(&text).unwrap();
        let status = u16::try_from(response.status_code).unwrap();
        assert_eq!(status == 503, response.headers.contains_key("retry-after"));
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn post(&self, token: Option<&str>, body: &str) -> (u16, String) {
        self.answer(event(token, &json!(body), false)).await
    }

    /// As [`Scene::post`], where the queue must stay empty.
    async fn refused(&self, token: &str, body: &str) -> (u16, String) {
        let answer = self.post(Some(token), body).await;
        assert_eq!(self.queue.take(), [], "{answer:?}");
        answer
    }

    async fn accepted(&self, token: &str, body: &str) {
        assert_eq!(self.post(Some(token), body).await, (200, String::new()));
        let queued = self.queue.take();
        assert_eq!(queued.len(), 1);
        assert_eq!(queued[0].body, body);
    }
}

fn event(token: Option<&str>, body: &Value, is_base64: bool) -> Value {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/plaid/webhook", "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/plaid/webhook", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "r", "routeKey": "$default", "stage": "$default", "timeEpoch": 0,
        },
        "body": body, "isBase64Encoded": is_base64,
    });
    if let Some(token) = token {
        event["headers"]["plaid-verification"] = json!(token);
    }
    event
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn what_plaid_has_signed_is_queued_as_it_came() {
    let scene = Scene::new();
    assert_eq!(scene.post(Some(&scene.token(BODY)), BODY).await, is(200, ""));
    let queued = scene.queue.take();
    assert_eq!((queued.len(), queued[0].body.as_str(), queued[0].received_at), (1, BODY, scene.now));
    // It knows nothing of duplicates.
    scene.accepted(&scene.token(BODY), BODY).await;
    assert_eq!(scene.plaid.asked(), 1, "a known key needs no look-up");
}

#[tokio::test]
async fn a_token_that_is_no_token_is_refused_without_a_look_up() {
    let scene = Scene::new();
    let good = scene.token(BODY);
    let parts: Vec<_> = good.split('.').collect();
    let with = |header: &Value, claims: &Value| scene.signer.sign(header, claims);
    let kid = |kid: &Value| {
        let header = json!({"alg": "ES256", "kid": kid});
        scene.signer.sign(&header, &scene.claims(BODY))
    };
    let claims = scene.claims(BODY);
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let cases = [
        ("no segments", "garbage".to_owned(), "token_malformed"),
        ("empty", String::new(), "token_malformed"),
        ("two segments", format!("{}.{}", parts[0], parts[1]), "token_malformed"),
        ("four segments", format!("{good}.AAAA"), "token_malformed"),
        ("two headers in one", format!("{good},{good}"), "token_malformed"),
        ("padding", format!("{good}=="), "token_malformed"),
        ("no base64", format!("{}!.{}.{}", parts[0], parts[1], parts[2]), "token_malformed"),
        (
            "header in an array",
            format!("{}.{}.{}", part(&json!(["ES256", scene.signer.kid, null])), parts[1], parts[2]),
            "token_malformed",
        ),
        (
            "header no JSON",
            format!("{}.{}.{}", URL_SAFE_NO_PAD.encode("{"), parts[1], parts[2]),
            "token_malformed",
        ),
        ("much too long", "a".repeat(1 << 20), "token_malformed"),
        (
            "no time",
            with(&scene.header(), &json!({"request_body_sha256": fingerprint(BODY)})),
            "token_malformed",
        ),
        ("no hash", with(&scene.header(), &json!({"iat": scene.now.as_second()})), "token_malformed"),
        (
            "time as text",
            with(&scene.header(), &json!({"iat": "1", "request_body_sha256": ""})),
            "token_malformed",
        ),
        (
            "extensions",
            with(&json!({"alg": "ES256", "kid": scene.signer.kid, "crit": ["x"]}), &claims),
            "token_malformed",
        ),
        ("no algorithm", with(&json!({"kid": scene.signer.kid}), &claims), "token_algorithm"),
        ("another case", with(&json!({"alg": "es256", "kid": scene.signer.kid}), &claims), "token_algorithm"),
        ("no key", with(&json!({"alg": "ES256"}), &claims), "token_key_id"),
        ("empty key", kid(&json!("")), "token_key_id"),
        ("a path", kid(&json!("../../../etc/passwd")), "token_key_id"),
        ("a line", kid(&json!("a\nb")), "token_key_id"),
        ("a long key", kid(&json!("k".repeat(129))), "token_key_id"),
        ("a number", kid(&json!(7)), "token_malformed"),
    ];
    for (name, token, code) in cases {
        assert_eq!(scene.refused(&token, BODY).await, is(401, code), "{name}");
    }
    assert_eq!(scene.post(None, BODY).await, is(401, "token_missing"));
    assert_eq!(scene.plaid.asked(), 0);
}

/// Each token is really signed by what it names.
#[tokio::test]
async fn no_algorithm_but_es256_is_even_tried() {
    let scene = Scene::new();
    let signed = |alg: &str| {
        signed_part(&json!({"alg": alg, "kid": scene.signer.kid, "typ": "JWT"}), &scene.claims(BODY))
    };
    let none = format!("{}.", signed("none"));
    let hs256 = {
        let signed = signed("HS256");
        let secret = hmac::Key::new(hmac::HMAC_SHA256, scene.signer.point());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&secret, signed.as_bytes())))
    };
    let rs256 = {
        let signed = signed("RS256");
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    for token in [none, hs256, rs256] {
        assert_eq!(scene.refused(&token, BODY).await, is(401, "token_algorithm"));
    }
    assert_eq!(scene.plaid.asked(), 0);
}

#[tokio::test]
async fn what_the_key_has_not_signed_is_refused() {
    let scene = Scene::new();
    let good = scene.token(BODY);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let flipped = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    let other_claims = {
        let claims = json!({"iat": 4_102_444_800_i64, "request_body_sha256": fingerprint(BODY)});
        format!("{}.{signature}", signed_part(&scene.header(), &claims))
    };
    let by_another = Signer::new(&scene.signer.kid).token(BODY.as_bytes(), scene.now);
    let cases = [
        flipped(0),
        flipped(63),
        format!("{signed}."),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes[..63])),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([bytes.clone(), vec![0]].concat())),
        other_claims,
        by_another,
    ];
    for token in cases {
        assert_eq!(scene.refused(&token, BODY).await, is(401, "token_signature"), "{token}");
    }
    scene.accepted(&good, BODY).await;
}

#[tokio::test]
async fn a_body_that_differs_in_a_space_is_another() {
    let scene = Scene::new();
    // An unknown key is not looked up for a token of another body.
    assert_eq!(scene.refused(&scene.token(BODY), "").await, is(401, "token_unlikely"));
    assert_eq!(scene.plaid.asked(), 0);
    let token = scene.token(BODY);
    scene.accepted(&token, BODY).await;
    let compact = serde_json::from_str::<Value>(BODY).unwrap().to_string();
    let other_item = BODY.replace("wz666", "xz666");
    for body in [&format!("{BODY} "), &format!("{BODY}\n"), &compact, &other_item, ""] {
        assert_eq!(scene.refused(&token, body).await, is(401, "body_changed"), "{body}");
    }
    let upper_case = fingerprint(BODY).to_uppercase();
    for hash in [upper_case.as_str(), "", &fingerprint(BODY)[..63]] {
        let claims = json!({"iat": scene.now.as_second(), "request_body_sha256": hash});
        let token = scene.signer.sign(&scene.header(), &claims);
        assert_eq!(scene.refused(&token, BODY).await, is(401, "body_changed"), "{hash}");
    }
    scene.accepted(&scene.token_of(1), BODY).await;
}

#[tokio::test]
async fn a_token_counts_for_five_minutes() {
    let scene = Scene::new();
    for offset_s in [-300, 0, 60] {
        scene.accepted(&scene.token_of(offset_s), BODY).await;
    }
    let cases = [
        (-301, "token_stale"),
        (-86_400, "token_stale"),
        (61, "token_from_the_future"),
        (i64::from(u32::MAX), "token_from_the_future"),
    ];
    for (offset_s, code) in cases {
        assert_eq!(scene.refused(&scene.token_of(offset_s), BODY).await, is(401, code), "{offset_s}");
    }
    for iat in [i64::MIN, i64::MAX] {
        let claims = json!({"iat": iat, "request_body_sha256": fingerprint(BODY)});
        assert_eq!(scene.refused(&scene.signer.sign(&scene.header(), &claims), BODY).await.0, 401);
    }
    // Stale is said only of what is Plaid's as a whole.
    let other_body = scene.refused(&scene.token_of(-301), "{}").await;
    assert_eq!(other_body, is(401, "body_changed"));
}

#[tokio::test]
async fn the_environment_must_be_ours_where_it_is_named() {
    let scene = Scene::new();
    for body in [r#"{"webhook_code": "X"}"#, r#"{"environment": null}"#, r#" {"environment":"sandbox"}"#] {
        scene.accepted(&scene.token(body), body).await;
    }
    for name in [r#""production""#, r#""Sandbox""#, r#""""#, "7", r#"["sandbox"]"#] {
        let body = format!(r#"{{"environment":{name}}}"#);
        assert_eq!(scene.refused(&scene.token(&body), &body).await, is(401, "other_environment"), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_400_whoever_signed_it() {
    let scene = Scene::new();
    let deep = "[".repeat(100_000);
    for body in ["", "[]", "null", r#"["sandbox"]"#, "{", "{} x", "text", deep.as_str()] {
        let refused = scene.refused(&scene.token(body), body).await;
        assert_eq!(refused, is(400, "body_not_json"), "{}", &body[..body.len().min(20)]);
    }
    let bytes = b"{\"a\": \"\xff\"}";
    let token = scene.signer.token(bytes, scene.now);
    let refused = scene.answer(event(Some(&token), &json!(STANDARD.encode(bytes)), true)).await;
    assert_eq!(refused, is(400, "body_not_json"));
}

#[tokio::test]
async fn a_body_in_base64_counts_by_its_bytes() {
    let scene = Scene::new();
    let body = BODY.replace("wz666", "größe");
    let encoded = json!(STANDARD.encode(&body));
    let token = scene.token(&body);
    assert_eq!(scene.answer(event(Some(&token), &encoded, true)).await, is(200, ""));
    assert_eq!(scene.queue.take()[0].body, body);
    // Where the flag is missing, the text itself is the body.
    assert_eq!(scene.answer(event(Some(&token), &encoded, false)).await, is(401, "body_changed"));
    assert_eq!(scene.answer(event(Some(&token), &json!("%"), true)).await, is(400, "invalid_body"));
}

#[tokio::test]
async fn a_large_body_is_not_looked_at() {
    let scene = Scene::new();
    let of = |size: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8));
    for size in [LARGEST_BODY + 1, 300 << 10, 5 << 20] {
        let body = of(size);
        assert_eq!(scene.refused(&scene.token(&body), &body).await, is(413, "body_too_large"), "{size}");
        let encoded = event(Some(&scene.token(&body)), &json!(STANDARD.encode(&body)), true);
        assert_eq!(scene.answer(encoded).await, is(413, "body_too_large"), "{size}");
    }
    assert_eq!(scene.plaid.asked(), 0);
    let body = of(LARGEST_BODY);
    scene.accepted(&scene.token(&body), &body).await;
    let encoded = event(Some(&scene.token(&body)), &json!(STANDARD.encode(&body)), true);
    assert_eq!(scene.answer(encoded).await, is(200, ""));
    assert_eq!(scene.queue.take().len(), 1);
}

/// JSON inside JSON: every quote and every backslash is two characters of the message.
#[tokio::test]
async fn the_largest_body_fits_a_message_whatever_is_in_it() {
    let scene = Scene::new();
    let fill = LARGEST_BODY - r#"{"a":""}"#.len();
    for content in
        [r"\\".repeat(fill / 2), r#"\""#.repeat(fill / 2), "\u{7f}".repeat(fill), "ß".repeat(fill / 2)]
    {
        let body = format!(r#"{{"a":"{content}"}}"#);
        assert_eq!(scene.post(Some(&scene.token(&body)), &body).await, is(200, ""));
        let message = serde_json::to_string(&scene.queue.take()[0]).unwrap();
        assert!(message.len() + r#""v":1,"#.len() <= LARGEST_MESSAGE, "{}", message.len());
    }
    let spaces = format!("{{{}}}", "\n".repeat(LARGEST_BODY - 2));
    assert_eq!(scene.post(Some(&scene.token(&spaces)), &spaces).await, is(200, ""));
    assert!(serde_json::to_string(&scene.queue.take()[0]).unwrap().len() < LARGEST_MESSAGE);
}

#[tokio::test]
async fn a_webhook_that_is_sent_again_is_queued_once() {
    let scene = Scene::new();
    let token = scene.token(BODY);
    scene.accepted(&token, BODY).await;
    for _ in 0..50 {
        assert_eq!(scene.post(Some(&token), BODY).await, is(200, ""));
    }
    assert_eq!(scene.queue.take(), []);
    // Plaid signs each of its own anew.
    scene.accepted(&scene.token(BODY), BODY).await;
}

#[tokio::test]
async fn the_path_may_begin_as_it_likes_and_the_method_may_not() {
    let scene = Scene::new();
    let at = |path: &str, method: &str| {
        let mut event = event(Some(&scene.token(BODY)), &json!(BODY), false);
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["method"] = json!(method);
        event
    };
    for path in ["/plaid/webhook", "/prod/plaid/webhook"] {
        assert_eq!(scene.answer(at(path, "POST")).await, is(200, ""));
        assert_eq!(scene.queue.take().len(), 1);
    }
    for path in ["/", "", "/plaid/webhook/", "/plaid/webhooks", "/plaid/webhook/x", "/xplaid/webhook"] {
        assert_eq!(scene.answer(at(path, "POST")).await, is(404, "not_found"), "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        assert_eq!(scene.answer(at("/plaid/webhook", method)).await, is(405, "method_not_allowed"));
    }
}

#[tokio::test]
async fn a_queue_that_is_down_is_503_and_nothing_is_lost() {
    let scene = Scene::new();
    let token = scene.token(BODY);
    scene.queue.set_down(true);
    assert_eq!(scene.refused(&token, BODY).await, is(503, "queue_unavailable"));
    scene.queue.set_down(false);
    scene.accepted(&token, BODY).await;
}

#[tokio::test]
async fn a_key_endpoint_that_is_down_is_503_and_the_retry_is_taken() {
    let answer = |status: u16, body: &str| {
        Ok(plaid::RawAnswer { status, retry_after_s: None, body: body.as_bytes().to_vec() })
    };
    let error = |code: &str| json!({"error_type": "INVALID_INPUT", "error_code": code}).to_string();
    let failures = [
        Err(plaid::TransportError::Timeout),
        Err(plaid::TransportError::Unreachable),
        answer(500, "<html>"),
        answer(200, "<html>"),
        answer(200, "{}"),
        answer(400, &error("INVALID_API_KEYS")),
        answer(400, &error("INVALID_FIELD")),
        answer(429, &error("RATE_LIMIT")),
        answer(404, "INVALID_WEBHOOK_VERIFICATION_KEY_ID"),
    ];
    for failure in failures {
        let scene = Scene::new();
        scene.plaid.fail(Some(failure.clone()));
        assert_eq!(scene.refused(&scene.token(BODY), BODY).await, is(503, "key_unavailable"), "{failure:?}");
        scene.plaid.fail(None);
        scene.accepted(&scene.token(BODY), BODY).await;
        // A key that is known is not asked for.
        scene.plaid.fail(Some(failure));
        scene.accepted(&scene.token(BODY), BODY).await;
    }
}

#[tokio::test]
async fn a_key_that_has_expired_or_never_was_signs_nothing() {
    let scene = Scene::new();
    let expired = Signer::new("expired");
    let mut jwk = expired.jwk();
    jwk["expired_at"] = json!(scene.now.as_second() + 3600);
    scene.plaid.add(jwk);
    let token = expired.token(BODY.as_bytes(), scene.now);
    assert_eq!(scene.refused(&token, BODY).await, is(401, "key_expired"));
    let token = Signer::new("never-was").token(BODY.as_bytes(), scene.now);
    assert_eq!(scene.refused(&token, BODY).await, is(401, "key_unknown"));

    // One that expires after it was used is found out within a day.
    scene.accepted(&scene.token(BODY), BODY).await;
    let mut jwk = scene.signer.jwk();
    jwk["expired_at"] = json!(scene.now.as_second());
    scene.plaid.add(jwk);
    scene.accepted(&scene.token(BODY), BODY).await;
    scene.clock.pass(Duration::from_hours(24));
    let token = scene.token_of(86_400);
    assert_eq!(scene.refused(&token, BODY).await, is(401, "key_expired"));
}

#[tokio::test]
async fn a_rotation_goes_unnoticed() {
    let scene = Scene::new();
    scene.accepted(&scene.token(BODY), BODY).await;
    let next = Signer::new("next");
    scene.plaid.add(next.jwk());
    for _ in 0..3 {
        scene.accepted(&next.token(BODY.as_bytes(), scene.now), BODY).await;
        scene.accepted(&scene.token(BODY), BODY).await;
    }
    assert_eq!(scene.plaid.asked(), 2);
}

#[tokio::test]
async fn ten_thousand_forgeries_cost_six_look_ups_and_keep_nothing_of_plaids_out() {
    let scene = Scene::new();
    let forger = Signer::new("");
    let new = Signer::new("never-seen-before");
    scene.plaid.add(new.jwk());
    scene.accepted(&scene.token(BODY), BODY).await;
    let before = scene.plaid.asked();
    let of_new = new.token(BODY.as_bytes(), scene.now);
    for number in 0..10_000 {
        let header = json!({"alg": "ES256", "kid": format!("forged-{number}")});
        let (status, code) = scene.refused(&forger.sign(&header, &scene.claims(BODY)), BODY).await;
        assert!(
            matches!((status, code.as_str()), (401, "key_unknown") | (503, "key_look_ups_spent")),
            "{code}"
        );
        if number % 100 == 0 {
            scene.accepted(&scene.token(BODY), BODY).await;
        }
        if number == 5000 {
            assert_eq!(scene.refused(&of_new, BODY).await, is(503, "key_look_ups_spent"));
        }
    }
    scene.accepted(&of_new, BODY).await;
    assert!(scene.plaid.asked() - before < BOUND, "the first look-up of the minute was Plaid's own");
}

/// Forged tokens with valid claims, each key id twice.
#[tokio::test]
async fn cold_receiver_accepts_a_confirmed_key_in_a_flood() {
    let scene = Scene::new();
    scene.confirmed.confirm(&scene.signer.kid.parse().unwrap()).await.unwrap();
    let forger = Signer::new("");
    for number in 0..2_000 {
        let header = json!({"alg": "ES256", "kid": format!("forged-{}", number / 2)});
        scene.refused(&forger.sign(&header, &scene.claims(BODY)), BODY).await;
    }
    scene.accepted(&scene.token(BODY), BODY).await;
}
