//! The API's description, the template and the code say the same. That `openapi.json` is what the code says is a test of
//! `local/contract`; here it is compared with the others.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails where it stands"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use template::{Event, Function};
use xtask::{files, root, template};

/// An endpoint of the description.
struct Endpoint {
    route: String,
    operation: Value,
}

impl Endpoint {
    fn parameters(&self, place: &str) -> BTreeSet<String> {
        let all = self.operation["parameters"].as_array().into_iter().flatten();
        let here = all.filter(|parameter| parameter["in"] == place);
        here.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    }

    fn needs_no_token(&self) -> bool {
        self.operation["security"].as_array().is_some_and(Vec::is_empty)
    }
}

fn endpoints() -> Vec<Endpoint> {
    let text = std::fs::read_to_string(root().join("openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut endpoints = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            endpoints.push(Endpoint { route, operation: operation.clone() });
        }
    }
    assert!(!endpoints.is_empty());
    endpoints
}

/// The functions of the template that are endpoints, by route.
fn routes() -> BTreeMap<String, (Function, bool)> {
    let mut routes = BTreeMap::new();
    for function in template().unwrap().functions().unwrap() {
        if let Some(Event::Http { method, path, authorized }) = function.events.first().cloned() {
            routes.insert(format!("{method} {path}"), (function, authorized));
        }
    }
    routes
}

/// `list-items` as `listItems`.
fn operation_id(binary: &str) -> String {
    let mut words = binary.split('-');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| format!("{name}{}{}", word[..1].to_uppercase(), &word[1..]))
}

#[test]
fn the_description_has_the_templates_routes_and_no_others() {
    let described: BTreeMap<_, _> = endpoints()
        .into_iter()
        .map(|endpoint| {
            let id = endpoint.operation["operationId"].as_str().unwrap().to_owned();
            let needs_token = !endpoint.needs_no_token();
            (endpoint.route, (id, needs_token))
        })
        .collect();
    let in_template: BTreeMap<_, _> = routes()
        .into_iter()
        .map(|(route, (function, authorized))| (route, (operation_id(&function.binary), authorized)))
        .collect();
    assert_eq!(described, in_template, "openapi.json and template.yaml");
}

