//! Webhooks on their way: how they are signed, when they are sent again, and what goes wrong with them on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract::State};
use domain::{
    ids::fingerprint,
    time::{Clock, until},
};
use jiff::Timestamp;
use plaid_sandbox::{Config, Sandbox};
use serde_json::{Value, json};

use crate::{
    caller::Caller,
    receiver::{Got, Receiver},
    server::Server,
};

fn key(caller: &Caller, kid: &str) -> Value {
    caller.ask("/webhook_verification_key/get", &json!({"key_id": kid}))["key"].clone()
}

fn fire(caller: &Caller) {
    let request = json!({"access_token": caller.token, "webhook_code": "LOGIN_REPAIRED"});
    caller.ask("/sandbox/item/fire_webhook", &request);
}

#[tokio::test]
async fn a_webhook_is_signed_as_plaid_signs_it() {
    let caller = Caller::new(1);
    let mut receiver = Receiver::of(&caller).await;
    fire(&caller);
    let got = receiver.next().await;
    let body = format!(
        "{{\n  \"environment\": \"sandbox\",\n  \"item_id\": \"{}\",\n  \"webhook_code\": \"LOGIN_REPAIRED\",\n  \
         \"webhook_type\": \"ITEM\"\n}}",
        caller.item
    );
    assert_eq!(got.body, body, "keys in order, two spaces, no line end");
    let header = jsonwebtoken::decode_header(&got.token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (jsonwebtoken::Algorithm::ES256, Some("JWT")));
    let key = key(&caller, &got.kid());
    let claims = got.claims(&key);
    assert_eq!(
        claims,
        json!({"iat": caller.clock.now().as_second(), "request_body_sha256": fingerprint(&body)})
    );
    let fields = ["alg", "crv", "kty", "use"].map(|field| key[field].as_str().unwrap());
    assert_eq!(fields, ["ES256", "P-256", "EC", "sig"]);
    assert_eq!((&key["kid"], &key["expired_at"]), (&json!(got.kid()), &Value::Null));
    assert_eq!(key["created_at"], caller.clock.now().as_second());
    assert_eq!((key["x"].as_str().unwrap().len(), key["y"].as_str().unwrap().len()), (43, 43));
}

#[tokio::test]
async fn a_key_that_nobody_has_is_refused_and_one_may_be_out_of_reach() {
    let caller = Caller::new(0);
    let path = "/webhook_verification_key/get";
    let unknown = json!({"key_id": "6c5516e1-92dc-479e-a8ff-5a51992e0001"});
    let reply = caller.reply(path, &unknown);
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &error["error_type"]), (400, &json!("INVALID_INPUT")));
    assert_eq!(error["error_code"], "INVALID_WEBHOOK_VERIFICATION_KEY_ID");
    caller.fault(json!({"path": path, "times": 1, "error_code": "INTERNAL_SERVER_ERROR"}));
    assert_eq!(caller.reply(path, &unknown).status, 500);
}

#[tokio::test]
async fn after_a_rotation_there_is_another_key_and_the_old_one_has_expired() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    fire(&caller);
    let before = receiver.next().await.kid();
    caller.clock.pass(Duration::from_mins(1));
    let rotated = server.post("/control/webhook-keys", json!({})).await.json();
    fire(&caller);
    let got = receiver.next().await;
    assert_eq!(json!(got.kid()), rotated["kid"]);
    got.claims(&key(&caller, &got.kid()));
    assert_eq!(key(&caller, &before)["expired_at"], caller.clock.now().as_second());
    let keys = server.get("/control/webhook-keys").await;
    let kids: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, [before, got.kid()]);
}

/// A webhook that is rejected so often: all of its deliveries.
async fn rejected(caller: &Caller, receiver: &mut Receiver, answers: Vec<(u16, Option<u32>)>) -> Vec<Got> {
    let times = answers.len();
    receiver.answers(answers);
    fire(caller);
    let mut all = Vec::new();
    for _ in 0..=times {
        all.push(receiver.next().await);
    }
    all
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_later_and_later_and_signed_anew() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    let answers = [500, 404, 204, 301, 401, 503].map(|status| (status, None));
    let all = rejected(&caller, &mut receiver, answers.to_vec()).await;
    let waits: Vec<_> = all.windows(2).map(|pair| until(pair[0].at, pair[1].at).as_secs()).collect();
    assert_eq!(waits, [30, 120, 480, 1920, 7680, 30720]);
    let key = key(&caller, &all[0].kid());
    for got in &all {
        assert_eq!(got.body, all[0].body);
        assert_eq!(got.claims(&key)["iat"], got.at.as_second());
    }
    let last = server.wait_for_all(|webhook| webhook["delivered"] == true).await.pop().unwrap();
    assert_eq!((&last["attempts"], &last["last_status"]), (&json!(7), &json!(200)));
}

