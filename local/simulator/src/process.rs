//! Processes that die: at any call, before it leaves, after its effect or after its answer.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use futures::future::{AbortHandle, Abortable, Aborted};

use crate::{
    coverage::{Phase, Recent},
    tally::{Fault, Tally},
};

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a call, counted from 0.
    Call(u32),
    /// At a call in a phase, after that number of others in it.
    In(Phase, u32),
}

/// When a process dies, as seen from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    BeforeSend,
    AfterEffect,
    AfterAnswer,
}

impl Point {
    /// The fault that it is.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::BeforeSend => Fault::CrashBeforeSend,
            Self::AfterEffect => Fault::CrashAfterEffect,
            Self::AfterAnswer => Fault::CrashAfterAnswer,
        }
    }
}

/// One process of a worker, or of whoever else calls.
pub(crate) struct Process {
    abort: AbortHandle,
    is_dead: AtomicBool,
    calls: AtomicU32,
    dies: Mutex<Option<(Place, Point)>>,
    tally: Tally,
    /// Of a worker: what the bank has done lately, and which item it is at, in which phase.
    recent: Option<Recent>,
    at: Mutex<Option<(String, Phase)>>,
}

impl Process {
    /// Notes what the next call is for.
    pub(crate) fn enter(&self, item: &str, phase: Phase) {
        if self.recent.is_some() {
            *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some((item.to_owned(), phase));
        }
    }

    /// What its last call was for.
    pub(crate) fn phase(&self) -> Option<Phase> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, phase)| *phase)
    }

    /// A fault hits it where it is.
    pub(crate) fn meet(&self, fault: Fault) {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(recent), Some((item, phase))) = (&self.recent, at) {
            recent.meet(&item, fault, phase);
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        self.abort.abort();
    }

    /// Counts a call, and tells whether it is the last.
    fn next_call(&self) -> Option<Point> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Some(Point::BeforeSend);
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let phase = self.phase();
        let mut dies = self.dies.lock().unwrap_or_else(PoisonError::into_inner);
        let is_here = |place: &mut Place| match place {
            Place::Call(at) => *at == number,
            Place::In(at, left) if phase == Some(*at) => {
                let is_last = *left == 0;
                *left = left.saturating_sub(1);
                is_last
            }
            Place::In(..) => false,
        };
        let (_, point) = dies.take_if(|(place, _)| is_here(place))?;
        self.tally.hit(point.fault());
        self.meet(point.fault());
        Some(point)
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
}

/// The process that is running, if any.
pub(crate) fn current() -> Option<Arc<Process>> {
    CURRENT.with_borrow(Clone::clone)
}

/// A future that runs as a process.
struct Inside<F> {
    process: Arc<Process>,
    future: Pin<Box<F>>,
}

/// Puts back what ran before, also after a panic.
struct Before(Option<Arc<Process>>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _before = Before(CURRENT.replace(Some(self.process.clone())));
        self.future.as_mut().poll(context)
    }
}

/// Runs a future as a process that dies at the given call, if one is given.
pub(crate) fn start<F: Future>(
    future: F,
    dies: Option<(Place, Point)>,
    tally: &Tally,
    recent: Option<Recent>,
) -> (Arc<Process>, impl Future<Output = Result<F::Output, Aborted>> + use<F>) {
    let (abort, registration) = AbortHandle::new_pair();
    let process = Arc::new(Process {
        abort,
        is_dead: AtomicBool::new(false),
        calls: AtomicU32::new(0),
        dies: Mutex::new(dies),
        tally: tally.clone(),
        recent,
        at: Mutex::default(),
    });
    let inside = Inside { process: process.clone(), future: Box::pin(future) };
    (process, Abortable::new(inside, registration))
}

/// A call to the outside: its effect happens, or the caller dies first.
pub(crate) async fn call<T>(process: Option<&Process>, effect: impl FnOnce() -> T) -> T {
    let point = process.and_then(|process| Some((process, process.next_call()?)));
    match point {
        None => effect(),
        Some((process, Point::AfterAnswer)) => {
            let answer = effect();
            process.kill();
            answer
        }
        Some((process, point)) => {
            if point == Point::AfterEffect {
                drop(effect());
            }
            process.kill();
            std::future::pending().await
        }
    }
}
