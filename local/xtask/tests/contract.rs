//! The API's description, the template and the code say the same. That `openapi.json` is what the code says is a test of
//! `local/contract`; here it is compared with the others.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

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

/// The names that a function's code asks its query for.
fn asked_of_query(binary: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&root().join("functions").join(binary).join("src"), ".rs").unwrap() {
        let is_other = ["api.rs", "tests.rs"].iter().any(|other| path.ends_with(other));
        if is_other || path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text: String = std::fs::read_to_string(&path)
            .unwrap()
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect();
        for rest in text.split("query.").skip(1) {
            let (method, arguments) = rest.split_once('(').unwrap_or_default();
            if !["value", "text", "read"].contains(&method.split("::").next().unwrap()) {
                continue;
            }
            let name = arguments.strip_prefix('"').and_then(|rest| rest.split('"').next());
            let name =
                name.unwrap_or_else(|| panic!("{}: a parameter whose name is no literal", path.display()));
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
        let read =
            std::fs::read_to_string(root().join("functions").join(&function.binary).join("src/lib.rs"))
                .unwrap();
        let headers = endpoint.parameters("header");
        let name = &function.binary;
        assert_eq!(headers.contains("If-Match"), read.contains(".if_match()"), "{name}: If-Match");
        let is_once =
            ["once(", "once_with_a_secret("].iter().any(|call| read.contains(&format!(" {call}&deps.once")));
        assert_eq!(headers.contains("Idempotency-Key"), is_once, "{name}: Idempotency-Key");
        let is_post = endpoint.route.starts_with("POST ");
        assert_eq!(is_post, is_once, "{name}: every POST takes an Idempotency-Key, and nothing else does");
    }
}

/// What writes or asks Plaid, and what anybody may call, has a limit of its own.
#[test]
fn every_post_and_every_open_route_is_throttled_by_itself() {
    let api = template().unwrap().api().unwrap();
    let endpoints = endpoints();
    for endpoint in &endpoints {
        if endpoint.route.starts_with("POST ") || endpoint.needs_no_token() {
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
