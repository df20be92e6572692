//! What the worker of the night does to the store, what it sends, what it counts and what it costs.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::{ItemId, ItemRef},
    night::{
        Breaker, Guarded, NightCounting, NightCounts, NightItem, NightMessage, NightPlans, Nights, Settled,
        Shard, ShardPlan, Watch,
    },
    queue::Letter,
    removal::RemovalMessage,
    store::OneConnection,
    sync::{self, Budgets, Pool},
    time::Clock,
};
use edge::{
    batch::{Message, Verdict},
    system::System,
};
use jiff::{Timestamp, civil::Date};
use serde_json::json;
use testkit::{FakeQueue, Fault, SkippingClock, World, acting};

use crate::{Deps, Leftovers, handle};

const NIGHT: Date = Date::constant(2026, 11, 24);

struct Test {
    world: World,
    queue: Arc<FakeQueue<NightMessage>>,
    removals: Arc<FakeQueue<RemovalMessage>>,
    dead_letters: Arc<FakeQueue<Letter>>,
    clock: Arc<SkippingClock>,
    deps: Deps,
}

impl Test {
    async fn new() -> Self {
        let world = World::new().await;
        let clock = Arc::new(SkippingClock::default());
        let watch = Arc::new(Watch::new(world.store.clone(), clock.clone()));
        let bank = Arc::new(Guarded::new(world.plaid.clone(), watch.clone()));
        let leftovers = Arc::new(Leftovers::new(world.store.clone()));
        let sync = sync::Deps {
            reads: leftovers.clone(),
            feed: bank.clone(),
            accounts: bank,
            clock: clock.clone(),
            budgets: Arc::new(Budgets::of_night(
                1_000,
                100_000,
                Pool::per_minute(world.store.clone(), 100_000, &System),
            )),
            ..world.sync()
        };
        let (queue, removals) = (Arc::new(FakeQueue::default()), Arc::new(FakeQueue::default()));
        let dead_letters = Arc::new(FakeQueue::default());
        let deps = Deps {
            sync,
            watch,
            counting: world.store.clone(),
            queue: queue.clone(),
            leftovers,
            removals: removals.clone(),
            merging: None,
            dead_letters: dead_letters.clone(),
        };
        Self { world, queue, removals, dead_letters, clock, deps }
    }

    async fn items(&self, count: usize) -> Vec<ItemRef> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.world.item("user_many", "3").await.0);
        }
        items
    }

    async fn run(&self, content: NightMessage) -> Verdict {
        let deadline = self.clock.now().checked_add(Duration::from_secs(50)).unwrap();
        acting!(handle(&self.deps, Message { content, deadline })).await
    }

    /// Has the next syncs refused.
    fn refuse(&self, code: &str, times: u32) {
        let fault = json!({"path": "/transactions/sync", "times": times, "error_code": code});
        self.world.sandbox.world().add_fault(serde_json::from_value(fault).unwrap());
    }

    /// What has been counted.
    async fn counts(&self) -> NightCounts {
        let store = &self.world.store;
        store.begin(NIGHT, Timestamp::now()).await.unwrap();
        // The counts of a shard are read once it has a plan.
        let plan = ShardPlan { rev: 1, is_read: true, ..ShardPlan::default() };
        store.save_shard_plan(NIGHT, shard(), &plan, Timestamp::now()).await.unwrap();
        store.night(NIGHT).await.unwrap().unwrap().counts
    }
}

fn shard() -> Shard {
    Shard::try_from(7).unwrap()
}

fn message(items: &[ItemRef]) -> NightMessage {
    let item = |(place, at): (u8, &ItemRef)| NightItem { place, at: at.clone(), tries: 0 };
    NightMessage {
        night: NIGHT,
        shard: shard(),
        number: 0,
        ends: Timestamp::MAX,
        items: (0..).zip(items).map(item).collect(),
        is_counted: false,
    }
}

