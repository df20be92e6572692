//! The door for webhooks, as it runs: a Plaid that has a key, and everybody else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use stack::{Client, Options, Plaid, Stack};
use testkit::Signer;

/// The template's bound of instances, and the look-ups of a minute that each may make.
const INSTANCES: usize = 10;
const LOOK_UPS: usize = 6;

const BODY: &str =
    "{\n  \"environment\": \"sandbox\",\n  \"item_id\": \"canary-item\",\n  \"webhook_code\": \"X\"\n}";

/// A Plaid with one key.
#[derive(Clone)]
struct OnePlaid {
    signer: Arc<Signer>,
    asked: Arc<AtomicUsize>,
    is_silent: Arc<AtomicBool>,
    webhook: Arc<Mutex<Option<String>>>,
}

async fn key(State(plaid): State<OnePlaid>, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    plaid.asked.fetch_add(1, Ordering::SeqCst);
    if plaid.is_silent.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    if request["key_id"] == json!(plaid.signer.kid) {
        return (StatusCode::OK, Json(json!({"key": plaid.signer.jwk(), "request_id": "r"})));
    }
    let error = json!({
        "error_type": "INVALID_INPUT", "error_code": "INVALID_WEBHOOK_VERIFICATION_KEY_ID",
        "error_message": "invalid key_id provided", "display_message": null, "request_id": "r",
    });
    (StatusCode::BAD_REQUEST, Json(error))
}

async fn link_token(State(plaid): State<OnePlaid>, Json(request): Json<Value>) -> Json<Value> {
    *plaid.webhook.lock().unwrap() = request["webhook"].as_str().map(str::to_owned);
    Json(json!({"link_token": "link-1", "expiration": "2026-11-22T22:00:00Z", "request_id": "r"}))
}

async fn start() -> (OnePlaid, Stack) {
    let plaid = OnePlaid {
        signer: Arc::new(Signer::new("6c5516e1-92dc-479e-a8ff-5a51992e0001")),
        asked: Arc::default(),
        is_silent: Arc::default(),
        webhook: Arc::default(),
    };
    let router = Router::new()
        .route("/webhook_verification_key/get", post(key))
        .route("/link/token/create", post(link_token))
        .with_state(plaid.clone());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let at = Plaid::At { url, client_id: "id".to_owned(), secret: "secret".to_owned() };
    let stack = Stack::start(Options { plaid: at, ..Options::default() }).await.unwrap();
    (plaid, stack)
}

