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

use crate::tally::{Fault, Tally};

/// When a process dies, as seen from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    BeforeSend,
    AfterEffect,
    AfterAnswer,
}

/// One process of a worker, or of whoever else calls.
pub(crate) struct Process {
    abort: AbortHandle,
    is_dead: AtomicBool,
    calls: AtomicU32,
    dies: Mutex<Option<(u32, Point)>>,
    tally: Tally,
}

impl Process {
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
        let mut dies = self.dies.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, point) = dies.take_if(|(at, _)| *at == number)?;
        self.tally.hit(match point {
            Point::BeforeSend => Fault::CrashBeforeSend,
            Point::AfterEffect => Fault::CrashAfterEffect,
            Point::AfterAnswer => Fault::CrashAfterAnswer,
        });
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

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = CURRENT.replace(Some(self.process.clone()));
        let poll = self.future.as_mut().poll(context);
        CURRENT.set(before);
        poll
    }
}

/// Runs a future as a process that dies at the given call, if one is given.
pub(crate) fn start<F: Future>(
    future: F,
    dies: Option<(u32, Point)>,
    tally: &Tally,
) -> (Arc<Process>, impl Future<Output = Result<F::Output, Aborted>> + use<F>) {
    let (abort, registration) = AbortHandle::new_pair();
    let process = Arc::new(Process {
        abort,
        is_dead: AtomicBool::new(false),
        calls: AtomicU32::new(0),
        dies: Mutex::new(dies),
        tally: tally.clone(),
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
