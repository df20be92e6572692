//! The resources that matter here, in their own types.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Schedule, ScheduleError, Template, TemplateError, fault};

/// A Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its logical id.
    pub id: String,
    /// Its binary: package, folder and name everywhere else.
    pub binary: String,
    /// Seconds.
    pub timeout_s: u64,
    /// Megabytes.
    pub memory_mb: u64,
    /// Instances at most, unresolved, if bounded.
    pub reserved_concurrency: Option<Value>,
    /// Environment, unresolved.
    pub environment: BTreeMap<String, Value>,
    /// What calls it.
    pub events: Vec<Event>,
    /// What it may do.
    pub statements: Vec<Statement>,
    /// Where an event goes whose runs all failed: the ARN of a queue, unresolved.
    pub on_failure: Option<Value>,
}

/// What calls a function.
#[derive(Debug, Clone)]
pub enum Event {
    /// A route of the HTTP API.
    Http {
        /// `GET`, `POST`, …
        method: String,
        /// With `{parameters}`.
        path: String,
        /// Whether the JWT authorizer guards it.
        authorized: bool,
    },
    /// A queue.
    Queue {
        /// The queue's ARN, unresolved.
        queue: Value,
        /// Messages of a batch.
        batch_size: u64,
        /// Whether only the failed messages come again.
        partial_failures: bool,
        /// Batches at once, unresolved.
        concurrency: Option<Value>,
    },
    /// A schedule of EventBridge Scheduler.
    Schedule {
        /// When.
        when: Schedule,
        /// The time zone, unresolved; UTC if absent.
        zone: Option<Value>,
        /// The event, with Scheduler's placeholders.
        input: String,
        /// Where an event goes that Scheduler could not hand over: the ARN of a queue, unresolved.
        dead_letters: Option<Value>,
    },
    /// A URL of its own, which lets everybody in.
    Url,
}

/// A statement of a function's policy.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Such as `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// ARNs, unresolved.
    pub resources: Vec<Value>,
    /// Conditions.
    pub condition: Value,
}

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its logical id.
    pub id: String,
    /// Seconds for which a received message is hidden.
    pub visibility_s: u64,
    /// Where messages go that failed too often: ARN, unresolved, and receives.
    pub dead_letters: Option<(Value, u64)>,
}

/// A DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its logical id.
    pub id: String,
    /// The request that creates it, but for its name.
    pub definition: Value,
    /// The attribute that holds the time to live.
    pub ttl: Option<String>,
}

impl Template {
    /// All functions.
    pub fn functions(&self) -> Result<Vec<Function>, TemplateError> {
        let globals = self.section("Globals").get("Function").cloned().unwrap_or_default();
        let all = self.of_type("AWS::Serverless::Function");
        all.iter().map(|(id, resource)| self.function(id, resource, &globals)).collect()
    }

    fn function(&self, id: &str, resource: &Value, globals: &Value) -> Result<Function, TemplateError> {
        let properties = &resource["Properties"];
        let either = |name: &str| properties.get(name).or_else(|| globals.get(name));
        let number = |name: &str| {
            either(name).and_then(Value::as_u64).ok_or_else(|| fault(id, format!("{name} is not set")))
        };
        let binary = resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
        let mut environment = BTreeMap::new();
        for source in [globals, properties] {
            let variables = source.pointer("/Environment/Variables").and_then(Value::as_object);
            environment.extend(variables.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        }
        let events = properties.get("Events").and_then(Value::as_object);
        let events = events.into_iter().flatten().map(|(_, event)| self.event(id, event));
        let url = properties.get("FunctionUrlConfig").map(|url| function_url(id, url));
        let policies = properties.get("Policies").and_then(Value::as_array);
        Ok(Function {
            id: id.to_owned(),
            binary: binary.ok_or_else(|| fault(id, "Metadata.BuildProperties.Binary is not set"))?.to_owned(),
            timeout_s: number("Timeout")?,
            memory_mb: number("MemorySize")?,
            reserved_concurrency: properties.get("ReservedConcurrentExecutions").cloned(),
            environment,
            events: events.chain(url).collect::<Result<_, _>>()?,
            statements: statements(id, policies.map(Vec::as_slice).unwrap_or_default())?,
            on_failure: properties
                .pointer("/EventInvokeConfig/DestinationConfig/OnFailure/Destination")
                .cloned(),
        })
    }

    fn event(&self, id: &str, event: &Value) -> Result<Event, TemplateError> {
        let properties = &event["Properties"];
        let text = |name: &str| {
            let value = properties.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| fault(id, format!("an event without {name}")))
        };
        match event["Type"].as_str() {
            Some("HttpApi") => Ok(Event::Http {
                method: text("Method")?,
                path: text("Path")?,
                authorized: self.has_default_authorizer()
                    && properties.pointer("/Auth/Authorizer").and_then(Value::as_str) != Some("NONE"),
            }),
            Some("SQS") => Ok(Event::Queue {
                queue: properties["Queue"].clone(),
                batch_size: properties["BatchSize"].as_u64().unwrap_or(10),
                partial_failures: properties["FunctionResponseTypes"] == json!(["ReportBatchItemFailures"]),
                concurrency: properties.pointer("/ScalingConfig/MaximumConcurrency").cloned(),
            }),
            Some("ScheduleV2") => Ok(Event::Schedule {
                when: text("ScheduleExpression")?
                    .parse()
                    .map_err(|why: ScheduleError| fault(id, why.to_string()))?,
                zone: properties.get("ScheduleExpressionTimezone").cloned(),
                input: text("Input")?,
                dead_letters: properties.pointer("/DeadLetterConfig/Arn").cloned(),
            }),
            other => Err(fault(id, format!("an event of the type {other:?}, which nobody serves here"))),
        }
    }

