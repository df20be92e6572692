//! `cargo dev invoke`: one event from a file, like `sam local invoke`, without Docker.

use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::{StackError, options::Options, pool::Ended, stack::Stack};

/// The public token that events in files may exchange.
const PUBLIC_TOKEN: &str = "public-sandbox-00000000-0000-4000-a000-000000000001";

/// What a function answered to an event.
#[derive(Debug)]
pub struct Outcome {
    /// The answer's text, or why there is none.
    pub text: String,
    /// Whether the function did its work: an answer below 500, or a batch without failures.
    pub is_good: bool,
}

/// A stack on which events from files can run.
pub async fn stack() -> Result<Stack, StackError> {
    let stack = Stack::start(Options { seed: Some(1), ..Options::default() }).await?;
    if let Some(sandbox) = stack.sandbox()
        && !sandbox.world().prepare(PUBLIC_TOKEN, Timestamp::now())
    {
        return Err(StackError::Unexpected("the sandbox took no log-in".to_owned()));
    }
    Ok(stack)
}

/// Runs one event.
pub async fn run(stack: &Stack, function: &str, event: &Path) -> Result<Outcome, StackError> {
    let event = std::fs::read(event)?;
    serde_json::from_slice::<Value>(&event)
        .map_err(|error| StackError::Unexpected(format!("the event is no JSON: {error}")))?;
    let pool = stack.pools.get(function);
    let pool = pool.ok_or_else(|| StackError::Unexpected(format!("there is no function {function}")))?;
    let invoked = pool.invoke(Bytes::from(event)).await;
    Ok(match invoked.ended {
        Ended::Answer(body) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let is_good = match answer["statusCode"].as_u64() {
                Some(status) => status < 500,
                None => answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty),
            };
            Outcome { text, is_good }
        }
        Ended::Error(body) => Outcome { text: String::from_utf8_lossy(&body).into_owned(), is_good: false },
        Ended::Crashed(why) => Outcome { text: why, is_good: false },
        Ended::TimedOut => Outcome { text: "timed out".to_owned(), is_good: false },
    })
}
