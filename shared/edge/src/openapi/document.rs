//! All endpoints as one document: `OpenAPI` 3.1.

#![expect(clippy::indexing_slicing, reason = "what a JSON object does not have yet is made by writing to it")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{Access, Answer, Operation, Place, schemas};
use crate::codes::{self, Code};

/// Endpoints that do not describe themselves as they should.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DocumentError {
    /// A code that stands in no table.
    #[error("{0}: {1} is no code of a problem")]
    NoSuchCode(&'static str, &'static str),
    /// A name that means one thing here and another there.
    #[error("{0}: the schema {1} is another elsewhere")]
    TwoSchemas(&'static str, String),
    /// Parameters that are not those of the path.
    #[error("{0}: the path has other parameters than those that are described")]
    PathParameters(&'static str),
    /// Two endpoints with one route or one name.
    #[error("{0} stands there twice")]
    Twice(&'static str),
    /// An endpoint without an answer.
    #[error("{0}: nothing is ever answered")]
    NoAnswer(&'static str),
}

/// Types that mean the same in every endpoint, and keep their names. Every other one is its endpoint's, and gets the endpoint's
/// name in front.
const SHARED: [&str; 32] = [
    "AccountId",
    "Amount",
    "Category",
    "CategoryId",
    "CategoryName",
    "Colour",
    "Currency",
    "CurrencyTotals",
    "Data",
    "EffectiveCategoryView",
    "FieldBody",
    "FieldName",
    "FieldView",
    "HealthState",
    "HouseholdId",
    "HouseholdName",
    "Icon",
    "InstitutionId",
    "ItemId",
    "Kind",
    "NextAction",
    "Note",
    "PartBody",
    "PartView",
    "PaymentMetaView",
    "Role",
    "Source",
    "Tag",
    "TransactionId",
    "TransactionView",
    "UserId",
    "WholeView",
];

/// The document of these endpoints.
///
/// # Errors
/// When one of them does not describe itself as it should.
pub fn document(operations: Vec<Operation>) -> Result<Value, DocumentError> {
    let mut schemas = BTreeMap::from([
        ("GatewayMessage".to_owned(), schemas::gateway_message()),
        ("Problem".to_owned(), schemas::problem()),
    ]);
    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for mut operation in operations {
        let (id, path, method) = (operation.id, operation.path, operation.method.to_lowercase());
        let described = describe(&mut operation, &mut schemas)?;
        if !ids.insert(id) || paths.entry(path).or_default().insert(method, described).is_some() {
            return Err(DocumentError::Twice(id));
        }
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wumbo's bank connection",
            "version": "1",
            "description": ABOUT,
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "x-problems": problems(),
    }))
}

const ABOUT: &str = "Households connect their bank accounts, and see what happens on them.\n\nAmounts are decimal strings, \
positive when money leaves the account; dates YYYY-MM-DD; times RFC 3339. Errors are problems (RFC 9457) with a stable `code`, \
the `request_id` and, where a field is wrong, its name. What the gateway itself refuses (no valid token, no such route, too many \
requests, more than 10 MB) is `{\"message\": …}`.";

/// The table of codes.
fn problems() -> Vec<Value> {
    let row = |code: &Code| json!({"code": code.name, "status": code.status, "meaning": code.meaning});
    codes::CODES.iter().map(row).collect()
}

fn describe(
    operation: &mut Operation,
    schemas: &mut BTreeMap<String, Value>,
) -> Result<Value, DocumentError> {
    let id = operation.id;
    if operation.answers.is_empty() {
        return Err(DocumentError::NoAnswer(id));
    }
    has_the_paths_parameters(operation)?;
    let mut described = Map::from_iter([
        ("operationId".to_owned(), json!(lower_camel(id))),
        ("summary".to_owned(), json!(operation.summary)),
        ("description".to_owned(), json!(about(operation))),
        ("parameters".to_owned(), json!(parameters(operation))),
        ("responses".to_owned(), json!(responses(operation)?)),
    ]);
    if let Some(body) = &operation.body {
        let content = json!({"application/json": {"schema": body.schema}});
        described.insert("requestBody".to_owned(), json!({"required": body.is_required, "content": content}));
    }
    if let Some(roles) = operation.access.roles() {
        described.insert("x-roles".to_owned(), json!(roles));
    }
    if operation.access == Access::Anybody {
        described.insert("security".to_owned(), json!([]));
    }
    let mut described = Value::Object(described);
    name_schemas(operation, &mut described, schemas)?;
    Ok(described)
}

fn has_the_paths_parameters(operation: &Operation) -> Result<(), DocumentError> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let described = operation.parameters.iter().filter(|parameter| parameter.place == Place::Path);
    let described: Vec<_> = described.map(|parameter| parameter.name).collect();
    if in_path.eq(described) { Ok(()) } else { Err(DocumentError::PathParameters(operation.id)) }
}