    fn has_default_authorizer(&self) -> bool {
        let apis = self.of_type("AWS::Serverless::HttpApi");
        !apis.is_empty()
            && apis.values().all(|api| api.pointer("/Properties/Auth/DefaultAuthorizer").is_some())
    }

    /// All queues.
    pub fn queues(&self) -> Vec<Queue> {
        let queue = |(id, resource): (String, Value)| {
            let redrive = resource.pointer("/Properties/RedrivePolicy");
            let dead_letters = redrive.and_then(|redrive| {
                Some((redrive.get("deadLetterTargetArn")?.clone(), redrive.get("maxReceiveCount")?.as_u64()?))
            });
            let visibility = resource.pointer("/Properties/VisibilityTimeout").and_then(Value::as_u64);
            // CloudFormation's own default.
            Queue { id, visibility_s: visibility.unwrap_or(30), dead_letters }
        };
        self.of_type("AWS::SQS::Queue").into_iter().map(queue).collect()
    }

    /// All tables.
    pub fn tables(&self) -> Vec<Table> {
        const OF_CREATION: [&str; 4] =
            ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"];
        let table = |(id, resource): (String, Value)| {
            let properties =
                resource.get("Properties").and_then(Value::as_object).cloned().unwrap_or_default();
            let ttl = properties.get("TimeToLiveSpecification").and_then(|ttl| ttl["AttributeName"].as_str());
            let ttl = ttl.map(str::to_owned);
            let definition =
                properties.into_iter().filter(|(name, _)| OF_CREATION.contains(&name.as_str())).collect();
            Table { id, definition: Value::Object(definition), ttl }
        };
        self.of_type("AWS::DynamoDB::Table").into_iter().map(table).collect()
    }
}

fn function_url(id: &str, config: &Value) -> Result<Event, TemplateError> {
    match config["AuthType"].as_str() {
        Some("NONE") => Ok(Event::Url),
        other => Err(fault(
            id,
            format!("a function URL with the authorization {other:?}, which nobody serves here"),
        )),
    }
}

fn statements(id: &str, policies: &[Value]) -> Result<Vec<Statement>, TemplateError> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let statement = |statement: Value| {
        if statement["Effect"] != "Allow" {
            return Err(fault(id, "a statement that does not allow, which nobody decides here"));
        }
        Ok(Statement {
            actions: list(&statement["Action"]).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            resources: list(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        })
    };
    policies.iter().flat_map(|policy| list(&policy["Statement"])).map(statement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(url: &str) -> Result<Vec<Function>, TemplateError> {
        Template::parse(&format!(
            "Resources:\n  Door:\n    Type: AWS::Serverless::Function\n    Metadata: {{BuildProperties: {{Binary: door}}}}\n    \
             Properties: {{Timeout: 1, MemorySize: 1, ReservedConcurrentExecutions: !Ref Most, FunctionUrlConfig: {url}}}\n"
        ))?
        .functions()
    }

    #[test]
    fn a_function_url_lets_everybody_in_or_is_refused() {
        let found = functions("{AuthType: NONE}").unwrap();
        assert!(matches!(found[0].events.as_slice(), [Event::Url]));
        assert_eq!(found[0].reserved_concurrency, Some(json!({"Ref": "Most"})));
        for other in ["{AuthType: AWS_IAM}", "{}"] {
            assert!(functions(other).unwrap_err().to_string().starts_with("Door: "), "{other}");
        }
    }
    #[test]
    fn a_statement_that_does_not_allow_is_refused() {
        let template = Template::parse(
            "Resources:\n  Door:\n    Type: AWS::Serverless::Function\n    Metadata: {BuildProperties: {Binary: door}}\n    \
             Properties: {Timeout: 1, MemorySize: 1, Policies: [{Statement: {Effect: Deny, Action: x, Resource: y}}]}\n",
        );
        assert!(template.unwrap().functions().unwrap_err().to_string().starts_with("Door: "));
    }
}
