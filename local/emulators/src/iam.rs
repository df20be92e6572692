//! What IAM decides for a function: its policy in the template, against the rights that a request needs.

use std::collections::BTreeMap;

use http::{HeaderMap, header::AUTHORIZATION};
use serde::{Deserialize, de::IgnoredAny};
use template::{Function, Known, Statement};

use crate::{EmulatorError, kms, names};

/// A right that a request needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    /// Such as `dynamodb:GetItem`.
    pub action: String,
    /// An ARN, or a secret's name.
    pub resource: String,
    /// What a condition may ask for.
    context: BTreeMap<String, String>,
}

/// The policies of all functions.
pub struct Policies {
    by_function: BTreeMap<String, Vec<Allowed>>,
}

/// A statement.
struct Allowed {
    actions: Vec<String>,
    resources: Vec<String>,
    /// What `StringEquals` asks for.
    context: BTreeMap<String, String>,
}

impl Policies {
    /// The policies of the template.
    ///
    /// # Errors
    /// A resource that is not there, or a condition of another kind than `StringEquals`.
    pub fn new(functions: &[Function], known: &Known) -> Result<Self, EmulatorError> {
        let policy = |function: &Function| {
            let allowed = function.statements.iter().map(|statement| Allowed::new(statement, known));
            let allowed = allowed.collect::<Result<_, _>>();
            let allowed = allowed.map_err(|why| EmulatorError::Policy(function.id.clone(), why))?;
            Ok((function.binary.clone(), allowed))
        };
        let by_function = functions.iter().map(policy).collect::<Result<_, EmulatorError>>()?;
        Ok(Self { by_function })
    }

    /// The first right that a request needs and its caller does not have. Who is no function owns the account.
    pub fn missing(&self, caller: &str, target: &str, body: &[u8]) -> Option<Right> {
        let policy = self.by_function.get(caller)?;
        let needed = needed(target, body);
        needed.into_iter().find(|right| !policy.iter().any(|allowed| allowed.covers(right)))
    }
}

impl Allowed {
    fn new(statement: &Statement, known: &Known) -> Result<Self, String> {
        let condition = known.resolve(&statement.condition)?;
        let context = match condition.as_object().map(|kinds| kinds.iter().collect::<Vec<_>>()).as_deref() {
            None => BTreeMap::new(),
            Some([(kind, asked)]) if *kind == "StringEquals" => {
                serde_json::from_value((*asked).clone()).map_err(|error| error.to_string())?
            }
            Some(_) => return Err(format!("{condition} is a condition that nobody decides here")),
        };
        Ok(Self {
            actions: statement.actions.clone(),
            resources: statement.resources.iter().map(|arn| known.text(arn)).collect::<Result<_, _>>()?,
            context,
        })
    }

    fn covers(&self, right: &Right) -> bool {
        self.actions.contains(&right.action)
            && self.resources.contains(&right.resource)
            && self.context.iter().all(|(name, value)| right.context.get(name) == Some(value))
    }
}

/// Who has signed a request: the function's name is its access key.
pub fn caller(headers: &HeaderMap) -> &str {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let credential = authorization.split_once("Credential=").map(|(_, rest)| rest).unwrap_or_default();
    credential.split('/').next().unwrap_or_default()
}

/// The fields of all requests that say what they touch.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Touched {
    table_name: String,
    index_name: Option<String>,
    #[expect(
        clippy::zero_sized_map_values,
        reason = "what else there is of a table is skipped as it is read"
    )]
    request_items: BTreeMap<String, IgnoredAny>,
    transact_items: Vec<BTreeMap<String, InTable>>,
    queue_url: String,
    encryption_context: BTreeMap<String, String>,
    secret_id: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InTable {
    table_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    event_bus_name: String,
}

/// The rights that a request needs, by the Service Authorization Reference. A transaction needs those of its parts.
fn needed(target: &str, body: &[u8]) -> Vec<Right> {
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    // Nobody has a right to what cannot be read.
    let Ok(touched) = serde_json::from_slice::<Touched>(body) else {
        return vec![right(service, operation, String::new())];
    };
    match service {
        "DynamoDB_20120810" => of_tables(operation, &touched),
        // The batches of SQS have no rights of their own.
        "AmazonSQS" => {
            let name = touched.queue_url.rsplit('/').next().unwrap_or_default();
            vec![right("sqs", operation.trim_end_matches("Batch"), names::queue_arn(name))]
        }
        "TrentService" => {
            let named = |(name, value)| (format!("kms:EncryptionContext:{name}"), value);
            let context = touched.encryption_context.into_iter().map(named).collect();
            vec![Right { context, ..right("kms", operation, kms::arn(names::REGION)) }]
        }
        "AWSEvents" => {
            let buses = touched.entries.into_iter().map(|entry| names::bus_arn(&entry.event_bus_name));
            buses.map(|bus| right("events", operation, bus)).collect()
        }
        _ => vec![right(service, operation, touched.secret_id)],
    }
}

fn of_tables(operation: &str, touched: &Touched) -> Vec<Right> {
    let on = |action: &str, table: &str| right("dynamodb", action, names::table_arn(table));
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let parts = touched.transact_items.iter().flatten();
            let action = |kind: &str| match kind {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                kind => format!("{kind}Item"),
            };
            parts.map(|(kind, part)| on(&action(kind), &part.table_name)).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            touched.request_items.keys().map(|table| on(operation, table)).collect()
        }
        _ => {
            let mut whole = on(operation, &touched.table_name);
            if let Some(index) = &touched.index_name {
                whole.resource = format!("{}/index/{index}", whole.resource);
            }
            vec![whole]
        }
    }
}

