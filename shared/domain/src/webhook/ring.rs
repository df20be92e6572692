//! The keys that are known: each is looked up once a day, however many webhooks it signs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, Shared, select},
};
use jiff::Timestamp;

use super::{
    confirmed::ConfirmedKeys,
    keys::{KeyError, KeyId, WebhookKey, WebhookKeys},
    lookups::LookUps,
};
use crate::time::{Clock, later};

/// A key does not expire by itself: Plaid has to be asked whether it has.
const KEY_LIVES: Duration = Duration::from_hours(24);
/// How long Plaid's word that there is no such key counts.
const ABSENCE_LIVES: Duration = Duration::from_mins(10);
/// Plaid signs with one key at a time and keeps a few.
const MOST_KEYS: usize = 16;
/// More than can be looked up while the first of them counts.
const MOST_ABSENCES: usize = 128;
/// Plaid waits ten seconds for the answer to a webhook, and the queue needs five of them at worst.
const PATIENCE: Duration = Duration::from_secs(3);

/// The interval between two reads of the list of confirmed key ids.
const LIST_LIVES: Duration = Duration::from_mins(1);
/// The interval after a failed read.
const LIST_RETRY: Duration = Duration::from_secs(5);

type LookUp = Shared<BoxFuture<'static, Result<WebhookKey, KeyError>>>;

/// The keys of one environment, remembered by one instance.
pub(super) struct KeyRing {
    source: Arc<dyn WebhookKeys>,
    clock: Arc<dyn Clock>,
    confirmed: futures::lock::Mutex<Confirmed>,
    confirmed_keys: Arc<dyn ConfirmedKeys>,
    state: Mutex<State>,
}

/// The list of confirmed key ids, as last read.
#[derive(Default)]
struct Confirmed {
    names: Vec<KeyId>,
    /// The earliest time of the next read.
    next: Option<Timestamp>,
}

struct State {
    keys: Memory<WebhookKey>,
    absences: Memory<KeyError>,
    /// The one look-up that is under way: a burst shares it.
    under_way: Option<(KeyId, LookUp)>,
    look_ups: LookUps,
}

enum Step {
    Answer(Result<WebhookKey, KeyError>),
    /// This one's, or another's that has to end first.
    Await(KeyId, LookUp),
}

impl KeyRing {
    pub(super) fn new(
        source: Arc<dyn WebhookKeys>,
        confirmed_keys: Arc<dyn ConfirmedKeys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = State {
            keys: Memory::new(KEY_LIVES, MOST_KEYS),
            absences: Memory::new(ABSENCE_LIVES, MOST_ABSENCES),
            under_way: None,
            look_ups: LookUps::default(),
        };
        let confirmed = futures::lock::Mutex::default();
        Self { source, clock, confirmed, confirmed_keys, state: Mutex::new(state) }
    }

    /// Whether the key is in memory, so that a signature can be checked without a look-up.
    pub(super) fn has(&self, kid: &KeyId) -> bool {
        let now = self.clock.now();
        self.state().keys.get(kid, now).is_some()
    }

    /// The key of this name: from memory, or from Plaid, if the bound allows.
    pub(super) async fn key(&self, kid: &KeyId) -> Result<WebhookKey, KeyError> {
        let is_confirmed = !self.has(kid) && self.is_confirmed(kid).await;
        loop {
            let (asked, look_up) = match self.step(kid, is_confirmed) {
                Step::Answer(answer) => return answer,
                Step::Await(asked, look_up) => (asked, look_up),
            };
            let answer = look_up.clone().await;
            self.settle(&asked, &look_up, &answer);
            if asked == *kid {
                return answer;
            }
        }
    }

    /// Whether Plaid has confirmed the id to another instance. Forged ids cause one read of the list a minute at most.
    async fn is_confirmed(&self, kid: &KeyId) -> bool {
        let mut confirmed = self.confirmed.lock().await;
        if !confirmed.names.contains(kid) && confirmed.next.is_none_or(|next| next <= self.clock.now()) {
            let asking = self.confirmed_keys.confirmed();
            let answer = match select(asking, self.clock.sleep(PATIENCE)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => Err(KeyError::Unavailable("timeout".to_owned())),
            };
            let wait = if answer.is_ok() { LIST_LIVES } else { LIST_RETRY };
            confirmed.next = Some(later(self.clock.now(), wait));
            confirmed.names = answer.unwrap_or(std::mem::take(&mut confirmed.names));
        }
        confirmed.names.contains(kid)
    }

