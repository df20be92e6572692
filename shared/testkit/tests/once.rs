//! Requests with an `Idempotency-Key`, over the real store: one effect and one answer, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{
    ids::{Entropy, HouseholdId},
    time::Clock,
};
use edge::{
    Problem,
    http::{Reply, Request},
    idempotency::{Once, once},
    system::System,
};
use jiff::Timestamp;
use serde_json::json;
use testkit::{Fault, StandingClock, World, request, with_header};
use tokio::sync::Notify;

const KEY: &str = "idempotency-key";
const NEARLY_A_DAY: Duration = Duration::from_secs(24 * 3600 - 2);

/// An endpoint that counts how often it was carried out.
struct Endpoint {
    once: Once,
    household: HouseholdId,
    clock: Arc<StandingClock>,
    effects: AtomicUsize,
    entropies: Mutex<Vec<Entropy>>,
}

impl Endpoint {
    fn new(world: &World) -> Self {
        let clock = Arc::new(StandingClock::at(Timestamp::now()));
        let once = Once {
            memberships: world.store.clone(),
            records: world.store.clone(),
            clock: clock.clone(),
            random: Arc::new(System),
        };
        let household = world.household.clone();
        Self { once, household, clock, effects: AtomicUsize::new(0), entropies: Mutex::default() }
    }

    async fn call(&self, request: Request) -> Result<Reply, Problem> {
        self.answering(request, Ok(201)).await
    }

    async fn answering(&self, request: Request, with: Result<u16, Problem>) -> Result<Reply, Problem> {
        once(&self.once, request, async |_, entropy| {
            self.entropies.lock().unwrap().push(entropy);
            let count = self.effects.fetch_add(1, Ordering::SeqCst);
            Ok(Reply::json(with?, &json!({"effect": count}))?.tagged(9).of(self.household.clone()))
        })
        .await
    }

    fn effects(&self) -> usize {
        self.effects.load(Ordering::SeqCst)
    }
}

fn post(key: &str) -> Request {
    with_header(request("alice", &[], "", &json!({"amount": "1.00"})), KEY, key)
}

fn code(outcome: Result<Reply, Problem>) -> (u16, &'static str) {
    match outcome {
        Ok(reply) => (reply.status, ""),
        Err(problem) => (problem.status, problem.code),
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_for_a_day() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    let first = endpoint.call(post("k")).await.unwrap();
    assert_eq!(first.headers, [("etag", "\"9\"".to_owned())]);
    endpoint.clock.pass(NEARLY_A_DAY);
    assert_eq!(endpoint.call(post("k")).await.unwrap(), first);
    assert_eq!(endpoint.effects(), 1);
    // Rows outlive their time: what they say is not believed any more.
    endpoint.clock.pass(Duration::from_secs(3));
    assert_ne!(endpoint.call(post("k")).await.unwrap().body, first.body);
    assert_eq!(endpoint.effects(), 2);
}

#[tokio::test]
async fn repeated_request_of_a_former_member_is_not_answered() {
    let world = World::new().await;
    let mut endpoint = Endpoint::new(&world);
    // As of a household that ended, or that put the caller out, since the first time.
    endpoint.household = HouseholdId::from_entropy([9; 10]);
    assert_eq!(code(endpoint.call(post("k")).await), (201, ""));
    assert_eq!(code(endpoint.call(post("k")).await), (404, "household_not_found"));
    assert_eq!(endpoint.effects(), 1);
}

#[tokio::test]
async fn a_request_without_a_key_is_carried_out_each_time() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    for _ in 0..2 {
        endpoint.call(request("alice", &[], "", &json!({}))).await.unwrap();
    }
    assert_eq!(endpoint.effects(), 2);
    assert!(world.aws.take_calls().is_empty(), "and costs nothing");
}

#[tokio::test]
async fn a_key_is_of_one_user_one_endpoint_and_one_request() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    endpoint.call(post("k")).await.unwrap();
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = post("k");
        change(&mut request);
        request
    };
    let others: [&dyn Fn(&mut Request); 3] = [
        &|request| request.body = b"{\"amount\": \"2.00\"}".to_vec(),
        &|request| request.raw_query = "a=b".to_owned(),
        &|request| drop(request.path.insert("household_id".to_owned(), "hh_1".to_owned())),
    ];
    for other in others {
        assert_eq!(code(endpoint.call(with(other)).await), (422, "idempotency_key_reused"));
    }
    assert_eq!(endpoint.effects(), 1);
    for other in [
        with(&|request| request.user = "bob".parse().unwrap()),
        with(&|request| request.route = "POST /other".to_owned()),
        post("K"),
    ] {
        assert_eq!(code(endpoint.call(other).await), (201, ""));
    }
    assert_eq!(endpoint.effects(), 4);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    for wrong in ["", "  ", "a\tb", &"k".repeat(256)] {
        let problem = endpoint.call(post(wrong)).await.unwrap_err();
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (400, "Idempotency-Key"), "{wrong:?}");
    }
    let mut request = post("k");
    request.headers.insert(KEY, http::HeaderValue::from_bytes("schlüssel".as_bytes()).unwrap());
    assert_eq!(code(endpoint.call(request).await).0, 400);
    assert_eq!(endpoint.effects(), 0);
    assert_eq!(code(endpoint.call(post(&"k".repeat(255))).await).0, 201);
}

