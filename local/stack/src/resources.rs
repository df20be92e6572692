//! The template's resources on this machine: tables, queues and the secret are made; functions become programs, events
//! become routes and event sources.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use axum::http::Method;
use emulators::Emulators;
use jiff::tz::TimeZone;
use serde_json::json;
use template::{Event, Function, Known, Template};
use tokio::sync::Notify;

use crate::{
    StackError,
    gateway::Route,
    names::{self, REGION},
    options::{Options, Plaid},
    output::Output,
    pool::Pool,
    process::Program,
    queue_source::QueueSource,
    schedule::{SCHEDULED_TIME, ScheduleSource},
    stack::{CLIENT_ID, SECRET},
};

/// What event sources are made with.
pub(crate) struct Surroundings {
    pub(crate) time_scale: u32,
    pub(crate) known: Known,
    pub(crate) services: Arc<Emulators>,
    pub(crate) sent: Arc<Notify>,
    pub(crate) output: Arc<Output>,
}

/// A folder below `functions/` without an entry in the template would be code that nobody can call.
pub(crate) fn every_function_has_an_entry(root: &Path, functions: &[Function]) -> Result<(), StackError> {
    for entry in std::fs::read_dir(root.join("functions"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_package = entry.path().join("Cargo.toml").exists();
        if is_package && !functions.iter().any(|function| function.binary == name) {
            return Err(StackError::NoEntry(name));
        }
    }
    Ok(())
}

/// Makes the tables, the queues and the secrets.
pub(crate) async fn create(
    template: &Template,
    services: &Emulators,
    options: &Options,
) -> Result<(), StackError> {
    for table in template.tables() {
        services.create_table(&names::table(&table.id), &table.definition, table.ttl.as_deref()).await?;
    }
    let (plain, redriving): (Vec<_>, Vec<_>) =
        template.queues().into_iter().partition(|queue| queue.dead_letters.is_none());
    let known = names::known(template, BTreeMap::new());
    for queue in plain.into_iter().chain(redriving) {
        let mut attributes = json!({"VisibilityTimeout": queue.visibility_s.to_string()});
        if let Some((target, receives)) = &queue.dead_letters {
            let target = known.text(target).map_err(|why| StackError::Resource(queue.id.clone(), why))?;
            let policy = json!({"deadLetterTargetArn": target, "maxReceiveCount": receives.to_string()});
            attributes["RedrivePolicy"] = json!(policy.to_string());
        }
        let request = json!({"QueueName": names::queue(&queue.id), "Attributes": attributes});
        services.ask("AmazonSQS.CreateQueue", &request).await?;
    }
    let (client_id, secret) = match &options.plaid {
        Plaid::BuiltIn => (CLIENT_ID, SECRET),
        Plaid::At { client_id, secret, .. } => (client_id.as_str(), secret.as_str()),
    };
    let keys = json!({"client_id": client_id, "secret": secret}).to_string();
    for (id, definition) in template.of_type("AWS::SecretsManager::Secret") {
        // The one without a value of its own has Plaid's keys.
        let text = definition["Properties"]["SecretString"].as_str().unwrap_or(&keys);
        let request = json!({"Name": names::secret(&id), "SecretString": text});
        services.ask("secretsmanager.CreateSecret", &request).await?;
    }
    Ok(())
}

/// What a function's processes are started from.
pub(crate) fn program(
    function: &Function,
    known: &Known,
    folder: &Path,
    aws_url: &str,
) -> Result<Program, StackError> {
    let mut environment = BTreeMap::from(
        [
            ("AWS_LAMBDA_FUNCTION_NAME", function.binary.as_str()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", REGION),
            // By which `iam` knows it.
            ("AWS_ACCESS_KEY_ID", function.binary.as_str()),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", aws_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    environment.insert("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), function.memory_mb.to_string());
    for (name, value) in &function.environment {
        let value = known.text(value).map_err(|why| StackError::Resource(function.id.clone(), why))?;
        environment.insert(name.clone(), value);
    }
    Ok(Program { binary: function.binary.clone(), path: folder.join(&function.binary), environment })
}

/// How many processes of a function may run at once, if the template bounds them.
pub(crate) fn reserved_concurrency(function: &Function, known: &Known) -> Result<Option<usize>, StackError> {
    let Some(reserved) = &function.reserved_concurrency else { return Ok(None) };
    let fault = |why| StackError::Resource(function.id.clone(), why);
    let text = known.text(reserved).map_err(fault)?;
    let most = text.parse().map_err(|_why| fault(format!("{text} instances are no number")))?;
    Ok(Some(most))
}

/// The function that has a URL of its own.
pub(crate) fn with_url(
    functions: &[Function],
    pools: &BTreeMap<String, Arc<Pool>>,
) -> Result<Arc<Pool>, StackError> {
    let has_url = |function: &&Function| function.events.iter().any(|event| matches!(event, Event::Url));
    let found: Vec<_> = functions.iter().filter(has_url).collect();
    match found.as_slice() {
        [function] => {
            pools.get(&function.binary).cloned().ok_or_else(|| StackError::NoBinary(function.binary.clone()))
        }
        _ => Err(StackError::Unexpected(format!("{} functions have a URL, and not one", found.len()))),
    }
}

/// The routes of the HTTP API.
pub(crate) fn routes(
    functions: &[Function],
    pools: &BTreeMap<String, Arc<Pool>>,
) -> Result<Vec<Route>, StackError> {
    let mut routes = Vec::new();
    for function in functions {
        let Some(pool) = pools.get(&function.binary) else { continue };
        for event in &function.events {
            let Event::Http { method, path, authorized } = event else { continue };
            let method = Method::from_bytes(method.as_bytes()).map_err(|_unknown| {
                StackError::Resource(function.id.clone(), format!("the method {method}"))
            })?;
            routes.push(Route { method, path: path.clone(), authorized: *authorized, pool: pool.clone() });
        }
    }
    Ok(routes)
}

/// The queues that functions read.
pub(crate) fn sources(
    functions: &[Function],
    pools: &BTreeMap<String, Arc<Pool>>,
    around: &Surroundings,
    template: &Template,
) -> Result<Vec<QueueSource>, StackError> {
    let visibility: BTreeMap<_, _> =
        template.queues().into_iter().map(|queue| (names::queue(&queue.id), queue.visibility_s)).collect();
    let mut sources = Vec::new();
    for function in functions {
        let Some(pool) = pools.get(&function.binary) else { continue };
        for event in &function.events {
            let Event::Queue { queue, batch_size, partial_failures, concurrency } = event else { continue };
            let text = |value| {
                around.known.text(value).map_err(|why| StackError::Resource(function.id.clone(), why))
            };
            let arn = text(queue)?;
            let concurrency = concurrency.as_ref().map(text).transpose()?;
            let queue = queue_name(&arn);
            sources.push(QueueSource {
                services: around.services.clone(),
                visibility: Duration::from_secs(visibility.get(&queue).copied().unwrap_or_default()),
                time_scale: around.time_scale,
                queue,
                batch_size: *batch_size,
                partial_failures: *partial_failures,
                concurrency: concurrency.and_then(|text| text.parse().ok()).unwrap_or(10),
                pool: pool.clone(),
                sent: around.sent.clone(),
                output: around.output.clone(),
            });
        }
    }
    Ok(sources)
}

/// The schedules that run functions.
pub(crate) fn schedules(
    functions: &[Function],
    pools: &BTreeMap<String, Arc<Pool>>,
    around: &Surroundings,
) -> Result<Vec<ScheduleSource>, StackError> {
    let mut schedules = Vec::new();
    for function in functions {
        let Some(pool) = pools.get(&function.binary) else { continue };
        let wrong = |why| StackError::Resource(function.id.clone(), why);
        for event in &function.events {
            let Event::Schedule { when, zone, input, .. } = event else { continue };
            let zone =
                zone.as_ref().map_or(Ok("UTC".to_owned()), |zone| around.known.text(zone)).map_err(wrong)?;
            let unknown = |_| wrong(format!("{zone} is no time zone"));
            let zone = TimeZone::get(&zone).map_err(unknown)?;
            if input.replace(SCHEDULED_TIME, "").contains("<aws.scheduler.") {
                return Err(wrong(format!(
                    "of Scheduler's placeholders only {SCHEDULED_TIME} is replaced here"
                )));
            }
            let dead_letters = function.on_failure.as_ref().map(|arn| around.known.text(arn)).transpose();
            schedules.push(ScheduleSource {
                when: *when,
                zone,
                input: input.clone(),
                dead_letters: dead_letters.map_err(wrong)?.as_deref().map(queue_name),
                time_scale: around.time_scale,
                pool: pool.clone(),
                services: around.services.clone(),
                output: around.output.clone(),
            });
        }
    }
    Ok(schedules)
}

/// The name of the queue with this ARN.
fn queue_name(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or_default().to_owned()
}