fn right(service: &str, operation: &str, resource: String) -> Right {
    Right { action: format!("{service}:{operation}"), resource, context: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use template::Template;

    use super::*;
    use crate::names::{bus_arn, queue_arn, table_arn};

    fn rights(target: &str, body: &serde_json::Value) -> Vec<(String, String)> {
        let rights = needed(target, body.to_string().as_bytes());
        rights.into_iter().map(|right| (right.action, right.resource)).collect()
    }

    #[test]
    fn each_request_needs_the_rights_that_iam_asks_for() {
        let one = |action: &str, resource: String| vec![(action.to_owned(), resource)];
        let dynamodb = |operation: &str| format!("DynamoDB_20120810.{operation}");
        assert_eq!(
            rights(&dynamodb("GetItem"), &json!({"TableName": "t", "Key": {}})),
            one("dynamodb:GetItem", table_arn("t"))
        );
        assert_eq!(
            rights(&dynamodb("Query"), &json!({"TableName": "t", "IndexName": "i"})),
            one("dynamodb:Query", format!("{}/index/i", table_arn("t")))
        );
        assert_eq!(
            rights(&dynamodb("BatchGetItem"), &json!({"RequestItems": {"t": {"Keys": []}, "u": {}}})),
            ["t", "u"].map(|table| ("dynamodb:BatchGetItem".to_owned(), table_arn(table)))
        );
        let parts = json!([
            {"Put": {"TableName": "t"}}, {"Update": {"TableName": "t"}},
            {"Delete": {"TableName": "u"}}, {"ConditionCheck": {"TableName": "u"}},
        ]);
        assert_eq!(
            rights(&dynamodb("TransactWriteItems"), &json!({"TransactItems": parts})),
            [("PutItem", "t"), ("UpdateItem", "t"), ("DeleteItem", "u"), ("ConditionCheckItem", "u")]
                .map(|(action, table)| (format!("dynamodb:{action}"), table_arn(table)))
        );
        assert_eq!(
            rights("AmazonSQS.SendMessageBatch", &json!({"QueueUrl": "https://sqs/1/q", "Entries": [{}]})),
            one("sqs:SendMessage", queue_arn("q"))
        );
        assert_eq!(
            rights("AWSEvents.PutEvents", &json!({"Entries": [{"EventBusName": "b"}]})),
            one("events:PutEvents", bus_arn("b"))
        );
        assert_eq!(
            rights("secretsmanager.GetSecretValue", &json!({"SecretId": "s"})),
            one("secretsmanager:GetSecretValue", "s".to_owned())
        );
        assert_eq!(rights("TrentService.Decrypt", &json!({})), one("kms:Decrypt", kms::arn(names::REGION)));
    }

    const POLICY: &str = "
Resources:
  Data: { Type: AWS::DynamoDB::Table }
  Key: { Type: AWS::KMS::Key }
  Reader:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: reader } }
    Properties:
      Timeout: 1
      MemorySize: 1
      Policies:
        - Statement:
            - { Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Data.Arn }
            - Effect: Allow
              Action: kms:Decrypt
              Resource: !GetAtt Key.Arn
              Condition: { StringEquals: { \"kms:EncryptionContext:purpose\": tokens } }
";

    fn policies(text: &str) -> Result<Policies, EmulatorError> {
        let template = Template::parse(text).unwrap();
        Policies::new(&template.functions().unwrap(), &names::known(&template, ""))
    }

    #[test]
    fn a_function_has_the_rights_of_its_policy_and_no_others() {
        let policies = policies(POLICY).unwrap();
        let missing = |caller: &str, target: &str, body: serde_json::Value| {
            policies.missing(caller, target, body.to_string().as_bytes()).map(|right| right.action)
        };
        let read = json!({"TableName": "Data", "Key": {}});
        assert_eq!(missing("reader", "DynamoDB_20120810.GetItem", read.clone()), None);
        assert_eq!(
            missing("reader", "DynamoDB_20120810.PutItem", read.clone()),
            Some("dynamodb:PutItem".to_owned())
        );
        let elsewhere = json!({"TableName": "other", "Key": {}});
        assert!(missing("reader", "DynamoDB_20120810.GetItem", elsewhere).is_some());
        let index = json!({"TableName": "Data", "IndexName": "i"});
        assert!(missing("reader", "DynamoDB_20120810.GetItem", index).is_some());
        let purpose = |purpose: &str| json!({"EncryptionContext": {"purpose": purpose}});
        assert_eq!(missing("reader", "TrentService.Decrypt", purpose("tokens")), None);
        assert!(missing("reader", "TrentService.Decrypt", purpose("more")).is_some());
        assert!(missing("reader", "TrentService.Decrypt", json!({})).is_some());
        assert!(policies.missing("reader", "DynamoDB_20120810.TransactWriteItems", b"[").is_some());
        assert_eq!(missing("local", "DynamoDB_20120810.PutItem", read), None);
    }

    #[test]
    fn what_cannot_be_decided_here_refuses_to_start() {
        let other = POLICY.replace("StringEquals", "StringLike");
        assert!(matches!(policies(&other), Err(EmulatorError::Policy(id, _)) if id == "Reader"));
        let dangling = POLICY.replace("Data.Arn", "Nothing.Arn");
        assert!(matches!(policies(&dangling), Err(EmulatorError::Policy(id, _)) if id == "Reader"));
    }

    #[test]
    fn a_request_is_signed_by_a_function() {
        let mut headers = HeaderMap::new();
        assert_eq!(caller(&headers), "");
        let signed =
            "AWS4-HMAC-SHA256 Credential=list-accounts/20260101/us-east-1/sqs/aws4_request, Signature=0";
        headers.insert(AUTHORIZATION, signed.parse().unwrap());
        assert_eq!(caller(&headers), "list-accounts");
    }
}