#[tokio::test]
async fn while_it_is_carried_out_the_same_is_told_to_wait() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    let (begun, go_on) = (Notify::new(), Notify::new());
    let slow = once(&endpoint.once, post("k"), async |_, _| {
        begun.notify_one();
        go_on.notified().await;
        Ok(Reply::json(201, &json!({"slow": true}))?.of(endpoint.household.clone()))
    });
    let meanwhile = async {
        begun.notified().await;
        let problem = endpoint.call(post("k")).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (409, "request_in_progress"));
        assert_eq!(problem.retry_after_s, Some(1));
        go_on.notify_one();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(endpoint.call(post("k")).await.unwrap(), slow.unwrap());
    assert_eq!(endpoint.effects(), 0);
}

#[tokio::test]
async fn one_whose_process_died_is_made_again_with_the_same_ids_once_its_time_is_over() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    world.aws.fault("UpdateItem", 0, 1, Fault::HangBefore);
    tokio::select! {
        outcome = endpoint.call(post("k")) => unreachable!("{outcome:?}"),
        () = world.aws.hung() => {}
    }
    world.aws.heal();
    assert_eq!(code(endpoint.call(post("k")).await), (409, "request_in_progress"));
    let mut other = post("k");
    other.body = b"{}".to_vec();
    endpoint.clock.pass(Duration::from_secs(30));
    assert_eq!(code(endpoint.call(other).await), (422, "idempotency_key_reused"), "nor is it another then");
    let again = endpoint.call(post("k")).await.unwrap();
    assert_eq!(again.body, r#"{"effect":1}"#);
    let entropies = endpoint.entropies.lock().unwrap().clone();
    assert_eq!(entropies[0], entropies[1]);
    assert_eq!(endpoint.call(post("k")).await.unwrap(), again);
}

#[tokio::test]
async fn of_many_who_take_a_dead_one_over_one_does() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    world.aws.fault("UpdateItem", 0, 1, Fault::HangBefore);
    tokio::select! {
        outcome = endpoint.call(post("k")) => unreachable!("{outcome:?}"),
        () = world.aws.hung() => {}
    }
    endpoint.clock.pass(Duration::from_secs(30));
    let late = || {
        let mut late = post("k");
        late.deadline = endpoint.clock.now() + Duration::from_secs(29);
        late
    };
    futures::future::join_all((0..20).map(|_| endpoint.call(late()))).await;
    assert_eq!(endpoint.effects(), 2, "the dead one, and another");
}

#[tokio::test]
async fn a_refusal_frees_the_key_and_a_failure_keeps_what_was_begun() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    let refused = Problem::field("amount", "must be a number");
    assert_eq!(code(endpoint.answering(post("k"), Err(refused)).await).0, 400);
    let mut mended = post("k");
    mended.body = b"{}".to_vec();
    let failed = Problem::later("store_unavailable", "Try again.", 2);
    assert_eq!(code(endpoint.answering(mended.clone(), Err(failed)).await).0, 503);
    assert_eq!(code(endpoint.call(post("k")).await), (422, "idempotency_key_reused"));
    assert_eq!(code(endpoint.call(mended).await), (201, ""));
    let entropies = endpoint.entropies.lock().unwrap().clone();
    assert_ne!(entropies[0], entropies[1]);
    assert_eq!(entropies[1], entropies[2]);
}

#[tokio::test]
async fn an_end_that_is_not_remembered_is_told_all_the_same() {
    let world = World::new().await;
    let endpoint = Endpoint::new(&world);
    world.aws.fault("UpdateItem", 0, 9, Fault::Refuse);
    assert_eq!(code(endpoint.call(post("k")).await), (201, ""));
    world.aws.fault("PutItem", 0, 9, Fault::Refuse);
    assert_eq!(code(endpoint.call(post("other")).await), (503, "store_unavailable"));
    assert_eq!(endpoint.effects(), 1, "without a record nothing is done");
}