fn about(operation: &Operation) -> String {
    let who = match operation.access.roles() {
        None if operation.access == Access::Anybody => "Needs no token.".to_owned(),
        None => "For whoever has a token.".to_owned(),
        Some(roles) => {
            let roles: Vec<_> =
                roles.into_iter().filter_map(|role| Some(json!(role).as_str()?.to_owned())).collect();
            format!("Roles: {}.", roles.join(", "))
        }
    };
    if operation.about.is_empty() { who } else { format!("{}\n\n{who}", operation.about) }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let one = |parameter: &super::Parameter| {
        let place = match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        let mut described = json!({
            "name": parameter.name,
            "in": place,
            "required": parameter.place == Place::Path,
            "description": parameter.about,
            "schema": parameter.schema,
        });
        if parameter.place == Place::Query {
            // One without a value counts as absent.
            described["allowEmptyValue"] = json!(true);
        }
        described
    };
    operation.parameters.iter().map(one).collect()
}

/// What is answered, then what is refused, by status.
fn responses(operation: &Operation) -> Result<BTreeMap<String, Value>, DocumentError> {
    let mut responses: BTreeMap<_, _> =
        operation.answers.iter().map(|answer| (answer.status.to_string(), response(answer))).collect();
    for (status, codes) in by_status(operation)? {
        responses.insert(status.to_string(), refusal(status, &codes));
    }
    if operation.access != Access::Anybody {
        let refused = responses.entry("401".to_owned()).or_insert_with(|| refusal(401, &[]));
        refused["content"]["application/json"] = gateways();
    }
    let at_once = of_gateway("Too many requests at once.");
    let throttled = responses.entry("429".to_owned()).or_insert(at_once);
    throttled["content"]["application/json"] = gateways();
    Ok(responses)
}

fn response(answer: &Answer) -> Value {
    let mut response = json!({"description": answer.about});
    if let Some((content_type, schema)) = &answer.content {
        response["content"] = json!({*content_type: {"schema": schema}});
    }
    for header in &answer.headers {
        response["headers"][header.name] = json!({
            "description": header.about, "schema": {"type": "string"}, "required": header.is_always_there,
        });
    }
    response
}

fn by_status(operation: &Operation) -> Result<BTreeMap<u16, Vec<&'static Code>>, DocumentError> {
    let mut names: BTreeSet<&'static str> = operation.codes.iter().copied().collect();
    if operation.access != Access::Anybody {
        names.extend(["invalid_parameter", "unauthorized", "internal_error", "store_unavailable"]);
    }
    if operation.access.roles().is_some_and(|roles| roles.len() < domain::household::Role::ALL.len()) {
        names.insert("role_not_sufficient");
    }
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for name in names {
        let code = codes::find(name).ok_or(DocumentError::NoSuchCode(operation.id, name))?;
        by_status.entry(code.status).or_default().push(code);
    }
    Ok(by_status)
}

fn refusal(status: u16, codes: &[&Code]) -> Value {
    let lines: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.name, code.meaning)).collect();
    let names: Vec<_> = codes.iter().map(|code| code.name).collect();
    let schema = json!({
        "allOf": [
            {"$ref": format!("{}/Problem", schemas::PATH)},
            {"properties": {"code": {"enum": names}, "status": {"const": status}}},
        ],
    });
    let mut refusal =
        json!({"description": lines.join("\n"), "content": {"application/problem+json": {"schema": schema}}});
    if matches!(status, 429 | 503) {
        let about = "Seconds after which another try makes sense.";
        refusal["headers"]["Retry-After"] = json!({"description": about, "schema": {"type": "string"}});
    }
    refusal
}