#[tokio::test]
async fn after_seven_deliveries_nobody_tries_any_more() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    receiver.answers([(500, None); 7]);
    fire(&caller);
    let last =
        server.wait_for_all(|webhook| webhook["state"] == "given_up" || webhook["delivered"] == true).await;
    let last = last.last().unwrap();
    assert_eq!(
        (&last["state"], &last["attempts"], &last["last_status"]),
        (&json!("given_up"), &json!(7), &json!(500))
    );
    assert_eq!(receiver.others(), 7);
}

#[tokio::test]
async fn a_receiver_that_has_too_much_to_do_says_when() {
    let caller = Caller::new(0);
    let mut receiver = Receiver::of(&caller).await;
    let all = rejected(&caller, &mut receiver, vec![(429, Some(77)), (503, Some(77))]).await;
    let waits: Vec<_> = all.windows(2).map(|pair| until(pair[0].at, pair[1].at).as_secs()).collect();
    assert_eq!(waits, [77, 120]);
}

#[tokio::test]
async fn a_retry_carries_the_old_token_where_that_is_asked_for() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    server.post("/control/webhooks/retries", json!({"same_token": true})).await;
    let all = rejected(&caller, &mut receiver, vec![(500, None); 3]).await;
    let tokens: BTreeSet<_> = all.iter().map(|got| &got.token).collect();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn whoever_rejects_nearly_everything_gets_nothing_twice() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::start(&caller).await;
    tokio::spawn(caller.sandbox.clone().deliver());
    receiver.answers([(500, None); 200]);
    caller.hook(&receiver.url);
    for _ in 0..11 {
        fire(&caller);
    }
    let all = server.wait_for_all(|webhook| webhook["state"] == "given_up").await;
    assert_eq!(all.len(), 12);
    let seen = receiver.others();
    assert!(seen < 12 * 7, "{seen} deliveries");
    fire(&caller);
    let all = server.wait_for_all(|webhook| webhook["state"] == "given_up").await;
    assert_eq!((&all[12]["attempts"], receiver.others()), (&json!(1), 1));
}

#[tokio::test]
async fn a_webhook_that_nobody_waits_for_is_unreachable() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    tokio::spawn(caller.sandbox.clone().deliver());
    // Taken, so that nobody else can have it, and not listened to.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/x", taken.local_addr().unwrap());
    caller.hook(&url);
    let all = server.wait_for_all(|webhook| webhook["state"] == "given_up").await;
    assert_eq!((&all[0]["last_error"], &all[0]["last_status"]), (&json!("unreachable"), &Value::Null));
}

#[tokio::test]
async fn each_comes_as_often_as_asked_and_in_any_order() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    let fault = json!({"times": 8, "copies": 3, "flaw": "reordered"});
    assert_eq!(server.post("/control/webhooks/faults", fault).await.status(), "204");
    let path = format!("/control/items/{}/webhooks", caller.item);
    for number in 0..7 {
        server.post(&path, json!({"webhook_type": "X", "webhook_code": "Y", "number": number})).await;
    }
    let held = server.webhooks().await.iter().filter(|webhook| webhook["state"] == "held").count();
    assert_eq!((held, receiver.others()), (21, 0));
    server.post(&path, json!({"webhook_type": "X", "webhook_code": "Y", "number": 7})).await;
    let mut numbers = Vec::new();
    for _ in 0..24 {
        numbers.push(receiver.next().await.json()["number"].as_u64().unwrap());
    }
    let sorted: Vec<_> = (0..24).map(|place| place / 3).collect();
    assert_ne!(numbers, sorted);
    numbers.sort_unstable();
    assert_eq!(numbers, sorted);
}

