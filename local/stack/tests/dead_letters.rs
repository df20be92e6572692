//! What nobody can deal with: parked with its reason, listed, and sent back.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::time::{Duration, Instant};

use domain::{queue::DeadLetters, queue::Letter};
use queue::{DeadLetter, DeadLetterQueue};
use serde_json::{Value, json};
use stack::{Options, Stack};

/// A sync of an item that is not there: read, and done.
const READABLE: &str =
    r#"{"v":1,"household":"hh_a11ce00000000000","item":"itm_0000000000000000","cause":"night"}"#;

fn url(queue: &str) -> String {
    format!("https://sqs.us-east-1.amazonaws.com/{}/wumbo-{queue}", emulators::ACCOUNT)
}

async fn send(stack: &Stack, body: &str) -> String {
    let request = json!({"QueueUrl": url("SyncQueue"), "MessageBody": body});
    let answer = stack.services.ask("AmazonSQS.SendMessage", &request).await.unwrap();
    answer["MessageId"].as_str().unwrap().to_owned()
}

/// How many messages are in a queue, those that somebody holds included.
async fn waiting(stack: &Stack, queue: &str) -> u64 {
    let request = json!({"QueueUrl": url(queue), "AttributeNames": ["All"]});
    let answer = stack.services.ask("AmazonSQS.GetQueueAttributes", &request).await.unwrap();
    let count = |name: &Value| name.as_str().unwrap().parse::<u64>().unwrap();
    count(&answer["Attributes"]["ApproximateNumberOfMessages"])
        + count(&answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])
}

/// The letters, once there are so many.
async fn once_there_are(count: usize, letters: &DeadLetterQueue) -> Vec<DeadLetter> {
    let began = Instant::now();
    loop {
        let all = letters.list().await.unwrap();
        if all.len() == count {
            return all;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{all:?}");
    }
}

async fn park(letters: &DeadLetterQueue, message_id: &str, body: &str) {
    let letter = Letter {
        message_id: message_id.to_owned(),
        group: Some("hh_a11ce00000000000".to_owned()),
        body: body.to_owned(),
        reason: "never".to_owned(),
    };
    letters.park(&letter).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_versions_and_poison_are_parked_at_once_with_their_reasons() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let letters = stack.dead_letters().unwrap();
    let from_the_future = READABLE.replace(":1,", ":99,");
    let mut expected = vec![
        (send(&stack, &from_the_future).await, "the message has version 99", from_the_future.as_str()),
        (send(&stack, "garbage").await, "the message has no version", "garbage"),
    ];
    expected.sort();
    let found = once_there_are(2, &letters).await;
    let mut found: Vec<_> = found
        .iter()
        .map(|letter| (letter.id.clone(), letter.reason.as_deref().unwrap(), letter.body.as_str()))
        .collect();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(waiting(&stack, "SyncQueue").await, 0, "parked is done");

    // Sent back they are no better: they come back, and not more than once.
    assert_eq!(letters.redrive(&url("SyncQueue"), None).await.unwrap(), 2);
    once_there_are(2, &letters).await;
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_whole_and_sent_back_once_each() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let letters = stack.dead_letters().unwrap();
    for n in 0..25 {
        park(&letters, &format!("message-{n}"), READABLE).await;
    }
    let all = letters.list().await.unwrap();
    assert_eq!(all.len(), 25, "more than one receive gives");
    assert!(all.iter().all(|letter| letter.sent.is_some() && letter.receives == 1));
    assert_eq!(letters.list().await.unwrap().len(), 25, "nothing is hidden by a look");

    // One of them, to a queue that is not there: it stays.
    assert!(letters.redrive(&url("Nowhere"), Some("message-7")).await.is_err());
    assert_eq!(letters.list().await.unwrap().len(), 25);
    assert_eq!(letters.redrive(&url("SyncQueue"), Some("message-7")).await.unwrap(), 1);
    assert_eq!(letters.redrive(&url("SyncQueue"), Some("message-7")).await.unwrap(), 0);
    assert_eq!(letters.list().await.unwrap().len(), 24, "the others are still there");

    assert_eq!(letters.redrive(&url("SyncQueue"), None).await.unwrap(), 24);
    let began = Instant::now();
    while waiting(&stack, "SyncQueue").await > 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "the worker does not take them");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(letters.list().await.unwrap(), [], "all of them were processed");
    stack.stop().await.unwrap();
}
