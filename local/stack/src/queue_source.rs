//! A queue as an event source: reads batches, hands them to the function, deletes what succeeded.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use emulators::Emulators;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::{
    names,
    output::Output,
    pool::{Ended, Pool},
};

/// How often an empty queue is looked at for messages whose delay or visibility has ended.
const LOOK: Duration = Duration::from_millis(100);

/// One mapping of a queue to a function.
pub(crate) struct QueueSource {
    pub(crate) services: Arc<Emulators>,
    pub(crate) queue: String,
    /// How long a message that was handed out stays hidden.
    pub(crate) visibility: Duration,
    /// Divides what is left of it once the function has ended: work takes its time, waits are shortened.
    pub(crate) time_scale: u32,
    pub(crate) batch_size: u64,
    pub(crate) partial_failures: bool,
    pub(crate) concurrency: usize,
    pub(crate) pool: Arc<Pool>,
    pub(crate) sent: Arc<Notify>,
    pub(crate) output: Arc<Output>,
}

impl QueueSource {
    /// Reads until the task is stopped.
    pub(crate) async fn run(self) {
        let source = Arc::new(self);
        let slots = Arc::new(Semaphore::new(source.concurrency));
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let sent = source.sent.notified();
            let messages = source.receive().await;
            if messages.is_empty() {
                drop(slot);
                // Whichever comes first; neither is an error.
                let _first = tokio::time::timeout(LOOK, sent).await;
                continue;
            }
            let source = source.clone();
            tokio::spawn(async move {
                source.deliver(messages).await;
                drop(slot);
            });
        }
    }

    async fn receive(&self) -> Vec<Value> {
        let request = json!({
            "QueueUrl": names::queue_url(&self.queue),
            "MaxNumberOfMessages": self.batch_size,
            "VisibilityTimeout": self.visibility.as_secs(),
            "AttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        });
        match self.services.ask("AmazonSQS.ReceiveMessage", &request).await {
            Ok(answer) => answer["Messages"].as_array().cloned().unwrap_or_default(),
            Err(error) => {
                self.output.say(&format!("queue {}: {error}", self.queue));
                Vec::new()
            }
        }
    }

    async fn deliver(&self, messages: Vec<Value>) {
        let began = Instant::now();
        let records: Vec<_> = messages.iter().map(|message| self.record(message)).collect();
        let invoked = self.pool.invoke(Bytes::from(json!({"Records": records}).to_string())).await;
        let failed = self.failed(&invoked.ended, &messages);
        let left = self.visibility.saturating_sub(began.elapsed()) / self.time_scale.max(1);
        for message in &messages {
            if failed.contains(message["MessageId"].as_str().unwrap_or_default()) {
                self.hide(message, left).await;
            } else {
                self.delete(message).await;
            }
        }
        let state = if invoked.cold { "cold" } else { "warm" };
        let outcome = match &invoked.ended {
            Ended::Answer(_) if failed.is_empty() => "ok".to_owned(),
            Ended::Answer(_) => format!("{} come again", failed.len()),
            Ended::Error(_) => "the function failed".to_owned(),
            Ended::Crashed(why) => why.clone(),
            Ended::TimedOut => "timed out".to_owned(),
        };
        let ms = began.elapsed().as_millis();
        self.output.say(&format!(
            "queue {} → {} {} message(s) {outcome} {ms} ms {state}",
            self.queue,
            self.pool.name(),
            messages.len()
        ));
    }

    fn record(&self, message: &Value) -> Value {
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes").cloned().unwrap_or_else(|| json!({})),
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": names::queue_arn(&self.queue),
            "awsRegion": names::REGION,
        })
    }

    /// The ids of the messages that come again.
    fn failed(&self, ended: &Ended, messages: &[Value]) -> HashSet<String> {
        let all = || messages.iter().filter_map(|m| m["MessageId"].as_str().map(str::to_owned)).collect();
        let Ended::Answer(body) = ended else { return all() };
        if !self.partial_failures {
            return HashSet::new();
        }
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return all() };
        let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
        failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str().map(str::to_owned)).collect()
    }

    async fn delete(&self, message: &Value) {
        let request =
            json!({"QueueUrl": names::queue_url(&self.queue), "ReceiptHandle": message["ReceiptHandle"]});
        self.ask("AmazonSQS.DeleteMessage", &request).await;
    }

    /// Leaves a message hidden for so long from now on.
    async fn hide(&self, message: &Value, left: Duration) {
        let request = json!({
            "QueueUrl": names::queue_url(&self.queue),
            "ReceiptHandle": message["ReceiptHandle"],
            "VisibilityTimeout": left.as_secs(),
        });
        self.ask("AmazonSQS.ChangeMessageVisibility", &request).await;
    }

    async fn ask(&self, target: &str, request: &Value) {
        if let Err(error) = self.services.ask(target, request).await {
            self.output.say(&format!("queue {}: {error}", self.queue));
        }
    }
}