/// A function's code without its tests, its description and its blanks.
fn code(binary: &str) -> String {
    let files = files(&root().join("functions").join(binary).join("src"), ".rs").unwrap();
    let is_code = |path: &std::path::PathBuf| {
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        !is_test && !path.ends_with("api.rs") && !path.ends_with("tests.rs")
    };
    let texts = files.iter().filter(|path| is_code(path)).map(|path| std::fs::read_to_string(path).unwrap());
    texts.collect::<String>().chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// The names that a function's code asks its query for.
fn asked_of_query(binary: &str) -> BTreeSet<String> {
    let code = code(binary);
    let mut names = asked_in(binary, &code);
    // What all searches ask for stands in one place.
    if code.contains("Asked::read(") {
        let search = std::fs::read_to_string(root().join("shared/edge/src/search/mod.rs")).unwrap();
        let search: String = search.chars().filter(|letter| !letter.is_whitespace()).collect();
        names.extend(asked_in(binary, &search));
    }
    names
}

fn asked_in(binary: &str, code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split("query.").skip(1) {
        let (method, arguments) = rest.split_once('(').unwrap_or_default();
        if ["value", "text", "read"].contains(&method.split("::").next().unwrap()) {
            let name = arguments.strip_prefix('"').and_then(|rest| rest.split('"').next());
            let name = name.unwrap_or_else(|| panic!("{binary}: a parameter whose name is no literal"));
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn the_parameters_that_are_described_are_those_that_the_code_asks_for() {
    let routes = routes();
    let mut count = 0;
    for endpoint in endpoints() {
        let (function, _) = &routes[&endpoint.route];
        let described = endpoint.parameters("query");
        count += described.len();
        assert_eq!(described, asked_of_query(&function.binary), "{}", function.binary);
    }
    assert!(count > 5, "only {count} parameters were compared");
}

/// A header that the code reads and that nobody is told of, or the other way about.
#[test]
fn headers_are_described_where_they_are_read() {
    let routes = routes();
    for endpoint in endpoints() {
        let (function, _) = &routes[&endpoint.route];
        let code = code(&function.binary);
        let headers = endpoint.parameters("header");
        let name = &function.binary;
        assert_eq!(headers.contains("If-Match"), code.contains(".if_match()"), "{name}: If-Match");
        let is_once =
            ["once(&deps.once", "once_with_a_secret(&deps.once"].iter().any(|call| code.contains(call));
        assert_eq!(headers.contains("Idempotency-Key"), is_once, "{name}: Idempotency-Key");
        let is_post = endpoint.route.starts_with("POST ");
        assert_eq!(is_post, is_once, "{name}: every POST takes an Idempotency-Key, and nothing else does");
    }
}

/// What writes or asks Plaid, what may read a whole history, and what anybody may call, has a limit of its own.
#[test]
fn what_writes_or_reads_much_and_every_open_route_is_throttled_by_itself() {
    let api = template().unwrap().api().unwrap();
    let endpoints = endpoints();
    for endpoint in &endpoints {
        let reads_much = endpoint.operation.to_string().contains("range_too_large");
        if !endpoint.route.starts_with("GET ") || reads_much || endpoint.needs_no_token() {
            let own = api.routes.get(&endpoint.route);
            let own = own.unwrap_or_else(|| panic!("{} has no throttling of its own", endpoint.route));
            assert!(own.rate < api.usual.rate && own.burst < api.usual.burst, "{}", endpoint.route);
        }
    }
    // A deployment fails at settings of a route that is not there.
    for route in api.routes.keys() {
        assert!(endpoints.iter().any(|endpoint| endpoint.route == *route), "{route} is no route");
    }
}

/// What a page may send and read is what endpoints take and answer with.
#[test]
fn pages_may_use_the_whole_api() {
    let cors = template().unwrap().api().unwrap().cors;
    let set = |list: &[String]| list.iter().map(|text| text.to_lowercase()).collect::<BTreeSet<_>>();
    let (mut methods, mut sent, mut read) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    sent.extend(["authorization".to_owned(), "content-type".to_owned()]);
    for endpoint in endpoints() {
        methods.insert(endpoint.route.split(' ').next().unwrap().to_lowercase());
        sent.extend(endpoint.parameters("header").iter().map(|name| name.to_lowercase()));
        for answer in endpoint.operation["responses"].as_object().unwrap().values() {
            let headers = answer["headers"].as_object();
            read.extend(headers.into_iter().flatten().map(|(name, _)| name.to_lowercase()));
        }
    }
    // Every page may read these.
    read.remove("cache-control");
    assert_eq!(methods, set(&cors.allow_methods));
    assert_eq!(sent, set(&cors.allow_headers));
    assert!(read.is_subset(&set(&cors.expose_headers)), "{read:?}");
}

/// Every code that a problem is made with, wherever the code base makes one, stands in the table, with its status.
#[test]
fn every_code_of_a_problem_is_in_the_table() {
    let text = std::fs::read_to_string(root().join("openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let table: BTreeMap<String, u64> = document["x-problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["code"].as_str().unwrap().to_owned(), row["status"].as_u64().unwrap()))
        .collect();
    let mut used = BTreeSet::new();
    for (place, code, status) in made_with() {
        used.insert(code.clone());
        // What Plaid is told at the function URL is nobody's API.
        if OF_WEBHOOKS.contains(&code.as_str()) {
            continue;
        }
        let known = table.get(&code);
        let known = known.unwrap_or_else(|| panic!("{place}: {code} stands in no table (edge::codes)"));
        assert!(status.is_none_or(|status| status == *known), "{place}: {code} with {status:?}, not {known}");
    }
    let table: BTreeSet<_> = table.into_keys().collect();
    let unused: Vec<_> = table.difference(&used).collect();
    assert!(unused.is_empty(), "codes that nothing makes: {unused:?}");
}

/// Codes of the function URL for webhooks alone.
const OF_WEBHOOKS: [&str; 2] = ["method_not_allowed", "not_found"];

/// Where problems are made: the place, the code, and the status where it stands beside the code.
fn made_with() -> Vec<(String, String, Option<u64>)> {
    let mut made = Vec::new();
    let all = [
        files(&root().join("functions"), ".rs").unwrap(),
        files(&root().join("shared/edge"), ".rs").unwrap(),
    ];
    for path in all.into_iter().flatten() {
        if path.ends_with("tests.rs") || path.ends_with("codes.rs") || path.ends_with("api.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text: String = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect();
        let place = path.display().to_string();
        for call in ["Problem::new(", "Self::new("] {
            for rest in text.split(call).skip(1) {
                let Some((status, rest)) = rest.split_once(',') else { continue };
                if let (Ok(status), Some(code)) = (status.parse(), literal(rest)) {
                    made.push((place.clone(), code, Some(status)));
                }
            }
        }
        for call in ["Problem::later(", "Self::later("] {
            let codes = text.split(call).skip(1).filter_map(literal);
            made.extend(codes.map(|code| (place.clone(), code, Some(503))));
        }
        for call in ["Problem::not_found(", "Self::not_found(", "Problem::no_access(error,"] {
            let codes = text.split(call).skip(1).filter_map(literal);
            made.extend(codes.map(|code| (place.clone(), code, Some(404))));
        }
        for call in ["Problem::fields(", "Self::fields("] {
            let codes = text.split(call).skip(1).filter_map(literal);
            made.extend(codes.map(|code| (place.clone(), code, Some(400))));
        }
        // Where a code is chosen before the problem is made.
        let chosen = text
            .split("(\"unknown_field\",")
            .skip(1)
            .map(|_| (place.clone(), "unknown_field".to_owned(), None));
        made.extend(chosen);
    }
    assert!(made.len() > 30, "only {} problems were found", made.len());
    made
}

/// The text that this begins with, if it begins with one.
fn literal(rest: &str) -> Option<String> {
    rest.strip_prefix('"')?.split('"').next().map(str::to_owned)
}

/// What schemathesis does not look at has a reason, and does not become more.
#[test]
fn exceptions_of_schemathesis_have_a_reason_and_only_become_fewer() {
    const MOST: usize = 4;
    let text = std::fs::read_to_string(root().join(".ci/schemathesis.toml")).unwrap();
    let mut count = 0;
    for block in text.split("\n\n") {
        let is_exception =
            |line: &&str| line.contains("expected-statuses") || line.contains("enabled = false");
        let exceptions = block.lines().filter(is_exception).count();
        count += exceptions;
        assert!(exceptions == 0 || block.trim_start().starts_with("# "), "without a reason: {block}");
    }
    assert!(!text.contains("5xx\""), "a failure of ours is never accepted");
    assert_eq!(count, MOST, "if there are fewer, say so here; there are not to be more");
}
