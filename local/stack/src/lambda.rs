//! Lambda's own API, as far as an operator needs it: running a function at once.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use crate::{
    Stack, StackError,
    pool::{Ended, Pool},
};

type Pools = Arc<BTreeMap<String, Arc<Pool>>>;

/// Says that the body is an error of the function's, and no answer.
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");

pub(crate) fn router(pools: BTreeMap<String, Arc<Pool>>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .with_state(Pools::new(pools))
}

/// The path that runs a function.
pub(crate) fn path(function: &str) -> String {
    format!("/2015-03-31/functions/{function}/invocations")
}

async fn invoke(State(pools): State<Pools>, Path(function): Path<String>, event: Bytes) -> Response {
    let Some(pool) = pools.get(&function) else {
        return (StatusCode::NOT_FOUND, json!({"Message": "there is no such function"}).to_string())
            .into_response();
    };
    let failed = |why: Bytes| (StatusCode::OK, [(FUNCTION_ERROR, "Unhandled")], why).into_response();
    let said = |why: &str| Bytes::from(json!({"errorMessage": why}).to_string());
    match pool.invoke(event).await.ended {
        Ended::Answer(answer) => (StatusCode::OK, answer).into_response(),
        Ended::Error(error) => failed(error),
        Ended::Crashed(why) => failed(said(&why)),
        Ended::TimedOut => failed(said("timed out")),
    }
}

impl Stack {
    /// Runs a function with an event and gives its answer.
    ///
    /// # Errors
    /// When there is no such function, or it failed.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, StackError> {
        let pool = self.pools.get(function);
        let pool = pool.ok_or_else(|| StackError::Unexpected(format!("there is no function {function}")))?;
        let failed = |why: &str| StackError::Unexpected(format!("{function} failed: {why}"));
        match pool.invoke(Bytes::from(event.to_string())).await.ended {
            Ended::Answer(answer) => {
                serde_json::from_slice(&answer).map_err(|_no_json| failed("its answer is no JSON"))
            }
            Ended::Error(why) => Err(failed(&String::from_utf8_lossy(&why))),
            Ended::Crashed(why) => Err(failed(&why)),
            Ended::TimedOut => Err(failed("timed out")),
        }
    }
}
