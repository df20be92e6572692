//! What is wrong in a request, in every position of every endpoint of the API's own description: a problem with the right
//! status, no failure, and nothing stored. New endpoints join in by their description.

use std::time::{Duration, Instant};

use crate::endpoints::{Endpoint, Place, caller, document, endpoints, token};
use serde_json::{Map, Value, json};
use stack::{Client, Options, Stack};

/// A request that is wrong, and what may be said of it.
struct Case {
    what: String,
    path: String,
    body: Option<String>,
    header: Option<(&'static str, String)>,
    /// The status, and the code if there is just one that is right.
    told: (u16, Option<&'static str>),
}

/// A good request, whose parts are made wrong one by one.
struct Good<'a> {
    document: &'a Value,
    endpoint: &'a Endpoint,
    path: String,
    body: Option<Map<String, Value>>,
    /// The ids of things in another household.
    others: &'a Map<String, Value>,
}

impl Good<'_> {
    fn case(&self, what: impl Into<String>, told: (u16, Option<&'static str>)) -> Case {
        let body = self.body.as_ref().map(|body| Value::Object(body.clone()).to_string());
        Case { what: what.into(), path: self.path.clone(), body, header: None, told }
    }

    fn with_body(&self, what: &str, body: String, told: (u16, Option<&'static str>)) -> Case {
        Case { body: Some(body), ..self.case(format!("a body with {what}"), told) }
    }

    /// The good body with one field as this text.
    fn with_field(&self, name: &str, text: &str, told: (u16, Option<&'static str>)) -> Case {
        let rest = self.body.clone().unwrap_or_default().into_iter().filter(|(other, _)| other != name);
        let fields = rest.map(|(name, value)| format!("{}:{value}", json!(name)));
        let all: Vec<_> = fields.chain([format!("{}:{text}", json!(name))]).collect();
        let shown: String = text.chars().take(40).collect();
        self.with_body(&format!("{name} = {shown}"), format!("{{{}}}", all.join(",")), told)
    }

    fn with_query(&self, name: &str, text: &str, told: (u16, Option<&'static str>)) -> Case {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let rest = query.split('&').filter(|part| !part.is_empty() && !part.starts_with(&format!("{name}=")));
        let all: Vec<_> = rest.map(str::to_owned).chain([format!("{name}={text}")]).collect();
        let path = format!("{path}?{}", all.join("&"));
        let shown: String = text.chars().take(40).collect();
        Case { path, ..self.case(format!("{name}={shown}"), told) }
    }

    fn schema<'b>(&'b self, schema: &'b Value) -> &'b Value {
        let named = schema["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["$ref"].is_string()));
        match named.unwrap_or(schema)["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            Some(name) => &self.document["components"]["schemas"][name],
            None => schema,
        }
    }

    fn fields(&self) -> Vec<(String, &Value)> {
        let body = &self.endpoint.operation["requestBody"]["content"]["application/json"]["schema"];
        let fields = self.schema(body)["properties"].as_object();
        fields.into_iter().flatten().map(|(name, schema)| (name.clone(), self.schema(schema))).collect()
    }

    fn parameters(&self, place: &str) -> Vec<(String, &Value)> {
        let all = self.endpoint.operation["parameters"].as_array().into_iter().flatten();
        let here = all.filter(|parameter| parameter["in"] == place);
        here.map(|one| (one["name"].as_str().unwrap().to_owned(), self.schema(&one["schema"]))).collect()
    }
}

const REFUSED: (u16, Option<&str>) = (400, None);

/// Texts that are no JSON, or not the JSON that they seem to be.
fn bodies(good: &Good<'_>) -> Vec<Case> {
    if good.endpoint.operation["requestBody"].is_null() {
        return Vec::new();
    }
    let no_json = (400, Some("invalid_json"));
    let mut cases = vec![
        good.with_body("depth", "[".repeat(100_000), no_json),
        good.with_body("depth of objects", "{\"a\":".repeat(40_000), REFUSED),
        good.with_body("half of it", "{".to_owned(), no_json),
        good.with_body("text after it", "{} {}".to_owned(), REFUSED),
        good.with_body("an array", "[]".to_owned(), (400, Some("invalid_field"))),
        good.with_body("a lone surrogate", r#"{"\ud800": 1}"#.to_owned(), no_json),
        good.with_body(
            "300 KB",
            format!("{{\"a\":\"{}\"}}", "x".repeat(300 << 10)),
            (413, Some("body_too_large")),
        ),
    ];
    // What would give somebody more, if it were taken.
    for name in ["role", "user_id", "owner", "household_id", "id", "revision", "__proto__"] {
        if !good.fields().iter().any(|(field, _)| field == name) {
            cases.push(good.with_field(name, "\"owner\"", (400, Some("unknown_field"))));
        }
    }
    cases
}

fn is_of(schema: &Value, kind: &str) -> bool {
    schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
}

/// Each field of the body with what it cannot be.
fn fields(good: &Good<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, schema) in good.fields() {
        // Nothing is wrong in a field that takes anything, and is not used.
        if schema.as_object().is_some_and(|schema| schema.keys().all(|key| key == "description")) {
            continue;
        }
        let mut wrong = vec!["NaN".to_owned(), "1e400".to_owned(), r#""\ud800""#.to_owned()];
        if !is_of(schema, "object") || !schema["additionalProperties"].is_null() {
            wrong.push("{\"a\":1}".to_owned());
        }
        if !is_of(schema, "array") {
            wrong.push("[1]".to_owned());
        }
        if !is_of(schema, "boolean") {
            wrong.push("true".to_owned());
        }
        if !is_of(schema, "integer") && !is_of(schema, "number") {
            wrong.extend(["0".to_owned(), "-1.5".to_owned()]);
        } else {
            wrong.extend([
                "0.1234567890123456789".to_owned(),
                "-1".to_owned(),
                "99999999999999999999".to_owned(),
            ]);
        }
        if is_of(schema, "string") || schema["enum"].is_array() || schema["oneOf"].is_array() {
            if has_a_form(schema) {
                wrong.push("\"\\u0000\"".to_owned());
            }
            if schema["minLength"].as_u64() > Some(0) {
                wrong.push("\"\"".to_owned());
            }
            let longer = schema["maxLength"].as_u64().map(|most| usize::try_from(most).unwrap() + 1);
            wrong.push(json!("x".repeat(longer.unwrap_or(300))).to_string());
        }
        match schema["format"].as_str() {
            Some("date") => wrong.extend(["\"0000-00-00\"".to_owned(), "\"2026-02-30\"".to_owned()]),
            _ if name.contains("amount") => {
                wrong.extend([
                    "\"NaN\"".to_owned(),
                    "\"1e400\"".to_owned(),
                    "\"0.1234567890123456789\"".to_owned(),
                ]);
            }
            _ => {}
        }
        for text in wrong {
            // A required field's problem, or that of a field that is no such thing: both are 400.
            cases.push(good.with_field(&name, &text, REFUSED));
        }
        let twice = format!("{{{0}:\"x\",{0}:\"x\"}}", json!(name));
        cases.push(good.with_body(&format!("{name} twice"), twice, REFUSED));
        let named = match name.as_str() {
            "to" => "transaction_id",
            "parent_id" => "category_id",
            other => other,
        };
        if let Some(other) = good.others.get(named) {
            // A category is a value that does not fit; whatever else is named is what the request is about.
            let told = if named == "category_id" { REFUSED } else { (404, None) };
            cases.push(good.with_field(&name, &other.to_string(), told));
        }
    }
    cases
}

/// Whether not every text is one.
fn has_a_form(schema: &Value) -> bool {
    let is_plain = schema["pattern"].as_str().is_some_and(|pattern| pattern.starts_with(ALL_BUT));
    !is_plain && ["pattern", "enum", "oneOf"].iter().any(|word| !schema[word].is_null())
}

/// The beginning of a pattern that excludes control characters, and nothing else.
const ALL_BUT: &str = "^[^";

/// Each parameter of the query with what it cannot be.
fn query(good: &Good<'_>) -> Vec<Case> {
    let wrong = (400, Some("invalid_parameter"));
    let mut cases =
        vec![good.with_query("no_such_parameter", "x", wrong), good.with_query("%FF", "%FF", wrong)];
    for (name, schema) in good.parameters("query") {
        let mut texts = Vec::new();
        if is_of(schema, "integer") {
            texts.extend(["1e400", "NaN", "-1", "0", "1.5", "99999999999999999999", "%2B1"]);
        }
        if schema["format"] == "date" {
            texts.extend(["0000-00-00", "2026-02-30", "2026-1-1", "20260101", "2026-01-01T00:00:00Z"]);
        }
        if has_a_form(schema) {
            texts.extend(["x", "%00", "%F0%9F%92%A9", "hh_UPPERCASE0000000"]);
        } else if !schema["pattern"].is_null() {
            texts.push("%00");
        }
        cases.extend(texts.into_iter().map(|text| good.with_query(&name, text, wrong)));
        if name == "cursor" {
            for text in ["x", "e30", "%00", "eyJkIjoiMjAyNi0wMS0wMSJ9"] {
                cases.push(good.with_query(&name, text, REFUSED));
            }
        }
        let twice = format!("x&{name}=x");
        cases.push(good.with_query(&name, &twice, wrong));
        if name == "move_to" {
            cases.push(good.with_query(&name, good.others["category_id"].as_str().unwrap(), wrong));
        }
        if let Some(other) = good.others.get(&name) {
            cases.push(good.with_query(&name, other.as_str().unwrap(), (404, None)));
        }
    }
    cases
}

/// Each id of the path as one that cannot be, and as another household's.
fn path(good: &Good<'_>) -> Vec<Case> {
    let (path, query) = good.path.split_once('?').unwrap_or((&good.path, ""));
    let template: Vec<_> = good.endpoint.path.split('/').collect();
    let parts: Vec<_> = path.split('/').collect();
    let mut cases = Vec::new();
    for (index, part) in template.iter().enumerate() {
        let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else { continue };
        let other = good.others[name].as_str().unwrap();
        let upper = parts[index].to_uppercase();
        let long = "x".repeat(3_000);
        for text in
            ["x", "%00", "..%2F..", "%F0%9F%92%A9", "%FF", "null", upper.as_str(), long.as_str(), other]
        {
            let mut parts = parts.clone();
            parts[index] = text;
            let path = format!("{}?{query}", parts.join("/"));
            let shown: String = text.chars().take(40).collect();
            cases.push(Case { path, ..good.case(format!("{name} = {shown}"), (404, None)) });
        }
    }
    cases
}

/// Headers that are wrong.
fn headers(good: &Good<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut with = |name: &'static str, text: &str, told| {
        let header = Some((name, text.to_owned()));
        cases.push(Case { header, ..good.case(format!("{name}: {text:.40}"), told) });
    };
    let names: Vec<_> = good.parameters("header").into_iter().map(|(name, _)| name).collect();
    if names.iter().any(|name| name == "If-Match") {
        for text in ["\"999999\"", "1", "W/\"1\"", "\"x\"", "\"-1\"", "\"18446744073709551616\""] {
            with("if-match", text, (412, Some("precondition_failed")));
        }
    }
    if names.iter().any(|name| name == "Idempotency-Key") {
        let long = "k".repeat(256);
        for text in [long.as_str(), " "] {
            with("idempotency-key", text, (400, Some("invalid_field")));
        }
    }
    cases
}

/// Sends what is wrong, and says what was answered otherwise than it should be.
async fn wrong_answers(client: &Client, endpoint: &Endpoint, cases: Vec<Case>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Case { what, path, body, header, told: (status, code) } in cases {
        let client = match header {
            Some((name, text)) => client.clone().with_header(name, &text),
            None => client.clone(),
        };
        let (was, answer) = client.call(&endpoint.method, &path, body).await.unwrap();
        let is_right =
            was == status && code.is_none_or(|code| answer["code"] == code) && answer["code"].is_string();
        if !is_right {
            wrong.push(format!("{} {what}: {was} {answer} instead of {status}", endpoint.row.id));
        }
    }
    wrong
}

/// Everything that is stored, once nothing is being worked on.
async fn stored(stack: &Stack) -> String {
    let began = Instant::now();
    let mut before = rows(stack).await;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut waiting = 0;
        for queue in ["SyncQueue", "WebhookQueue", "RemovalQueue"] {
            waiting += stack.messages(queue).await;
        }
        let now = rows(stack).await;
        if waiting == 0 && now == before {
            return now;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "the stack does not come to rest");
        before = now;
    }
}

async fn rows(stack: &Stack) -> String {
    let (data, guards) = (stack.rows("DataTable").await.unwrap(), stack.rows("GuardsTable").await.unwrap());
    // Requests are counted before all that is wrong with them is known.
    let is_stored = |row: &&Value| !row["pk"]["S"].as_str().is_some_and(|key| key.starts_with("LIMIT#"));
    json!([data, guards.iter().filter(is_stored).collect::<Vec<_>>()]).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_in_a_request_is_a_problem_and_stores_nothing() {
    let stack = Stack::start(Options { time_scale: 20, ..Options::default() }).await.unwrap();
    let document = document(&stack).await;
    let owner = caller(&stack, &token(&stack, &json!({"user": "owner"})).await);
    let endpoints = endpoints(&document);
    // Whoever sends what is wrong owns the first household and is in no other.
    let mut own = Place::new(&stack).await;
    let mut elsewhere = Place::elsewhere(&stack).await;
    let mut others = Map::new();
    let mut goods = Vec::new();
    for endpoint in &endpoints {
        for part in endpoint.path.split('/').chain(["{household_id}", "{item_id}"]) {
            if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                let other =
                    if name == "user_id" { "nobody-here".to_owned() } else { elsewhere.fill(part).await };
                others.insert(name.to_owned(), json!(other));
            }
        }
        goods.push(own.request(endpoint).await);
    }
    let before = stored(&stack).await;
    let mut wrong = Vec::new();
    let mut count = 0;
    for (endpoint, (path_of_it, body)) in endpoints.iter().zip(goods) {
        let body = body.map(|body| serde_json::from_str(&body).unwrap());
        let good = Good { document: &document, endpoint, path: path_of_it, body, others: &others };
        let cases: Vec<_> = [bodies(&good), fields(&good), query(&good), path(&good), headers(&good)]
            .into_iter()
            .flatten()
            .collect();
        count += cases.len();
        wrong.extend(wrong_answers(&owner, endpoint, cases).await);
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 300, "only {count} requests");
    assert_eq!(stored(&stack).await, before, "something was stored");
    stack.stop().await.unwrap();
}