    fn step(&self, kid: &KeyId, is_confirmed: bool) -> Step {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(key) = state.keys.get(kid, now) {
            return Step::Answer(Ok(key));
        }
        if let Some(why) = state.absences.get(kid, now) {
            return Step::Answer(Err(why));
        }
        let under_way = state.under_way.clone();
        if let Some((asked, look_up)) = &under_way
            && asked == kid
        {
            return Step::Await(asked.clone(), look_up.clone());
        }
        let is_known = is_confirmed || state.keys.has_known(kid);
        let Some(kind) = state.look_ups.may(kid, is_known, now) else {
            return Step::Answer(Err(KeyError::LookUpsSpent));
        };
        if let Some((asked, look_up)) = under_way {
            return Step::Await(asked, look_up);
        }
        state.look_ups.spend(kid, kind, now);
        let look_up = self.look_up(kid.clone());
        state.under_way = Some((kid.clone(), look_up.clone()));
        Step::Await(kid.clone(), look_up)
    }

    fn look_up(&self, kid: KeyId) -> LookUp {
        let (source, clock) = (self.source.clone(), self.clock.clone());
        let asking = async move {
            match select(source.key(&kid), clock.sleep(PATIENCE)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => Err(KeyError::Unavailable("timeout".to_owned())),
            }
        };
        asking.boxed().shared()
    }

