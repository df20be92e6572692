//! An event of EventBridge Scheduler in, an answer or an error out. Lambda runs what failed twice again, and what fails
//! then goes to the function's dead letters.

use std::{panic::AssertUnwindSafe, time::Instant};

use futures::FutureExt;
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use crate::http::deadline;

/// One run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<T> {
    /// What the schedule, or an operator, says.
    pub input: T,
    /// When this invocation ends.
    pub deadline: Timestamp,
}

/// Why a run failed. It is run again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RunError(pub String);

impl RunError {
    /// A failure for this reason.
    pub fn because(error: &impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// Serves runs until Lambda stops the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<D, T: DeserializeOwned, A: Serialize>(
    deps: D,
    handle: impl AsyncFn(&D, Run<T>) -> Result<A, RunError>,
) -> Result<(), lambda_runtime::Error> {
    let (deps, handle) = (&deps, &handle);
    let service = service_fn(move |event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        respond(deps, handle, event, &context).await.map_err(lambda_runtime::Error::from)
    });
    lambda_runtime::run(service).await
}

/// One run.
///
/// # Errors
/// When the event cannot be read, or the run failed or panicked.
pub async fn respond<D, T: DeserializeOwned, A: Serialize>(
    deps: &D,
    handle: &impl AsyncFn(&D, Run<T>) -> Result<A, RunError>,
    event: Value,
    context: &Context,
) -> Result<A, RunError> {
    let began = Instant::now();
    let outcome = match serde_json::from_value(event) {
        Ok(input) => {
            let run = handle(deps, Run { input, deadline: deadline(context) });
            let panicked = |_panic| Err(RunError("the handler panicked".to_owned()));
            AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(panicked)
        }
        Err(_why) => Err(RunError("the event is not of the schedule's shape".to_owned())),
    };
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &outcome {
        Ok(_) => tracing::info!(duration_ms, "run done"),
        Err(why) => tracing::error!(duration_ms, %why, "run failed"),
    }
    outcome
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Number {
        n: u32,
    }

    async fn run(event: Value) -> Result<u32, RunError> {
        let handle = async |(): &(), run: Run<Number>| match run.input.n {
            0 => Err(RunError("later".to_owned())),
            1 => panic!("a bug"),
            n => Ok(n),
        };
        respond(&(), &handle, event, &Context::default()).await
    }

    #[tokio::test]
    async fn a_run_answers_or_fails_with_its_reason() {
        let failed = |why: &str| Err(RunError(why.to_owned()));
        assert_eq!(run(json!({"n": 7})).await, Ok(7));
        assert_eq!(run(json!({"n": 0})).await, failed("later"));
        assert_eq!(run(json!({"n": 1})).await, failed("the handler panicked"));
        assert_eq!(run(json!({"m": 1})).await, failed("the event is not of the schedule's shape"));
    }
}