fn of_gateway(about: &str) -> Value {
    json!({"description": about, "content": {"application/json": gateways()}})
}

fn gateways() -> Value {
    json!({"schema": {"$ref": format!("{}/GatewayMessage", schemas::PATH)}})
}

/// Puts the endpoint's schemas beside the others, under names that are theirs alone.
fn name_schemas(
    operation: &mut Operation,
    described: &mut Value,
    schemas: &mut BTreeMap<String, Value>,
) -> Result<(), DocumentError> {
    let id = operation.id;
    let mut found = operation.requests.take_definitions(true);
    for (name, schema) in operation.replies.take_definitions(true) {
        if found.insert(name.clone(), schema.clone()).is_some_and(|before| before != schema) {
            return Err(DocumentError::TwoSchemas(id, name));
        }
    }
    let own =
        |name: &str| if SHARED.contains(&name) { name.to_owned() } else { format!("{}{name}", camel(id)) };
    rename(described, &own);
    for (name, mut schema) in found {
        rename(&mut schema, &own);
        let name = own(&name);
        if schemas.insert(name.clone(), schema.clone()).is_some_and(|before| before != schema) {
            return Err(DocumentError::TwoSchemas(id, name));
        }
    }
    Ok(())
}

/// `list-items` as `ListItems`.
fn camel(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    id.split('-').map(capital).collect()
}

/// `list-items` as `listItems`.
fn lower_camel(id: &str) -> String {
    let camel = camel(id);
    let mut letters = camel.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// References to schemas of the endpoint, under their names in the document.
fn rename(value: &mut Value, own: &impl Fn(&str) -> String) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let target = field.as_str().filter(|_| name == "$ref");
                let target = target.and_then(|text| text.strip_prefix(schemas::PATH)?.strip_prefix('/'));
                match target.filter(|name| !["Problem", "GatewayMessage"].contains(name)).map(own) {
                    Some(target) => *field = json!(format!("{}/{target}", schemas::PATH)),
                    None => rename(field, own),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| rename(value, own)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use domain::household::Permission;
    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Answer {
        id: domain::ids::HouseholdId,
        inner: Vec<Inner>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        name: Option<String>,
    }

    fn operation(path: &'static str, id: &'static str) -> Operation {
        let access = Access::Allowed(Permission::Connect);
        Operation::new(("POST", path), id, "Do it", access).answer::<Answer>(200, "Done.")
    }

    #[test]
    fn a_schema_has_its_endpoints_name_unless_it_is_shared() {
        let both = vec![operation("/a", "do-this"), operation("/b", "do-that")];
        let document = document(both).unwrap();
        let names: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        for name in ["DoThatAnswer", "DoThatInner", "DoThisAnswer", "DoThisInner", "HouseholdId", "Problem"] {
            assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
        }
        let answer = &document["paths"]["/a"]["post"]["responses"]["200"]["content"]["application/json"];
        assert_eq!(answer["schema"]["$ref"], "#/components/schemas/DoThisAnswer");
        let inner = &document["components"]["schemas"]["DoThisAnswer"]["properties"]["inner"]["items"];
        assert_eq!(inner["$ref"], "#/components/schemas/DoThisInner");
        let post = &document["paths"]["/a"]["post"];
        assert_eq!(post["operationId"], "doThis");
        assert_eq!(post["x-roles"], json!(["owner", "admin", "member"]));
        assert!(post["responses"]["403"].is_object());
    }

    #[test]
    fn an_endpoint_that_describes_itself_wrongly_is_named() {
        let fault = |operations: Vec<Operation>| document(operations).unwrap_err();
        let no_code = operation("/a", "a").problems(&["no_such"]);
        assert_eq!(fault(vec![no_code]), DocumentError::NoSuchCode("a", "no_such"));
        assert_eq!(fault(vec![operation("/{x}", "a")]), DocumentError::PathParameters("a"));
        assert_eq!(fault(vec![operation("/a", "a"), operation("/a", "b")]), DocumentError::Twice("b"));
        assert_eq!(fault(vec![operation("/a", "a"), operation("/b", "a")]), DocumentError::Twice("a"));
        let silent = Operation::new(("GET", "/a"), "a", "Say nothing", Access::Caller);
        assert_eq!(fault(vec![silent]), DocumentError::NoAnswer("a"));
    }
}