fn nobody() -> ItemRef {
    ItemRef {
        household: domain::ids::HouseholdId::from_entropy([1; 10]),
        item: ItemId::from_entropy([9; 10]),
    }
}

#[tokio::test]
async fn items_are_synced_and_counted_once_and_are_fresh_when_they_come_again() {
    let test = Test::new().await;
    let items = test.items(3).await;
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    let first = test.counts().await;
    assert_eq!((first.succeeded, first.items()), (3, 3));
    assert!(first.rows > 0);

    test.world.sandbox.world().take_calls();
    test.world.aws.take_calls();
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    assert!(test.world.sandbox.world().take_calls().is_empty(), "fresh items cost no call of Plaid");
    let calls = test.world.aws.take_calls();
    assert_eq!((calls.get("Query"), calls.get("Decrypt")), (Some(&3), None), "{calls:?}");
    assert_eq!(test.counts().await, first, "a second delivery counts nothing");

    // Another message of the night counts on its own.
    assert_eq!(test.run(NightMessage { number: 1, ..message(&items) }).await, Verdict::Done);
    assert_eq!(test.counts().await, NightCounts { fresh: 3, ..first });

    // A day later they are stale.
    test.clock.sleep(Duration::from_hours(21)).await;
    assert_eq!(test.run(NightMessage { number: 2, ..message(&items) }).await, Verdict::Done);
    assert_eq!(test.world.sandbox.world().take_calls().get("/transactions/sync"), Some(&3));
}

#[tokio::test]
async fn every_outcome_has_its_name_and_the_sum_is_right() {
    let test = Test::new().await;
    let mut items = test.items(1).await;
    items.push(nobody());
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    let expected = NightCounts { succeeded: 1, fresh: 1, gone: 1, ..NightCounts::default() };
    assert_eq!(NightCounts { rows: 0, ..test.counts().await }, expected);

    // What the bank refuses stands on the item: no message, no retry, no dead letter.
    for (number, code) in [(1, "ITEM_LOGIN_REQUIRED"), (2, "INSTITUTION_DOWN")] {
        let item = test.items(1).await;
        test.refuse(code, 1);
        assert_eq!(test.run(NightMessage { number, ..message(&item) }).await, Verdict::Done);
    }
    let expected = NightCounts { failed: 2, ..expected };
    assert_eq!(NightCounts { rows: 0, ..test.counts().await }, expected);
    assert!(test.queue.take_messages().is_empty() && test.dead_letters.take_messages().is_empty());

    // What is ours to mend is put aside with its reason.
    let item = test.items(1).await;
    test.refuse("INVALID_API_KEYS", 1);
    assert_eq!(test.run(NightMessage { number: 3, ..message(&item) }).await, Verdict::Done);
    let [letter] = &test.dead_letters.take_messages()[..] else { panic!("one letter") };
    assert!(letter.reason.contains("INVALID_API_KEYS"), "{letter:?}");
    let expected = NightCounts { parked: 1, ..expected };
    assert_eq!(NightCounts { rows: 0, ..test.counts().await }, expected);

    // Sent back, it is synced, and not counted a second time.
    assert_eq!(test.run(serde_json::from_str(&letter.body).unwrap()).await, Verdict::Done);
    assert_eq!(NightCounts { rows: 0, ..test.counts().await }, expected);
    assert_eq!(test.run(NightMessage { number: 4, ..message(&item) }).await, Verdict::Done);
    assert_eq!(test.counts().await.fresh, expected.fresh + 1, "it was synced");
}

#[tokio::test]
async fn an_item_that_is_revoked_is_left_alone_and_one_that_is_stuck_on_its_way_out_is_helped() {
    let test = Test::new().await;
    let items = test.items(2).await;
    test.refuse("ITEM_NOT_FOUND", 1);
    assert_eq!(test.run(message(&items[..1])).await, Verdict::Done);
    set(&test, &items[1], "hs", &json!({"S": "removing"})).await;
    test.world.sandbox.world().take_calls();
    assert_eq!(test.run(NightMessage { number: 1, ..message(&items) }).await, Verdict::Done);
    assert!(test.world.sandbox.world().take_calls().is_empty());
    let removals = test.removals.take_messages();
    assert_eq!(removals, items[1..].iter().cloned().map(RemovalMessage::of_item).collect::<Vec<_>>());
    let counts = test.counts().await;
    assert_eq!((counts.failed, counts.fresh, counts.gone), (1, 2, 2));
}

