//! What the template's references stand for here.

use std::collections::BTreeMap;

use template::{Known, Template};

use crate::{ACCOUNT, KEY_ID, kms};

/// The region that everything is in.
pub const REGION: &str = "us-east-1";

/// The ARN of a table.
pub fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

/// The ARN of a queue.
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The URL of a queue.
pub fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

/// The ARN of an event bus.
pub fn bus_arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}")
}

/// All references: the parameters' defaults, and resources of which each is named by a prefix and its logical id.
pub fn known(template: &Template, prefix: &str) -> Known {
    let mut known = Known { refs: template.defaults(), attributes: BTreeMap::new() };
    known.refs.insert("AWS::Region".to_owned(), REGION.to_owned());
    known.refs.insert("AWS::AccountId".to_owned(), ACCOUNT.to_owned());
    known.refs.insert("AWS::Partition".to_owned(), "aws".to_owned());
    let named = |kind: &str| {
        template.of_type(kind).into_keys().map(|id| (format!("{prefix}{id}"), id)).collect::<Vec<_>>()
    };
    for (name, id) in named("AWS::DynamoDB::Table") {
        known.attributes.insert(format!("{id}.Arn"), table_arn(&name));
        known.refs.insert(id, name);
    }
    for (name, id) in named("AWS::SQS::Queue") {
        known.attributes.insert(format!("{id}.Arn"), queue_arn(&name));
        known.refs.insert(id.clone(), queue_url(&name));
        known.attributes.insert(format!("{id}.QueueName"), name);
    }
    for (name, id) in named("AWS::Events::EventBus") {
        known.attributes.insert(format!("{id}.Arn"), bus_arn(&name));
        known.refs.insert(id, name);
    }
    for (_, id) in named("AWS::KMS::Key") {
        known.attributes.insert(format!("{id}.Arn"), kms::arn(REGION));
        known.refs.insert(id, KEY_ID.to_owned());
    }
    for (name, id) in named("AWS::SecretsManager::Secret") {
        known.refs.insert(id, name);
    }
    known
}