#[tokio::test]
async fn what_is_held_comes_when_it_is_let_go() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    for method in ["POST /control/webhooks/release", "DELETE /control/webhooks/faults"] {
        let fault = json!({"times": 9, "webhook_code": "LOGIN_REPAIRED", "flaw": "reordered"});
        server.post("/control/webhooks/faults", fault).await;
        fire(&caller);
        let other = json!({"times": 1, "webhook_code": "WEBHOOK_UPDATE_ACKNOWLEDGED", "flaw": "lost"});
        server.post("/control/webhooks/faults", other).await;
        caller.hook(&receiver.url);
        let states: Vec<_> = server.webhooks().await.iter().map(|webhook| webhook["state"].clone()).collect();
        assert_eq!(
            states.last_chunk(),
            Some(&[json!("held"), json!("lost")]),
            "another fault lets nothing go"
        );
        let (method, path) = method.split_once(' ').unwrap();
        server.call(method, path, &json!({})).await;
        assert_eq!(receiver.next().await.code(), "LOGIN_REPAIRED");
    }
}

#[tokio::test]
async fn a_lost_one_is_never_sent_and_only_those_of_its_code_are_lost() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    let fault = json!({"times": 1, "after": 1, "webhook_code": "LOGIN_REPAIRED", "flaw": "lost"});
    server.post("/control/webhooks/faults", fault).await;
    caller.hook(&receiver.url);
    for _ in 0..3 {
        fire(&caller);
    }
    let all = server.wait_for_all(|webhook| webhook["delivered"] == true || webhook["state"] == "lost").await;
    let states: Vec<_> = all.iter().map(|webhook| webhook["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["delivered", "delivered", "delivered", "lost", "delivered"]);
    assert_eq!(receiver.others(), 3);
    let unknown = server.post("/control/webhooks/faults", json!({"times": 1, "flaw": "eaten"})).await;
    assert!(unknown.body.contains("unknown variant `eaten`"), "{}", unknown.body);
}

#[tokio::test]
async fn a_first_delivery_can_be_signed_with_an_expired_key_or_long_ago() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    let flawed = async |receiver: &mut Receiver, flaw: &str| {
        server.post("/control/webhooks/faults", json!({"times": 1, "flaw": flaw})).await;
        rejected(&caller, receiver, vec![(401, None)]).await
    };
    let all = flawed(&mut receiver, "expired_key").await;
    let [first, retry] = [0, 1].map(|place| key(&caller, &all[place].kid()));
    all[0].claims(&first);
    assert!(first["expired_at"].as_i64().unwrap() < all[0].at.as_second());
    assert_eq!(retry["expired_at"], Value::Null);
    let all = flawed(&mut receiver, "stale_iat").await;
    let ages: Vec<_> = all
        .iter()
        .map(|got| got.at.as_second() - got.claims(&key(&caller, &got.kid()))["iat"].as_i64().unwrap())
        .collect();
    assert_eq!(ages, [301, 0]);
}

#[tokio::test]
async fn the_history_of_a_new_item_comes_by_itself() {
    let caller = Caller::with_delays(40, Duration::from_secs(10), Duration::from_mins(1));
    let start = caller.clock.now();
    let mut receiver = Receiver::start(&caller).await;
    caller.hook(&receiver.url);
    caller.sync("");
    tokio::spawn(caller.sandbox.clone().deliver());
    let mut codes = Vec::new();
    let mut came: Vec<(Timestamp, Value)> = Vec::new();
    for _ in 0..5 {
        let got = receiver.next().await;
        codes.push(got.code());
        came.push((got.at, got.json()));
    }
    let updates = "SYNC_UPDATES_AVAILABLE";
    assert_eq!(
        codes,
        ["WEBHOOK_UPDATE_ACKNOWLEDGED", "INITIAL_UPDATE", updates, "HISTORICAL_UPDATE", updates]
    );
    let complete: Vec<_> = came.iter().map(|(_, body)| &body["historical_update_complete"]).collect();
    assert_eq!([complete[2], complete[4]], [&json!(false), &json!(true)]);
    let waited = came.iter().map(|(at, _)| until(start, *at).as_secs()).collect::<Vec<_>>();
    assert!(waited[1] >= 10 && waited[3] >= 60, "{waited:?}");
}

