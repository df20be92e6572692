//! What planning does to the store, and what it sends, whenever it is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{
    ids::{HouseholdId, ItemId, ItemRef},
    item::NewItem,
    night::{NightItem, NightMessage, NightPlans, Nights, PlanDeps, Shard, ShardMessage},
    secret::SealedToken,
    store::NewConnections,
};
use edge::batch::{Message, Verdict};
use jiff::{Timestamp, civil::Date};
use testkit::{FakeQueue, Fault, SkippingClock, World, acting};

use crate::{Deps, handle};

const NIGHT: Date = Date::constant(2026, 11, 24);

struct Test {
    world: World,
    shards: Arc<FakeQueue<ShardMessage>>,
    night: Arc<FakeQueue<NightMessage>>,
    deps: Deps,
    shard: Shard,
}

impl Test {
    /// A world with so many items in one shard.
    async fn new(items: u32) -> Self {
        let world = World::new().await;
        let (shards, night) = (Arc::new(FakeQueue::default()), Arc::new(FakeQueue::default()));
        let plan = PlanDeps {
            due: world.store.clone(),
            plans: world.store.clone(),
            queue: night.clone(),
            clock: Arc::new(SkippingClock::default()),
            page_items: 20,
        };
        let shard = Shard::try_from(7).unwrap();
        let ids = (0_u32..).map(|n| {
            let mut entropy = [0; 10];
            entropy[..4].copy_from_slice(&n.to_be_bytes());
            ItemId::from_entropy(entropy)
        });
        for id in ids.filter(|id| Shard::of(id) == shard).take(items.try_into().unwrap()) {
            world.store.add(&item(id)).await.unwrap();
        }
        world.aws.take_calls();
        let deps = Deps { plan, shards: shards.clone() };
        Self { world, shards, night, deps, shard }
    }

    fn message(&self) -> ShardMessage {
        ShardMessage { night: NIGHT, shard: self.shard, ends: Timestamp::MAX }
    }

    async fn run(&self, deadline: Timestamp) -> Verdict {
        acting!(handle(&self.deps, Message { content: self.message(), deadline })).await
    }

    /// The items that were sent, by message and place: whatever was sent twice must have been the same.
    fn sent(&self) -> BTreeMap<(u32, u8), ItemRef> {
        let mut all = BTreeMap::new();
        for NightMessage { number, items, night, shard, .. } in self.night.take_messages() {
            assert_eq!((night, shard), (NIGHT, self.shard));
            for NightItem { place, at, .. } in items {
                let before = all.insert((number, place), at.clone());
                assert!(before.is_none_or(|before| before == at), "a message changed");
            }
        }
        all
    }

    async fn queued(&self) -> u64 {
        self.world.store.begin(NIGHT, Timestamp::now()).await.unwrap();
        let report = self.world.store.night(NIGHT).await.unwrap().unwrap();
        assert_eq!(report.planned, 1);
        report.queued
    }
}

fn item(id: ItemId) -> NewItem {
    NewItem {
        plaid_item: id.as_str().parse().unwrap(),
        at: ItemRef { household: HouseholdId::from_entropy([1; 10]), item: id },
        user: "alice".parse().unwrap(),
        institution: None,
        institution_name: None,
        token: SealedToken(vec![1]),
        at_time: Timestamp::now(),
        awaits_admission: false,
    }
}

/// Whatever happened before: everything has been sent, and is counted once.
async fn assert_all_queued(test: &Test, items: u32) {
    let sent = test.sent();
    let items_sent: BTreeSet<_> = sent.values().collect();
    assert_eq!(items_sent.len(), usize::try_from(items).unwrap(), "each at least once");
    assert_eq!(sent.len(), items_sent.len(), "each in one place");
    assert_eq!(test.queued().await, u64::from(items), "each counted once");
}