/// Sends a webhook, and gives status and code of the answer.
async fn send(stack: &Stack, token: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
    let door = Client::new(&stack.ready.webhook_url).unwrap().with_header("plaid-verification", token);
    let (status, answer) = door.post_text("", body.into()).await.unwrap();
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

fn forged(forger: &Signer, number: usize) -> String {
    let header = json!({"alg": "ES256", "kid": format!("forged-{number}")});
    let hash = domain::ids::fingerprint(BODY);
    forger.sign(&header, &json!({"iat": Timestamp::now().as_second(), "request_body_sha256": hash}))
}

/// Waits until so many webhooks have come through the queue and have been read, and sees that there are no more.
async fn read(stack: &Stack, expected: usize) {
    let count = || {
        let log = std::fs::read_to_string(&stack.ready.log).unwrap();
        log.lines().filter(|line| line.contains("\"webhook read\"")).count()
    };
    while count() < expected || stack.messages("WebhookQueue").await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(), expected);
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plaid_sends_to_the_address_of_a_new_item_is_queued() {
    let (plaid, stack) = start().await;
    let api = Client::new(&stack.ready.api_url).unwrap().with_token(&stack.ready.tokens["alice"]);
    assert_eq!(api.post("/api/v1/plaid/link/token", &json!({})).await.unwrap().0, 200);
    assert_eq!(plaid.webhook.lock().unwrap().as_deref(), Some(stack.ready.webhook_url.as_str()));

    let now = Timestamp::now();
    let token = plaid.signer.token(BODY.as_bytes(), now);
    assert_eq!(send(&stack, &token, BODY).await, is(200, ""));
    read(&stack, 1).await;

    // What is no text arrives byte by byte; what is larger than Lambda takes does not arrive.
    let bytes = b"{\"a\": \"\xff\"}";
    assert_eq!(send(&stack, &plaid.signer.token(bytes, now), *bytes).await, is(400, "body_not_json"));
    assert_eq!(send(&stack, &token, format!("{BODY} ")).await, is(401, "body_changed"));
    assert_eq!(send(&stack, &token, vec![b' '; 300 << 10]).await, is(413, "body_too_large"));
    assert_eq!(send(&stack, &token, vec![b' '; (6 << 20) + 1]).await, is(413, ""));
    let anywhere = Client::new(stack.ready.webhook_url.trim_end_matches("/plaid/webhook")).unwrap();
    assert_eq!(anywhere.get("/").await.unwrap().0, 404);
    assert_eq!(anywhere.get("/x/plaid/webhook").await.unwrap().0, 405);
    read(&stack, 1).await;

    let log = std::fs::read_to_string(&stack.ready.log).unwrap();
    assert!(log.contains(r#""Outcome":"accepted""#) && log.contains(r#""WebhooksRejected":1"#), "{log}");
    for canary in ["canary-item", token.as_str(), token.split('.').next().unwrap(), "secret"] {
        assert!(!log.contains(canary), "the log has {canary}");
    }
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn forgeries_cost_a_bounded_number_of_look_ups_and_keep_nothing_of_plaids_out() {
    let (plaid, stack) = start().await;
    let began = Instant::now();
    let forger = Signer::new("");
    let token = || plaid.signer.token(BODY.as_bytes(), Timestamp::now());
    assert_eq!(send(&stack, &token(), BODY).await, is(200, ""));
    let (mut genuine, mut turned_away) = (1, 0);
    for hundred in 0..20 {
        // Several at a time, which takes several instances.
        for ten in 0..10 {
            let numbers = (0..10).map(|one| hundred * 100 + ten * 10 + one);
            let some: Vec<_> = numbers.map(|number| forged(&forger, number)).collect();
            for (status, code) in join_all(some.iter().map(|token| send(&stack, token, BODY))).await {
                let expected = [(401, "key_unknown"), (503, "key_look_ups_spent")];
                assert!(expected.contains(&(status, code.as_str())), "{status} {code}");
            }
        }
        // An instance that has begun among forgeries does not know Plaid's key yet. The same key again, and it does.
        while send(&stack, &token(), BODY).await != is(200, "") {
            turned_away += 1;
            assert!(
                turned_away < stack.pids("receive-plaid-webhook").len(),
                "the first knew the key already"
            );
        }
        genuine += 1;
    }
    let asked = plaid.asked.load(Ordering::SeqCst);
    let instances = stack.pids("receive-plaid-webhook").len();
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap() + 1;
    assert!(asked <= LOOK_UPS * instances * minutes, "{asked} look-ups by {instances} instance(s)");
    assert!(
        turned_away < instances,
        "{turned_away} of {genuine} were turned away by {instances} instance(s)"
    );
    read(&stack, genuine).await;
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plaid_that_does_not_answer_holds_no_more_than_the_reserved_instances() {
    let (plaid, stack) = start().await;
    plaid.is_silent.store(true, Ordering::SeqCst);
    let token = plaid.signer.token(BODY.as_bytes(), Timestamp::now());
    let answers = join_all((0..=INSTANCES).map(|_| send(&stack, &token, BODY))).await;
    let of = |expected: &(u16, String)| answers.iter().filter(|answer| *answer == expected).count();
    assert_eq!(of(&is(503, "key_unavailable")), INSTANCES, "{answers:?}");
    assert_eq!(of(&is(429, "")), 1, "{answers:?}");

    // Nothing is remembered of it.
    plaid.is_silent.store(false, Ordering::SeqCst);
    assert_eq!(send(&stack, &token, BODY).await, is(200, ""));
    read(&stack, 1).await;
    stack.stop().await.unwrap();
}

/// Who takes the door over has what its role may do: a queue and a secret, and neither a table nor a key.
#[tokio::test]
async fn the_doors_rights_open_no_table_and_no_key() {
    let (_plaid, stack) = start().await;
    let ask = async |caller: &str, target: &str, body: Value| {
        let signed = format!("AWS4-HMAC-SHA256 Credential={caller}/20261124/us-east-1/aws4_request");
        let aws = Client::new(&stack.ready.aws_url).unwrap();
        let aws = aws.with_header("authorization", &signed).with_header("x-amz-target", target);
        let (status, answer) = aws.post("", &body).await.unwrap();
        (status, answer["__type"].as_str().unwrap_or_default().to_owned())
    };
    let denied = (400, "AccessDeniedException".to_owned());
    let scan = json!({"TableName": "wumbo-DataTable"});
    let door = "receive-plaid-webhook";
    assert_eq!(ask(door, "DynamoDB_20120810.Scan", scan.clone()).await, denied);
    assert_eq!(ask(door, "TrentService.Decrypt", json!({"CiphertextBlob": ""})).await, denied);
    let queue = |id: &str| json!({"QueueUrl": format!("https://sqs.us-east-1.amazonaws.com/0/wumbo-{id}"), "MessageBody": "{}"});
    assert_eq!(ask(door, "AmazonSQS.SendMessage", queue("SyncQueue")).await, denied);
    assert_eq!(ask("local", "DynamoDB_20120810.Scan", scan).await.0, 200, "the account's owner may");
}
