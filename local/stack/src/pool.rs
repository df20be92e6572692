//! The processes of one function: an idle one takes the next event, else another is started.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use template::Function;
use tokio::{
    process::Child,
    sync::{Semaphore, mpsc, oneshot},
};

use crate::{
    names,
    output::Output,
    process::Program,
    runtime_api::{Invocation, Reply, RuntimeApi},
};

/// Processes of one function at most, where the template sets no bound.
const MOST_PROCESSES: usize = 50;

/// How an invocation ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Answer(Bytes),
    /// The function answered with an error.
    Error(Bytes),
    /// The process died.
    Crashed(String),
    TimedOut,
}

/// An invocation that has ended.
#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) ended: Ended,
    pub(crate) cold: bool,
    pub(crate) took: Duration,
}

struct Worker {
    instance: String,
    inbox: mpsc::Sender<Invocation>,
    child: Child,
    alive: Alive,
}

/// A process id in the pool's list, for as long as its worker lives.
struct Alive {
    pid: u32,
    all: Arc<Mutex<BTreeSet<u32>>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.pid);
    }
}

/// One function.
pub(crate) struct Pool {
    program: Program,
    timeout: Duration,
    runtime_url: String,
    runtime: RuntimeApi,
    output: Arc<Output>,
    idle: Mutex<Vec<Worker>>,
    slots: Semaphore,
    started: AtomicU64,
    pids: Arc<Mutex<BTreeSet<u32>>>,
}

impl Pool {
    /// A function of which `most` processes may run at once, if the template bounds them.
    pub(crate) fn new(
        program: Program,
        function: &Function,
        most: Option<usize>,
        (runtime, runtime_url): (RuntimeApi, String),
        output: Arc<Output>,
    ) -> Self {
        Self {
            program,
            timeout: Duration::from_secs(function.timeout_s),
            runtime_url,
            runtime,
            output,
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(most.unwrap_or(MOST_PROCESSES)),
            started: AtomicU64::new(0),
            pids: Arc::default(),
        }
    }

    /// The function's name.
    pub(crate) fn name(&self) -> &str {
        &self.program.binary
    }

    /// Hands an event to a process, as soon as one may run, and waits for what becomes of it.
    pub(crate) async fn invoke(&self, event: Bytes) -> Invoked {
        // Closed only when the stack stops, and then the caller is gone as well.
        let _slot = self.slots.acquire().await;
        self.invoke_with_slot(event).await
    }

    /// The same, unless as many run already as may.
    pub(crate) async fn invoke_at_once(&self, event: Bytes) -> Option<Invoked> {
        let _slot = self.slots.try_acquire().ok()?;
        Some(self.invoke_with_slot(event).await)
    }

    async fn invoke_with_slot(&self, event: Bytes) -> Invoked {
        let began = Instant::now();
        let (mut worker, cold) = match self.idle_worker() {
            Some(worker) => (worker, false),
            None => match self.start() {
                Ok(worker) => (worker, true),
                Err(error) => {
                    let ended = Ended::Crashed(format!("{} cannot be started: {error}", self.name()));
                    return Invoked { ended, cold: true, took: began.elapsed() };
                }
            },
        };
        let ended = self.run(&mut worker, event).await;
        match ended {
            Ended::Answer(_) | Ended::Error(_) => self.idle().push(worker),
            Ended::Crashed(_) | Ended::TimedOut => {
                self.runtime.remove(&worker.instance);
                drop(worker.alive);
            }
        }
        Invoked { ended, cold, took: began.elapsed() }
    }

    async fn run(&self, worker: &mut Worker, event: Bytes) -> Ended {
        let (reply, answer) = oneshot::channel();
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let timeout_ms = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let invocation = Invocation {
            request_id: format!("{}-{number:08}", worker.instance),
            function_arn: names::function_arn(self.name()),
            deadline_ms: Timestamp::now().as_millisecond().saturating_add(timeout_ms),
            event,
            reply,
        };
        if worker.inbox.send(invocation).await.is_err() {
            return Ended::Crashed("the process has no inbox".to_owned());
        }
        tokio::select! {
            answer = answer => match answer {
                Ok(Reply::Answer(body)) => Ended::Answer(body),
                Ok(Reply::Error(body)) => Ended::Error(body),
                Err(_) => Ended::Crashed("the process gave up its work".to_owned()),
            },
            status = worker.child.wait() => match status {
                Ok(status) => Ended::Crashed(format!("the process ended with {status}")),
                Err(error) => Ended::Crashed(error.to_string()),
            },
            () = tokio::time::sleep(self.timeout) => Ended::TimedOut,
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An idle process that is still alive.
    fn idle_worker(&self) -> Option<Worker> {
        loop {
            let mut worker = self.idle().pop()?;
            match worker.child.try_wait() {
                Ok(None) => return Some(worker),
                Ok(Some(_)) | Err(_) => self.runtime.remove(&worker.instance),
            }
        }
    }

    fn start(&self) -> std::io::Result<Worker> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let instance = format!("{}-{number}", self.name());
        let inbox = self.runtime.add(&instance);
        let child = self.program.start(&format!("{}/{instance}", self.runtime_url), &self.output)?;
        let alive = Alive { pid: child.id().unwrap_or_default(), all: self.pids.clone() };
        self.alive().insert(alive.pid);
        Ok(Worker { instance, inbox, child, alive })
    }

    fn alive(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.pids.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends the processes that are idle, as Lambda does with what has long not been asked.
    pub(crate) fn retire(&self) {
        for worker in self.idle().drain(..) {
            self.runtime.remove(&worker.instance);
        }
    }

    /// The ids of all processes.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.alive().clone()
    }
}