#[tokio::test]
async fn a_world_that_was_kept_goes_on_sending_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let caller = Caller::new(0);
    let mut receiver = Receiver::start(&caller).await;
    let config = Config {
        client_id: "id".to_owned(),
        secret: "secret".to_owned(),
        initial_after: Duration::ZERO,
        historical_after: Duration::ZERO,
        time_scale: 1,
        seed: 7,
        file: Some(folder.path().join("world.json")),
        clock: caller.clock.clone(),
    };
    let mut caller = Caller { sandbox: Sandbox::open(config.clone()).unwrap(), ..caller };
    let connected = caller.sandbox.world().connect("user_many", "0", caller.clock.now());
    (caller.token, caller.item) = connected.unwrap();
    let sender = tokio::spawn(caller.sandbox.clone().deliver());
    caller.hook(&receiver.url);
    let kid = receiver.next().await.kid();
    Server::start(&caller).await.wait_for_all(|webhook| webhook["delivered"] == true).await;
    sender.abort();
    assert!(sender.await.unwrap_err().is_cancelled());
    fire(&caller);
    caller.sandbox.save().unwrap();

    caller.sandbox = Sandbox::open(config).unwrap();
    tokio::spawn(caller.sandbox.clone().deliver());
    let got = receiver.next().await;
    assert_eq!((got.code().as_str(), got.kid()), ("LOGIN_REPAIRED", kid));
    got.claims(&key(&caller, &got.kid()));
}

#[tokio::test]
async fn those_that_were_taken_can_be_forgotten() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let _receiver = Receiver::of(&caller).await;
    server.wait_for_all(|webhook| webhook["delivered"] == true).await;
    server.post("/control/webhooks/faults", json!({"times": 1, "flaw": "lost"})).await;
    fire(&caller);
    server.call("DELETE", "/control/webhooks", &Value::Null).await;
    let left: Vec<_> = server.webhooks().await.iter().map(|webhook| webhook["state"].clone()).collect();
    assert_eq!(left, ["lost"]);
}

#[tokio::test]
async fn items_do_not_wait_for_one_another() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let mut receiver = Receiver::of(&caller).await;
    // Nobody answers there: the connection is taken, and that is all.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let (token, _) = caller.sandbox.world().connect("user_many", "0", caller.clock.now()).unwrap();
    caller.ask("/item/webhook/update", &json!({"access_token": token, "webhook": url}));
    server.wait_for_all(|webhook| webhook["state"] != "waiting").await;
    fire(&caller);
    assert_eq!(receiver.next().await.code(), "LOGIN_REPAIRED");
}

/// How many deliveries are under way, and how many there were at most: of each item, and of all.
#[derive(Default)]
struct UnderWay {
    of_item: BTreeMap<String, usize>,
    most_of_item: usize,
    most: usize,
}

async fn slow(State(under_way): State<Arc<Mutex<UnderWay>>>, Json(body): Json<Value>) {
    let item = body["item_id"].as_str().unwrap().to_owned();
    {
        let mut under_way = under_way.lock().unwrap();
        let of_item = under_way.of_item.entry(item.clone()).or_default();
        *of_item += 1;
        let of_item = *of_item;
        under_way.most_of_item = under_way.most_of_item.max(of_item);
        let all = under_way.of_item.values().sum();
        under_way.most = under_way.most.max(all);
    }
    // Nobody is done before all have come that come at once.
    while under_way.lock().unwrap().most < 20 {
        tokio::task::yield_now().await;
    }
    *under_way.lock().unwrap().of_item.get_mut(&item).unwrap() -= 1;
}

#[tokio::test]
async fn twenty_items_are_told_at_the_same_time_and_each_one_thing_after_the_other() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let under_way = Arc::<Mutex<UnderWay>>::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(slow).with_state(under_way.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    for _ in 0..30 {
        let (token, _) = caller.sandbox.world().connect("user_many", "0", caller.clock.now()).unwrap();
        for _ in 0..3 {
            caller.ask("/item/webhook/update", &json!({"access_token": token, "webhook": url}));
        }
    }
    tokio::spawn(caller.sandbox.clone().deliver());
    let all = server.wait_for_all(|webhook| webhook["delivered"] == true).await;
    assert!(all.len() == 90 && all.iter().all(|webhook| webhook["attempts"] == 1));
    let under_way = under_way.lock().unwrap();
    assert_eq!((under_way.most, under_way.most_of_item), (20, 1));
}