    /// What came of a look-up, written down by the first who learns of it. One that failed leaves nothing.
    fn settle(&self, kid: &KeyId, look_up: &LookUp, answer: &Result<WebhookKey, KeyError>) {
        let now = self.clock.now();
        let mut state = self.state();
        if !state.under_way.as_ref().is_some_and(|(_, current)| current.ptr_eq(look_up)) {
            return;
        }
        state.under_way = None;
        match answer {
            Ok(key) => state.keys.put(kid, key.clone(), now),
            Err(why @ (KeyError::Unknown | KeyError::Expired)) => {
                state.keys.forget(kid);
                state.absences.put(kid, why.clone(), now);
            }
            Err(KeyError::LookUpsSpent | KeyError::Unavailable(_)) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A few things by name, each good for a while; the oldest make room.
struct Memory<T> {
    lives: Duration,
    most: usize,
    entries: VecDeque<(KeyId, T, Timestamp)>,
}

impl<T: Clone> Memory<T> {
    fn new(lives: Duration, most: usize) -> Self {
        Self { lives, most, entries: VecDeque::new() }
    }

    fn get(&self, kid: &KeyId, now: Timestamp) -> Option<T> {
        let (_, value, at) = self.entries.iter().find(|(name, ..)| name == kid)?;
        (now < later(*at, self.lives)).then(|| value.clone())
    }

    /// Whether it is there, good or not any more.
    fn has_known(&self, kid: &KeyId) -> bool {
        self.entries.iter().any(|(name, ..)| name == kid)
    }

    fn put(&mut self, kid: &KeyId, value: T, now: Timestamp) {
        self.forget(kid);
        self.entries.push_back((kid.clone(), value, now));
        if self.entries.len() > self.most {
            self.entries.pop_front();
        }
    }

    fn forget(&mut self, kid: &KeyId) {
        self.entries.retain(|(name, ..)| name != kid);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use futures::{executor::block_on, future::join_all};
    use proptest::prelude::*;

    use super::*;
    use crate::webhook::{VerifyingKey, lookups::A_MINUTE};

    const LONGEST_BURST: usize = 50;

    struct NoSignature;

    impl VerifyingKey for NoSignature {
        fn has_signed(&self, _: &[u8], _: &[u8]) -> bool {
            false
        }
    }

    /// A clock that is set; whoever sleeps, sleeps for ever, unless time flies.
    struct FakeClock {
        now: Mutex<Timestamp>,
        flies: AtomicBool,
    }

    #[async_trait]
    impl Clock for FakeClock {
        fn now(&self) -> Timestamp {
            *self.now.lock().unwrap()
        }

        async fn sleep(&self, _: Duration) {
            if !self.flies.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Plaid: it has the keys `known-…`; those of `down-…` it cannot tell, and of `old-…` it says that they have expired.
    struct FakePlaid {
        clock: Arc<FakeClock>,
        asked: Mutex<Vec<(Timestamp, String)>>,
        answers: AtomicBool,
        is_down: AtomicBool,
        has_expired: AtomicBool,
    }

    #[async_trait]
    impl WebhookKeys for FakePlaid {
        async fn key(&self, kid: &KeyId) -> Result<WebhookKey, KeyError> {
            self.asked.lock().unwrap().push((self.clock.now(), kid.as_str().to_owned()));
            // It takes its time: whoever else there is comes in between.
            let mut polls = 0;
            futures::future::poll_fn(|context| {
                polls += 1;
                if polls > LONGEST_BURST {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
            if !self.answers.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            match kid.as_str().split('-').next() {
                _ if self.is_down.load(Ordering::SeqCst) => Err(KeyError::Unavailable("http_503".to_owned())),
                Some("down") => Err(KeyError::Unavailable("http_503".to_owned())),
                Some("old") => Err(KeyError::Expired),
                Some("known") if self.has_expired.load(Ordering::SeqCst) => Err(KeyError::Expired),
                Some("known") => Ok(WebhookKey::new(NoSignature)),
                _ => Err(KeyError::Unknown),
            }
        }
    }

    /// The list of confirmed key ids, and the number of its reads.
    #[derive(Default)]
    struct List {
        names: Mutex<Vec<KeyId>>,
        reads: std::sync::atomic::AtomicUsize,
    }

    #[async_trait]
    impl ConfirmedKeys for List {
        async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Ok(self.names.lock().unwrap().clone())
        }
    }

    struct Scene {
        clock: Arc<FakeClock>,
        plaid: Arc<FakePlaid>,
        list: Arc<List>,
        ring: KeyRing,
    }

    impl Scene {
        fn new() -> Self {
            let clock =
                Arc::new(FakeClock { now: Mutex::new(Timestamp::UNIX_EPOCH), flies: AtomicBool::new(false) });
            let plaid = Arc::new(FakePlaid {
                clock: clock.clone(),
                asked: Mutex::default(),
                answers: AtomicBool::new(true),
                is_down: AtomicBool::new(false),
                has_expired: AtomicBool::new(false),
            });
            let list = Arc::new(List::default());
            Self { ring: KeyRing::new(plaid.clone(), list.clone(), clock.clone()), clock, plaid, list }
        }

        fn ask(&self, kid: &str) -> Result<(), KeyError> {
            block_on(self.ring.key(&kid.parse().unwrap())).map(drop)
        }

        fn pass(&self, duration: Duration) {
            let mut now = self.clock.now.lock().unwrap();
            *now = later(*now, duration);
        }

        fn asked(&self) -> usize {
            self.plaid.asked.lock().unwrap().len()
        }
    }

    #[test]
    fn a_known_key_is_looked_up_once_a_day() {
        let scene = Scene::new();
        for _ in 0..100 {
            assert_eq!(scene.ask("known-1"), Ok(()));
        }
        assert_eq!(scene.asked(), 1);
        let a_moment = Duration::from_millis(1);
        scene.pass(KEY_LIVES.checked_sub(a_moment).unwrap());
        assert_eq!((scene.ask("known-1"), scene.asked()), (Ok(()), 1));
        scene.pass(a_moment);
        assert_eq!((scene.ask("known-1"), scene.asked()), (Ok(()), 2));
        scene.pass(KEY_LIVES);
        scene.plaid.has_expired.store(true, Ordering::SeqCst);
        assert_eq!(scene.ask("known-1"), Err(KeyError::Expired), "a key that has expired is not kept");
    }

    #[test]
    fn strangers_do_not_keep_a_known_key_from_being_asked_after() {
        let scene = Scene::new();
        assert_eq!(scene.ask("known-1"), Ok(()));
        scene.pass(KEY_LIVES);
        for number in 0..1000 {
            assert!(scene.ask(&format!("strange-{number}")).is_err());
        }
        assert_eq!(scene.ask("known-1"), Ok(()));
    }

    #[test]
    fn cold_instance_accepts_a_confirmed_key_under_a_flood() {
        let scene = Scene::new();
        scene.list.names.lock().unwrap().push("known-1".parse().unwrap());
        for number in 0..1000 {
            assert!(scene.ask(&format!("strange-{}", number / 2)).is_err());
        }
        assert_eq!(scene.ask("known-1"), Ok(()));
        assert_eq!(scene.list.reads.load(Ordering::SeqCst), 1);
        scene.pass(LIST_LIVES);
        scene.list.names.lock().unwrap().push("known-2".parse().unwrap());
        assert_eq!(scene.ask("known-2"), Ok(()));
    }

    #[test]
    fn that_a_key_is_unknown_or_expired_is_remembered_for_ten_minutes() {
        for (kid, why) in [("strange-1", KeyError::Unknown), ("old-1", KeyError::Expired)] {
            let scene = Scene::new();
            for _ in 0..100 {
                assert_eq!(scene.ask(kid), Err(why.clone()));
            }
            assert_eq!(scene.asked(), 1);
            scene.pass(ABSENCE_LIVES);
            assert_eq!((scene.ask(kid), scene.asked()), (Err(why), 2));
        }
    }

    #[test]
    fn a_look_up_that_failed_is_not_remembered() {
        let scene = Scene::new();
        scene.plaid.is_down.store(true, Ordering::SeqCst);
        assert_eq!(scene.ask("known-1"), Err(KeyError::Unavailable("http_503".to_owned())));
        scene.plaid.is_down.store(false, Ordering::SeqCst);
        assert_eq!(scene.ask("known-1"), Ok(()));
    }

    #[test]
    fn a_plaid_that_does_not_answer_is_waited_for_no_longer_than_patience_has_it() {
        let scene = Scene::new();
        scene.plaid.answers.store(false, Ordering::SeqCst);
        scene.clock.flies.store(true, Ordering::SeqCst);
        assert_eq!(scene.ask("known-1"), Err(KeyError::Unavailable("timeout".to_owned())));
        scene.plaid.answers.store(true, Ordering::SeqCst);
        scene.clock.flies.store(false, Ordering::SeqCst);
        assert_eq!(scene.ask("known-1"), Ok(()));
    }

    #[test]
    fn a_burst_shares_one_look_up_whether_it_succeeds_or_fails() {
        for (kid, expected) in
            [("known-1", Ok(())), ("down-1", Err(KeyError::Unavailable("http_503".to_owned())))]
        {
            let scene = Scene::new();
            let kid: KeyId = kid.parse().unwrap();
            let answers = block_on(join_all((0..LONGEST_BURST).map(|_| scene.ring.key(&kid))));
            assert!(answers.into_iter().all(|answer| answer.map(drop) == expected));
            assert_eq!(scene.asked(), 1);
        }
    }

    #[test]
    fn different_keys_are_looked_up_one_after_the_other_within_the_bound() {
        let scene = Scene::new();
        let kids: Vec<KeyId> =
            (0..LONGEST_BURST).map(|number| format!("known-{number}").parse().unwrap()).collect();
        let answers = block_on(join_all(kids.iter().map(|kid| scene.ring.key(kid))));
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(good, scene.asked());
        assert!(good > 0 && good < A_MINUTE);
        assert!(answers.into_iter().all(|a| matches!(a, Ok(_) | Err(KeyError::LookUpsSpent))));
    }

    #[test]
    fn whoever_was_turned_away_gets_its_answer_when_it_returns() {
        let scene = Scene::new();
        for number in 0..100 {
            assert!(scene.ask(&format!("strange-{number}")).is_err());
        }
        assert_eq!(scene.ask("known-1"), Err(KeyError::LookUpsSpent));
        for number in 100..200 {
            assert!(scene.ask(&format!("strange-{number}")).is_err());
        }
        scene.pass(Duration::from_secs(30));
        assert_eq!(scene.ask("known-1"), Ok(()));
        assert!(scene.asked() <= A_MINUTE);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ask(String),
        Pass(u64),
        Down(bool),
    }

    fn event() -> impl Strategy<Value = Event> {
        let kid = prop_oneof![
            (0..4_u32).prop_map(|number| format!("known-{number}")),
            (0..200_u32).prop_map(|number| format!("strange-{number}")),
            (0..3_u32).prop_map(|number| format!("old-{number}")),
            (0..3_u32).prop_map(|number| format!("down-{number}")),
        ];
        prop_oneof![
            12 => kid.prop_map(Event::Ask),
            2 => (0..20_000_u64).prop_map(Event::Pass),
            1 => Just(Event::Pass(90_000_000)),
            1 => any::<bool>().prop_map(Event::Down),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_asked_whenever_the_look_ups_of_any_minute_are_bounded(
            events in prop::collection::vec(event(), 1..400),
        ) {
            let scene = Scene::new();
            let mut known_once = std::collections::HashSet::new();
            let mut strange = Vec::new();
            for event in events {
                match event {
                    Event::Pass(ms) => scene.pass(Duration::from_millis(ms)),
                    Event::Down(is_down) => scene.plaid.is_down.store(is_down, Ordering::SeqCst),
                    Event::Ask(kid) => {
                        let before = scene.asked();
                        let answer = scene.ask(&kid);
                        let asked = scene.asked() - before;
                        prop_assert!(asked <= 1);
                        if asked == 1 && !known_once.contains(&kid) {
                            strange.push(scene.clock.now());
                        }
                        match answer {
                            Ok(()) => drop(known_once.insert(kid.clone())),
                            Err(KeyError::Unknown) => prop_assert!(kid.starts_with("strange")),
                            Err(KeyError::Expired) => prop_assert!(kid.starts_with("old")),
                            Err(KeyError::LookUpsSpent) => prop_assert_eq!(asked, 0),
                            Err(KeyError::Unavailable(_)) => prop_assert_eq!(asked, 1),
                        }
                    }
                }
            }
            let all: Vec<_> = scene.plaid.asked.lock().unwrap().iter().map(|(at, _)| *at).collect();
            for (times, most) in [(strange, A_MINUTE), (all, 2 * A_MINUTE)] {
                for first in &times {
                    let minute = times.iter().filter(|at| *at >= first && **at < later(*first, Duration::from_mins(1)));
                    prop_assert!(minute.count() <= most);
                }
            }
        }
    }
}
