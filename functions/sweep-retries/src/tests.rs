//! What a sweep does to the store, and what it sends.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::ItemRef,
    store::OneConnection,
    sync::{self, Cause, Outcome, SyncMessage, Trigger, sync},
    time::Clock,
};
use edge::schedule::{Run, RunError};
use jiff::Timestamp;
use serde_json::json;
use testkit::{Fault, SkippingClock, World, acting};

use crate::{Answer, Deps, Input, handle};

struct Test {
    world: World,
    clock: Arc<SkippingClock>,
}

impl Test {
    async fn new() -> Self {
        Self { world: World::new().await, clock: Arc::default() }
    }

    async fn sweep(&self) -> Result<Answer, RunError> {
        let deps = Deps {
            retries: self.world.store.clone(),
            queue: self.world.queue.clone(),
            clock: self.clock.clone(),
        };
        let input = Input { scheduled_at: self.clock.now() };
        acting!(handle(&deps, Run { input, deadline: Timestamp::MAX })).await
    }

    /// A sync that Plaid answers with this error.
    async fn refused(&self, at: &ItemRef, code: &str) {
        let fault = json!({"path": "/transactions/sync", "times": 1, "error_code": code});
        self.world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
        assert!(matches!(self.sync(at).await, Outcome::Failed(_)));
    }

    async fn sync(&self, at: &ItemRef) -> Outcome {
        let deps = sync::Deps { clock: self.clock.clone(), ..self.world.sync() };
        let trigger = Trigger {
            at: at.clone(),
            want: None,
            cause: Cause::Sweep,
            deadline: Timestamp::MAX,
            fresh_within: None,
        };
        sync(&deps, &trigger).await.unwrap()
    }

    async fn pass(&self, hours: u64) {
        self.clock.sleep(Duration::from_hours(hours)).await;
    }

    fn sent(&self) -> Vec<SyncMessage> {
        self.world.queue.take().into_iter().map(|(message, _)| message).collect()
    }
}

fn swept(swept: u64) -> Answer {
    Answer { swept, is_partial: false }
}

#[tokio::test]
async fn an_item_is_asked_for_when_its_time_has_come_and_not_twice() {
    let test = Test::new().await;
    let (at, _) = test.world.item("user_good", "pass_good").await;
    test.refused(&at, "INSTITUTION_DOWN").await;
    assert_eq!(test.sweep().await.unwrap(), swept(0), "four hours have not passed");
    test.pass(5).await;
    assert_eq!(test.sweep().await.unwrap(), swept(1));
    assert_eq!(test.sent(), [SyncMessage::unnumbered(at.clone(), Cause::Sweep)]);
    assert_eq!(test.sweep().await.unwrap(), swept(0), "it is claimed");

    // The message is lost: an hour later it is sent again.
    test.pass(1).await;
    assert_eq!(test.sweep().await.unwrap(), swept(1));
    assert_eq!(test.sent().len(), 1);

    // Once it has gone well nobody looks for it.
    assert!(matches!(test.sync(&at).await, Outcome::Finished { .. }));
    test.pass(10).await;
    assert_eq!(test.sweep().await.unwrap(), swept(0));
}

#[tokio::test]
async fn what_needs_a_person_is_not_swept() {
    let test = Test::new().await;
    let (at, _) = test.world.item("user_good", "pass_good").await;
    test.refused(&at, "INSTITUTION_DOWN").await;
    test.refused(&at, "ITEM_LOGIN_REQUIRED").await;
    test.pass(24).await;
    assert_eq!(test.sweep().await.unwrap(), swept(0));
    let failure = test.world.store.connection(&at).await.unwrap().unwrap().item.failure.unwrap();
    assert_eq!(failure.retry_at, None);
}

#[tokio::test]
async fn many_are_swept_once_each() {
    let test = Test::new().await;
    for _ in 0..20 {
        let (at, _) = test.world.item("user_good", "pass_good").await;
        test.refused(&at, "INSTITUTION_NOT_RESPONDING").await;
    }
    test.pass(5).await;
    assert_eq!(test.sweep().await.unwrap(), swept(20));
    let mut items: Vec<_> = test.sent().into_iter().map(|message| message.at).collect();
    items.sort();
    items.dedup();
    assert_eq!(items.len(), 20);
}

#[tokio::test]
async fn what_the_store_does_not_do_fails_and_the_next_run_goes_on() {
    let test = Test::new().await;
    let (at, _) = test.world.item("user_good", "pass_good").await;
    test.refused(&at, "INSTITUTION_DOWN").await;
    test.pass(5).await;
    for operation in ["Query", "UpdateItem"] {
        test.world.aws.fault(operation, 0, 100, Fault::Refuse);
        assert!(test.sweep().await.is_err(), "{operation}");
        test.world.aws.heal();
    }
    assert_eq!(test.sweep().await.unwrap(), swept(1));
    assert_eq!(test.sent().len(), 1);
}