#[tokio::test]
async fn every_item_of_a_shard_is_queued_in_messages_of_ten_and_a_second_delivery_sends_nothing() {
    let test = Test::new(35).await;
    assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    let messages = test.night.take_messages();
    let shape: Vec<_> = messages.iter().map(|message| (message.number, message.items.len())).collect();
    assert_eq!(shape, [(0, 10), (1, 10), (2, 10), (3, 5)]);
    let calls: Vec<_> = test.world.aws.take_calls().into_iter().collect();
    let count = |name: &str, count| (name.to_owned(), count);
    assert_eq!(calls, [count("GetItem", 1), count("PutItem", 3), count("Query", 2)]);
    assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    assert!(test.night.take_messages().is_empty());
    assert_eq!(test.queued().await, 35);
}

#[tokio::test]
async fn an_empty_shard_is_planned_too() {
    let test = Test::new(0).await;
    assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    assert_all_queued(&test, 0).await;
}

/// Killed at each call of the store, before and after it takes effect; then the message comes again.
#[tokio::test]
async fn killed_anywhere_the_next_delivery_queues_each_at_least_once_and_counts_it_once() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for step in 0.. {
            let test = Test::new(45).await;
            test.world.aws.fault("", step, 1, fault);
            let was_killed = tokio::select! {
                _ = test.run(Timestamp::MAX) => false,
                () = test.world.aws.hung() => true,
            };
            test.world.aws.heal();
            assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done, "{fault:?} at call {step}");
            assert_all_queued(&test, 45).await;
            if !was_killed {
                assert!(step > 4, "{fault:?} at call {step}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_queue_that_takes_half_is_sent_the_same_messages_again() {
    let test = Test::new(25).await;
    test.night.refuse(true);
    assert!(matches!(test.run(Timestamp::MAX).await, Verdict::Retry(_)));
    test.night.refuse(false);
    assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    assert_all_queued(&test, 25).await;
}

#[tokio::test]
async fn at_its_deadline_it_hands_over_to_itself_until_all_is_sent() {
    let test = Test::new(45).await;
    let soon = Timestamp::now().checked_add(Duration::from_secs(1)).unwrap();
    let mut hand_overs = 0;
    loop {
        assert_eq!(test.run(soon).await, Verdict::Done);
        let handed_over = test.shards.take_messages();
        if handed_over.is_empty() {
            break;
        }
        assert_eq!(handed_over, [test.message()]);
        hand_overs += 1;
        assert!(hand_overs < 10, "it gets on");
        // Without time it reads nothing, so somebody with time must.
        assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    }
    assert_eq!(hand_overs, 1);
    assert_all_queued(&test, 45).await;
}

#[tokio::test]
async fn two_at_once_send_the_same_messages_and_one_of_them_comes_back() {
    let test = Test::new(45).await;
    let (one, other) = tokio::join!(test.run(Timestamp::MAX), test.run(Timestamp::MAX));
    assert!([&one, &other].contains(&&Verdict::Done), "{one:?} {other:?}");
    assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
    assert_all_queued(&test, 45).await;
}

#[tokio::test]
async fn a_shard_whose_night_is_over_is_put_aside() {
    let test = Test::new(1).await;
    let content = ShardMessage { ends: Timestamp::UNIX_EPOCH, ..test.message() };
    let verdict = acting!(handle(&test.deps, Message { content, deadline: Timestamp::MAX })).await;
    assert!(matches!(verdict, Verdict::Park(_)));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 24, ..Default::default() })]

    /// Killed again and again, at points of chance.
    #[test]
    fn killed_at_random_each_is_queued_at_least_once_and_counted_once(
        items in 0_u32..60,
        kills in proptest::collection::vec((0_usize..8, proptest::bool::ANY), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test = Test::new(items).await;
            for (step, takes_effect) in kills {
                let fault = if takes_effect { Fault::HangAfter } else { Fault::HangBefore };
                test.world.aws.fault("", step, 1, fault);
                tokio::select! {
                    _ = test.run(Timestamp::MAX) => {}
                    () = test.world.aws.hung() => {}
                }
            }
            test.world.aws.heal();
            assert_eq!(test.run(Timestamp::MAX).await, Verdict::Done);
            assert_all_queued(&test, items).await;
        });
    }
}
