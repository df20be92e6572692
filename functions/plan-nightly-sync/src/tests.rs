//! What the planner does to the store, and what it sends.

use std::{collections::BTreeSet, sync::Arc};

use domain::night::{LASTS, Nights, Shard, ShardMessage};
use edge::schedule::{Run, RunError};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use testkit::{FakeQueue, Fault, SkippingClock, World, acting};

use crate::{Answer, Deps, Input, handle};

struct Test {
    world: World,
    queue: Arc<FakeQueue<ShardMessage>>,
    deps: Deps,
}

impl Test {
    async fn new() -> Self {
        let world = World::new().await;
        let queue = Arc::new(FakeQueue::default());
        let deps = Deps {
            plans: world.store.clone(),
            queue: queue.clone(),
            clock: Arc::new(SkippingClock::default()),
            zone: TimeZone::get("America/Phoenix").unwrap(),
        };
        Self { world, queue, deps }
    }

    async fn run(&self, event: serde_json::Value) -> Result<Answer, RunError> {
        let input: Input = serde_json::from_value(event).unwrap();
        acting!(handle(&self.deps, Run { input, deadline: Timestamp::MAX })).await
    }
}

#[tokio::test]
async fn a_night_is_begun_once_for_each_local_date_and_all_of_its_shards_are_asked_for() {
    let test = Test::new().await;
    // 02:00 in Phoenix, where it is the date of the night; and an hour before midnight there.
    let first = test.run(json!({"scheduled_at": "2026-11-24T09:00:00Z"})).await.unwrap();
    let again = test.run(json!({"scheduled_at": "2026-11-25T06:00:00Z"})).await.unwrap();
    assert_eq!((first.night.to_string(), first.is_new), ("2026-11-24".to_owned(), true));
    assert_eq!(again, Answer { is_new: false, ..first });
    let report = test.world.store.night(first.night).await.unwrap().unwrap();
    assert_eq!((report.begun, report.planned, report.queued), (first.begun, 0, 0));
    let sent = test.queue.take_messages();
    let shards: Vec<_> = sent.iter().map(|message| message.shard).collect();
    assert_eq!(shards, Shard::all().chain(Shard::all()).collect::<Vec<_>>());
    let ends = first.begun.checked_add(LASTS).unwrap();
    assert!(sent.iter().all(|message| message.night == first.night && message.ends == ends));
}

#[tokio::test]
async fn an_operator_names_the_date_and_nothing_else() {
    let test = Test::new().await;
    assert_eq!(test.run(json!({"date": "2026-01-02"})).await.unwrap().night.to_string(), "2026-01-02");
    assert_eq!(test.queue.take_messages().len(), 64);
    for wrong in [
        json!({}),
        json!({"date": "tomorrow"}),
        json!({"date": "2026-01-02", "scheduled_at": "2026-11-24T09:00:00Z"}),
        json!({"scheduled_at": "<aws.scheduler.scheduled-time>"}),
    ] {
        assert!(serde_json::from_value::<Input>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn what_the_store_or_the_queue_does_not_take_fails_and_the_next_run_sends_everything() {
    let test = Test::new().await;
    test.world.aws.fault("PutItem", 0, 100, Fault::Refuse);
    assert!(test.run(json!({"date": "2026-11-24"})).await.is_err());
    test.world.aws.heal();
    test.queue.refuse(true);
    assert!(test.run(json!({"date": "2026-11-24"})).await.is_err());
    test.queue.refuse(false);
    let answer = test.run(json!({"date": "2026-11-24"})).await.unwrap();
    assert!(!answer.is_new, "the row was written by the run before");
    let shards: BTreeSet<_> = test.queue.take_messages().into_iter().map(|message| message.shard).collect();
    assert_eq!(shards.len(), 64);
}

#[test]
fn a_zone_that_is_none_stops_the_start() {
    let read = |zone: &'static str| {
        move |name: &str| match name {
            "NIGHT_TIME_ZONE" => Some(zone.to_owned()),
            other => Some(other.to_lowercase()),
        }
    };
    assert!(crate::config::Config::from_env(&read("America/Phoenix")).is_ok());
    let error = crate::config::Config::from_env(&read("Mars/Olympus")).unwrap_err();
    assert!(error.to_string().contains("NIGHT_TIME_ZONE"), "{error}");
}