#[tokio::test]
async fn what_is_left_over_of_a_replaced_connection_is_asked_for_again_beside_the_sync() {
    let test = Test::new().await;
    let items = test.items(2).await;
    set(&test, &items[0], "ot", &json!({"L": [{"B": "c2VhbGVk"}]})).await;
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    let removals = test.removals.take_messages();
    assert_eq!(removals, items[..1].iter().cloned().map(RemovalMessage::of_item).collect::<Vec<_>>());
    assert_eq!(test.counts().await.succeeded, 2);
}

/// Writes an attribute of an item's row.
async fn set(test: &Test, at: &ItemRef, name: &str, value: &serde_json::Value) {
    let update = json!({
        "TableName": "DataTable",
        "Key": {"pk": {"S": format!("H#{}", at.household)}, "sk": {"S": format!("I#{}", at.item)}},
        "UpdateExpression": format!("SET {name} = :value"),
        "ExpressionAttributeValues": {":value": value},
    });
    test.world.aws.ask("DynamoDB_20120810.UpdateItem", &update).await;
}

#[tokio::test]
async fn a_rate_limit_holds_the_night_and_nobody_else_and_stands_on_no_item() {
    let test = Test::new().await;
    let items = test.items(4).await;
    test.refuse("TRANSACTIONS_SYNC_LIMIT", 1);
    assert_eq!(test.run(message(&items[..1])).await, Verdict::Done);
    let calls = test.world.sandbox.world().take_calls();
    assert_eq!(calls.get("/transactions/sync"), Some(&1), "one call too many, and no more");
    let [again] = &test.queue.take_messages()[..] else { panic!("one message") };
    assert_eq!(again.items, message(&items[..1]).items, "it is no failure of the item's");
    assert_eq!(test.counts().await.items(), 0);
    let connection = test.world.store.connection(&items[0]).await.unwrap().unwrap();
    assert_eq!(connection.item.failure, None);

    // Held: messages are sent on, unread, to a time after the hold.
    let held_until = test.world.store.held_until().await.unwrap().unwrap();
    let held_for = domain::time::until(test.clock.now(), held_until);
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    let [(held, delay)] = &test.queue.take()[..] else { panic!("one message") };
    assert_eq!(*held, message(&items));
    assert!(*delay > held_for && *delay < Duration::from_mins(2), "{delay:?}");
    assert!(test.world.sandbox.world().take_calls().is_empty());

    // Another process learns of it from the row; the other workers do not look.
    let watch = Watch::new(test.world.store.clone(), test.clock.clone());
    assert!(watch.held().await.unwrap().is_some());
    let others = sync::Trigger {
        at: items[1].clone(),
        want: None,
        cause: sync::Cause::Webhook,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    assert!(matches!(sync::sync(&test.world.sync(), &others).await, Ok(sync::Outcome::Finished { .. })));

    test.clock.sleep(*delay).await;
    assert_eq!(test.run(held.clone()).await, Verdict::Done);
    let counts = test.counts().await;
    assert_eq!((counts.succeeded, counts.fresh), (3, 1));
}

#[tokio::test]
async fn a_hold_is_never_shortened() {
    let test = Test::new().await;
    let store = &test.world.store;
    let at = |second| Timestamp::from_second(second).unwrap();
    assert_eq!(store.held_until().await.unwrap(), None);
    store.hold(at(2_000)).await.unwrap();
    store.hold(at(1_000)).await.unwrap();
    assert!(store.held_until().await.unwrap().unwrap() >= at(2_000));
}

#[tokio::test]
async fn items_that_cannot_be_synced_now_are_tried_again_alone_and_put_aside_in_the_end() {
    let test = Test::new().await;
    let items = test.items(2).await;
    let mut content = message(&items);
    let mut delays = Vec::new();
    // The keys of tokens cannot be reached.
    test.world.aws.fault("Decrypt", 0, 10_000, Fault::Refuse);
    loop {
        assert_eq!(test.run(content.clone()).await, Verdict::Done);
        let mut sent = test.queue.take();
        let Some((again, delay)) = sent.pop() else { break };
        delays.push(delay.as_secs());
        assert_eq!(test.counts().await.items(), 0, "nothing is settled yet");
        content = again;
    }
    assert_eq!(delays, [30, 120, 480, 900]);
    assert_eq!(test.dead_letters.take_messages().len(), 2);
    assert_eq!(test.counts().await, NightCounts { parked: 2, ..NightCounts::default() });
}

#[tokio::test]
async fn what_the_night_has_not_reached_is_left_to_the_next_one() {
    let test = Test::new().await;
    let items = test.items(2).await;
    let late = NightMessage { ends: test.clock.now(), ..message(&items) };
    assert_eq!(test.run(late).await, Verdict::Done);
    assert!(!test.world.sandbox.world().take_calls().contains_key("/transactions/sync"));
    assert_eq!(test.counts().await, NightCounts { failed: 2, ..NightCounts::default() });
}

#[tokio::test]
async fn a_message_that_cannot_be_followed_or_counted_comes_again() {
    let test = Test::new().await;
    let items = test.items(1).await;
    test.refuse("INVALID_API_KEYS", 1);
    test.dead_letters.refuse(true);
    assert!(matches!(test.run(message(&items)).await, Verdict::Retry(_)));
    test.dead_letters.refuse(false);
    assert_eq!(test.counts().await.items(), 0);
    assert_eq!(test.run(message(&items)).await, Verdict::Done);
    assert_eq!(test.counts().await.items(), 1);
}

/// Killed at each call of AWS, before and after it takes effect; then the message comes again.
#[tokio::test]
async fn killed_anywhere_the_next_delivery_counts_each_once() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for step in (0..).step_by(2) {
            let test = Test::new().await;
            let mut items = test.items(2).await;
            items.push(nobody());
            test.world.aws.fault("", step, 1, fault);
            let was_killed = tokio::select! {
                _ = test.run(message(&items)) => false,
                () = test.world.aws.hung() => true,
            };
            test.world.aws.heal();
            assert_eq!(test.run(message(&items)).await, Verdict::Done, "{fault:?} at call {step}");
            // Two workers may have met at an item: whoever came second asks again.
            for again in test.queue.take_messages() {
                test.clock.sleep(Duration::from_mins(1)).await;
                assert_eq!(test.run(again).await, Verdict::Done);
            }
            let counts = test.counts().await;
            assert_eq!((counts.items(), counts.gone, counts.failed), (3, 1, 0), "{fault:?} at call {step}");
            if !was_killed {
                assert_eq!(counts.succeeded, 2);
                break;
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 32, ..Default::default() })]

    /// However the places of a message are told, and how often: each is counted once.
    #[test]
    fn places_are_counted_once_whoever_tells_them(
        tells in proptest::collection::vec(proptest::collection::btree_set(0_u8..10, 0..10), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test = Test::new().await;
            let message = message(&[]);
            let all: std::collections::BTreeSet<u8> = tells.iter().flatten().copied().collect();
            let mut counted = NightCounts::default();
            for places in tells {
                let settled: Vec<_> = places.into_iter().map(|place| (place, Settled::Succeeded(2))).collect();
                counted += test.world.store.count(&message, &settled, Timestamp::now()).await.unwrap();
            }
            assert_eq!(counted.succeeded, u64::try_from(all.len()).unwrap());
            assert_eq!(counted.rows, 2 * counted.succeeded);
            assert_eq!(test.counts().await, counted);
        });
    }
}
