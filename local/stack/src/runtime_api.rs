//! The Lambda Runtime API, for all processes: each has a path of its own.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::{mpsc, oneshot};

/// The largest event and answer, as Lambda has it, with room for base64.
const LARGEST: usize = 16 << 20;

/// One event on its way to a process.
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) function_arn: String,
    pub(crate) deadline_ms: i64,
    pub(crate) event: Bytes,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What a process answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(Bytes),
    Error(Bytes),
}

struct Slot {
    inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Invocation>>>,
    open: HashMap<String, oneshot::Sender<Reply>>,
}

/// Who waits for work and who owes an answer.
#[derive(Clone, Default)]
pub(crate) struct RuntimeApi {
    slots: Arc<Mutex<HashMap<String, Slot>>>,
}

impl RuntimeApi {
    /// A place for one process; what is sent to it, the process gets.
    pub(crate) fn add(&self, instance: &str) -> mpsc::Sender<Invocation> {
        let (sender, inbox) = mpsc::channel(1);
        let slot = Slot { inbox: Arc::new(tokio::sync::Mutex::new(inbox)), open: HashMap::new() };
        self.slots().insert(instance.to_owned(), slot);
        sender
    }

    /// The process is gone; whoever waits for its answer finds out.
    pub(crate) fn remove(&self, instance: &str) {
        self.slots().remove(instance);
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/{instance}/2018-06-01/runtime/invocation/next", get(next))
            .route("/{instance}/2018-06-01/runtime/invocation/{request_id}/response", post(response))
            .route("/{instance}/2018-06-01/runtime/invocation/{request_id}/error", post(error))
            .layer(DefaultBodyLimit::max(LARGEST))
            .with_state(self)
    }

    fn finish(&self, instance: &str, request_id: &str, reply: Reply) -> Response {
        let waiting = self.slots().get_mut(instance).and_then(|slot| slot.open.remove(request_id));
        match waiting.map(|waiting| waiting.send(reply)) {
            Some(Ok(())) => StatusCode::ACCEPTED.into_response(),
            // Answered too late: nobody waits any more.
            Some(Err(_)) | None => StatusCode::GONE.into_response(),
        }
    }
}

async fn next(State(api): State<RuntimeApi>, Path(instance): Path<String>) -> Response {
    let inbox = api.slots().get(&instance).map(|slot| slot.inbox.clone());
    let Some(inbox) = inbox else { return StatusCode::GONE.into_response() };
    let Some(invocation) = inbox.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    if let Some(slot) = api.slots().get_mut(&instance) {
        slot.open.insert(invocation.request_id.clone(), invocation.reply);
    }
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.request_id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.function_arn),
    ];
    (StatusCode::OK, headers, invocation.event).into_response()
}

async fn response(
    State(api): State<RuntimeApi>,
    Path((instance, request_id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    api.finish(&instance, &request_id, Reply::Answer(body))
}

async fn error(
    State(api): State<RuntimeApi>,
    Path((instance, request_id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    api.finish(&instance, &request_id, Reply::Error(body))
}
