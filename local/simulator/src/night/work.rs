//! Calls that take time and may be the last of their process, and messages that come again when it was.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use edge::batch::Verdict;

use crate::{
    dice::Dice,
    process::{self, Place, Point},
    tally::Tally,
    time::Time,
};

/// A process that dies while it works on a message: it comes again after so long.
const VISIBILITY: Duration = Duration::from_mins(5);

/// What all of a night share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) time: Time,
    pub(super) dice: Dice,
    pub(super) tally: Tally,
    /// Of 1,000 deliveries so many end with the process's death.
    pub(super) deaths: u32,
}

impl Shared {
    pub(super) fn new(seed: u64, deaths: u32) -> Self {
        Self { time: Time::default(), dice: Dice::new(seed), tally: Tally::default(), deaths }
    }

    /// A call to the outside, of up to so long.
    pub(super) async fn call<T>(&self, most: Duration, effect: impl FnOnce() -> T) -> T {
        let process = process::current();
        self.time.wait(self.dice.within(most)).await;
        process::call(process.as_deref(), effect).await
    }

    /// Runs one delivery as a process; `None` if it died.
    pub(super) async fn deliver(&self, handle: impl Future<Output = Verdict>) -> Option<Verdict> {
        let dies = self.dice.in_1000(self.deaths).then(|| {
            let points = [Point::BeforeSend, Point::AfterEffect, Point::AfterAnswer];
            let point = self.dice.one_of(&points).copied().unwrap_or(Point::AfterEffect);
            (Place::Call(self.dice.between(0, 30)), point)
        });
        let (_, work) = process::start(handle, dies, &self.tally, None);
        work.await.ok()
    }
}

/// A message that waits for its time: when, and in which order it was sent.
type Waiting<M> = (Reverse<(u64, u64)>, Kept<M>);

/// A message: only its place in the queue is compared.
struct Kept<M>(M);

impl<M> PartialEq for Kept<M> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<M> Eq for Kept<M> {}
impl<M> PartialOrd for Kept<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<M> Ord for Kept<M> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

struct Inner<M> {
    ready: VecDeque<M>,
    waiting: BinaryHeap<Waiting<M>>,
    sent: u64,
}

/// A queue.
pub(super) struct Queue<M> {
    inner: Arc<Mutex<Inner<M>>>,
    pub(super) shared: Shared,
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<M: Clone> Queue<M> {
    pub(super) fn new(shared: Shared) -> Self {
        let inner = Inner { ready: VecDeque::new(), waiting: BinaryHeap::new(), sent: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), shared }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, message: M, delay: Duration) {
        let now = self.shared.time.now_ms();
        let mut inner = self.inner();
        if delay.is_zero() {
            inner.ready.push_back(message);
            return;
        }
        inner.sent += 1;
        let at = now + u64::try_from(delay.as_millis()).unwrap_or(u64::MAX >> 1);
        let place = Reverse((at, inner.sent));
        inner.waiting.push((place, Kept(message)));
    }

    /// The next message whose time has come.
    pub(super) fn take(&self) -> Option<M> {
        let now = self.shared.time.now_ms();
        let mut inner = self.inner();
        while inner.waiting.peek().is_some_and(|(Reverse((at, _)), _)| *at <= now) {
            let Some((_, Kept(message))) = inner.waiting.pop() else { break };
            inner.ready.push_back(message);
        }
        inner.ready.pop_front()
    }

    /// Takes and handles one message; false if there was none. What its process did not live to handle comes again.
    pub(super) async fn work<F: Future<Output = Verdict>>(&self, handle: impl FnOnce(M) -> F) -> bool {
        let Some(message) = self.take() else { return false };
        match self.shared.deliver(handle(message.clone())).await {
            Some(Verdict::Done) => {}
            Some(Verdict::Retry(_) | Verdict::Park(_)) | None => self.put(message, VISIBILITY),
        }
        true
    }
}
