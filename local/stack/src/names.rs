//! What the template's references stand for on this machine.

use std::collections::BTreeMap;

use emulators::ACCOUNT;
use template::{Known, Template};

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";
const STACK: &str = "wumbo";

/// The audience of local tokens.
pub(crate) const AUDIENCE: &str = "wumbo-local";

pub(crate) fn table(logical_id: &str) -> String {
    format!("{STACK}-{logical_id}")
}

pub(crate) fn queue(logical_id: &str) -> String {
    format!("{STACK}-{logical_id}")
}

pub(crate) fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

pub(crate) fn function_arn(binary: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{binary}")
}

pub(crate) fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

pub(crate) fn bus_arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}")
}

/// The name of the secret with Plaid's keys.
pub(crate) fn secret(logical_id: &str) -> String {
    format!("{STACK}-{logical_id}")
}

/// All references: parameters first, then what the resources became.
pub(crate) fn known(template: &Template, parameters: BTreeMap<String, String>, key_arn: &str) -> Known {
    let mut known = Known { refs: template.defaults(), attributes: BTreeMap::new() };
    known.refs.extend(parameters);
    known.refs.insert("AWS::Region".to_owned(), REGION.to_owned());
    known.refs.insert("AWS::AccountId".to_owned(), ACCOUNT.to_owned());
    known.refs.insert("AWS::Partition".to_owned(), "aws".to_owned());
    for id in template.of_type("AWS::DynamoDB::Table").into_keys() {
        known.attributes.insert(format!("{id}.Arn"), table_arn(&table(&id)));
        known.refs.insert(id.clone(), table(&id));
    }
    for id in template.of_type("AWS::SQS::Queue").into_keys() {
        let name = queue(&id);
        known.attributes.insert(format!("{id}.Arn"), queue_arn(&name));
        known.attributes.insert(format!("{id}.QueueName"), name.clone());
        known.refs.insert(id, queue_url(&name));
    }
    for id in template.of_type("AWS::Events::EventBus").into_keys() {
        let name = format!("{STACK}-{id}");
        known.attributes.insert(format!("{id}.Arn"), bus_arn(&name));
        known.refs.insert(id, name);
    }
    for id in template.of_type("AWS::KMS::Key").into_keys() {
        known.attributes.insert(format!("{id}.Arn"), key_arn.to_owned());
        known.refs.insert(id, emulators::KEY_ID.to_owned());
    }
    for id in template.of_type("AWS::SecretsManager::Secret").into_keys() {
        known.refs.insert(id.clone(), secret(&id));
    }
    known
}
