//! The repository's rules.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use aws_lambda_events::{apigw::ApiGatewayV2httpRequest, sqs::SqsEvent};
use template::{Event, Function};
use xtask::{files, root, template};

fn functions() -> Vec<Function> {
    template().unwrap().functions().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn folders(path: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(path)).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// What calls a function, in the words of its docs and of the README.
fn trigger(event: &Event) -> String {
    match event {
        Event::Http { method, path, .. } => format!("{method} {path}"),
        Event::Queue { .. } => "SQS".to_owned(),
        Event::Schedule { .. } => "Scheduler".to_owned(),
        Event::Url => "function URL".to_owned(),
    }
}

fn has_url(function: &Function) -> bool {
    function.events.iter().any(|event| matches!(event, Event::Url))
}

/// The docs' tables of limits are the code's.
#[test]
fn every_limit_stands_in_the_docs() {
    use domain::{category, edit, household, limit};
    let docs = read("docs/limits.md");
    let rows: Vec<_> = docs.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let expected = limit::ALL.map(|limit| {
        let limit::Limit { name, what, by, max, seconds } = limit;
        format!("| `{name}` | {what} | {by} | {max} | {seconds} s |")
    });
    assert_eq!(rows, expected);
    for (max, of) in [
        (household::MOST_HOUSEHOLDS, "households of a person"),
        (household::MOST_MEMBERS, "members of a household"),
        (household::MAX_OPEN_INVITATIONS, "open invitations of a household"),
        (limit::MAX_ITEMS, "connections of a household"),
        (limit::MAX_MANUAL_ACCOUNTS, "manual accounts of a household"),
        (category::MOST_OWN, "categories of a household's own"),
        (edit::MOST_TAGS, "tags of a transaction"),
        (edit::MOST_FIELDS, "fields of the household's own on a transaction"),
        (edit::MOST_PARTS, "parts of a transaction"),
    ] {
        assert!(docs.contains(&format!("| {max} | {of} |")), "{max} {of}");
    }
}

#[test]
fn every_function_has_a_folder_an_entry_events_and_a_line_in_the_readme() {
    let entries: BTreeSet<_> = functions().into_iter().map(|function| function.binary).collect();
    assert_eq!(folders("functions"), entries, "folders and template");
    assert_eq!(folders("events"), entries, "events and template");
    let readme = read("README.md");
    for function in functions() {
        let cases = std::fs::read_dir(root().join("events").join(&function.binary)).unwrap().count();
        assert!(cases > 0, "{} has no event", function.binary);
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{}`", function.binary)));
        let row = row.unwrap_or_else(|| panic!("the README has no row for {}", function.binary));
        for event in &function.events {
            let trigger = trigger(event);
            assert!(
                row.contains(&trigger),
                "the README's row for {} does not say {trigger}",
                function.binary
            );
        }
    }
}

#[test]
fn a_functions_docs_begin_with_its_trigger() {
    for function in functions() {
        let text = read(format!("functions/{}/src/lib.rs", function.binary));
        let first = text.lines().next().unwrap().to_owned();
        for event in &function.events {
            let trigger = trigger(event);
            assert!(first.contains(&trigger), "{}: {first}", function.binary);
        }
        let description = read(format!("functions/{}/Cargo.toml", function.binary));
        assert!(description.contains(&format!("name = \"{}\"", function.binary)));
    }
}

/// Whoever reads a function knows how it is called.
#[test]
fn a_function_is_called_in_one_way() {
    for function in functions() {
        assert!(function.events.len() <= 1, "{} is called in several ways", function.binary);
    }
}

/// What Scheduler could not hand over, and what Lambda could not run, is kept, and the function may put it there.
#[test]
fn every_schedule_has_dead_letters() {
    for function in functions() {
        for event in &function.events {
            let Event::Schedule { dead_letters, input, .. } = event else { continue };
            assert!(dead_letters.is_some(), "{}: what Scheduler cannot hand over is lost", function.binary);
            assert_eq!(*dead_letters, function.on_failure, "{}", function.binary);
            let may_put = function.statements.iter().any(|statement| {
                statement.actions.iter().any(|action| action == "sqs:SendMessage")
                    && statement
                        .resources
                        .iter()
                        .any(|resource| Some(resource) == function.on_failure.as_ref())
            });
            assert!(may_put, "{} may not put there what failed", function.binary);
            let input: serde_json::Value = serde_json::from_str(input).unwrap();
            assert!(input.is_object(), "{}: {input}", function.binary);
        }
    }
}

#[test]
fn settings_are_those_that_the_code_reads() {
    for function in functions() {
        let path = format!("functions/{}/src/config.rs", function.binary);
        if function.environment.is_empty() {
            assert!(!root().join(&path).exists(), "{} has settings that nobody gives", function.binary);
            continue;
        }
        let config = read(path);
        let calls = ["required(\"", "optional(\"", "words(\"", "number(\"", "choice(\""];
        let read: BTreeSet<&str> = calls
            .iter()
            .flat_map(|call| config.split(call).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let given: BTreeSet<&str> = function.environment.keys().map(String::as_str).collect();
        assert_eq!(read, given, "{}", function.binary);
    }
}

/// The manifest is the capability list.
#[test]
fn policies_and_manifests_agree() {
    for function in functions() {
        let manifest = read(format!("functions/{}/Cargo.toml", function.binary));
        let depends =
            |package: &str| manifest.lines().any(|line| line.starts_with(&format!("{package}.workspace")));
        let actions: Vec<_> = function.statements.iter().flat_map(|s| s.actions.clone()).collect();
        let may = |service: &str| actions.iter().any(|action| action.starts_with(service));
        let name = &function.binary;
        assert_eq!(depends("store"), may("dynamodb:"), "{name}: store and DynamoDB");
        assert_eq!(depends("queue"), may("sqs:SendMessage"), "{name}: queue and SQS");
        assert_eq!(depends("bus"), may("events:"), "{name}: bus and EventBridge");
        assert_eq!(depends("vault"), may("kms:") || may("secretsmanager:"), "{name}: vault, KMS and Secrets");
        assert_eq!(depends("plaid"), may("secretsmanager:"), "{name}: Plaid and its keys");
        assert!(!(may("kms:Encrypt") && may("kms:Decrypt")), "{name} seals and opens");
    }
}

#[test]
fn no_policy_has_a_star_and_key_use_requires_its_purpose() {
    for function in functions() {
        let has_none = function.statements.is_empty();
        assert_eq!(has_none, function.binary == OPEN_TO_ALL, "{} has no policy", function.binary);
        for statement in &function.statements {
            assert!(statement.actions.iter().all(|action| !action.contains('*')), "{}", function.binary);
            for resource in &statement.resources {
                assert!(!resource.to_string().contains('*'), "{}: {resource}", function.binary);
            }
            if statement.actions.iter().any(|action| action.starts_with("kms:")) {
                let purpose = &statement.condition["StringEquals"]["kms:EncryptionContext:purpose"];
                assert_eq!(purpose, "plaid-access-token", "{}", function.binary);
            }
        }
    }
}

/// The API's own description, which holds nobody's data. It may touch nothing and is told nothing, so that nothing of
/// anybody's can come out of it.
const OPEN_TO_ALL: &str = "describe-api";

#[test]
fn every_route_has_an_authorizer_but_for_the_apis_description_which_touches_nothing() {
    let mut open = Vec::new();
    for function in functions() {
        for event in &function.events {
            if matches!(event, Event::Http { authorized: false, .. }) {
                open.push(function.clone());
            }
        }
    }
    let [open] = open.as_slice() else { panic!("{} routes let everybody in", open.len()) };
    assert_eq!(open.binary, OPEN_TO_ALL);
    assert!(open.statements.is_empty() && open.environment.is_empty());
    let manifest = read(format!("functions/{OPEN_TO_ALL}/Cargo.toml"));
    let normal = manifest.split("[dev-dependencies]").next().unwrap();
    for ours in ["aws", "domain", "store"] {
        assert!(!normal.contains(&format!("{ours}.workspace")), "{OPEN_TO_ALL} knows {ours}");
    }
}

/// The other exception from the rule above. What anybody can call may fill a queue and read two secrets, and nothing else: neither
/// a table nor a key. It is bounded, so that a flood of it leaves the others room.
#[test]
fn the_door_for_webhooks_is_the_only_function_url_and_has_the_smallest_role() {
    let with_url: Vec<_> = functions().into_iter().filter(has_url).collect();
    let [door] = with_url.as_slice() else { panic!("{} functions have a URL", with_url.len()) };
    assert_eq!(door.binary, "receive-plaid-webhook");
    assert_eq!(door.events.len(), 1);
    assert!(door.reserved_concurrency.is_some());
    let mut actions: Vec<_> = door.statements.iter().flat_map(|s| s.actions.clone()).collect();
    actions.sort();
    assert_eq!(actions, ["secretsmanager:GetSecretValue", "sqs:SendMessage"]);
    let mut resources: Vec<_> =
        door.statements.iter().flat_map(|s| &s.resources).map(ToString::to_string).collect();
    resources.sort();
    let expected =
        [r#"{"Fn::GetAtt":["WebhookQueue","Arn"]}"#, r#"{"Ref":"PlaidSecret"}"#, r#"{"Ref":"WebhookKeys"}"#];
    assert_eq!(resources, expected);
}

#[test]
fn every_queue_has_dead_letters_and_six_times_the_workers_timeout() {
    let template = template().unwrap();
    let queues = template.queues();
    let of_queues = queues.iter().filter_map(|queue| queue.dead_letters.clone().map(|(arn, _)| arn));
    let of_schedules = functions().into_iter().filter_map(|function| function.on_failure);
    let targets: Vec<_> = of_queues.chain(of_schedules).collect();
    for queue in &queues {
        let is_target = targets.iter().any(|arn| arn["Fn::GetAtt"][0] == queue.id.clone());
        assert!(queue.dead_letters.is_some() || is_target, "{} has no dead letters", queue.id);
    }
    for function in functions() {
        for event in &function.events {
            let Event::Queue { queue, partial_failures, .. } = event else { continue };
            assert!(*partial_failures, "{} repeats whole batches", function.binary);
            let source = queues.iter().find(|q| queue["Fn::GetAtt"][0] == q.id.clone()).unwrap();
            assert_eq!(source.visibility_s, 6 * function.timeout_s, "{}", function.binary);
        }
    }
}

#[test]
fn every_function_has_a_log_group_with_retention() {
    let groups = template().unwrap().of_type("AWS::Logs::LogGroup");
    let all = template().unwrap().of_type("AWS::Serverless::Function");
    for (id, function) in all {
        let group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap_or_default();
        assert!(groups[group]["Properties"]["RetentionInDays"].is_object(), "{id}");
    }
}

/// An API function answers before the gateway gives up (30 s), the door for webhooks before Plaid does (10 s).
#[test]
fn timeouts_fit_their_callers() {
    for function in functions() {
        let is_http = function.events.iter().any(|event| matches!(event, Event::Http { .. }));
        assert!(!is_http || function.timeout_s < 30, "{}", function.binary);
        assert!(!has_url(&function) || function.timeout_s < 10, "{}", function.binary);
    }
}

#[test]
fn references_lead_somewhere_and_the_stack_has_room() {
    let template = template().unwrap();
    assert_eq!(template.dangling(), Vec::<String>::new());
    // SAM makes a role, and for each event a permission or a mapping, and a stage, of what stands here; of a URL it makes
    // the URL itself and two permissions.
    let made = |event: Event| if matches!(event, Event::Url) { 3 } else { 1 };
    let events: usize = functions().into_iter().flat_map(|function| function.events).map(made).sum();
    let resources = template.section("Resources").len() + functions().len() + events + 2;
    assert!(resources < 450, "{resources} resources");
}

#[test]
fn events_have_the_shapes_that_lambda_sends() {
    for function in functions() {
        let is_http = function.events.iter().any(|event| matches!(event, Event::Http { .. }));
        for path in files(&root().join("events").join(&function.binary), ".json").unwrap() {
            let text = std::fs::read_to_string(&path).unwrap();
            if has_url(&function) {
                let event: ApiGatewayV2httpRequest = serde_json::from_str(&text).unwrap();
                assert_eq!(event.route_key.as_deref(), Some("$default"), "{}", path.display());
                assert!(event.raw_path.is_some(), "{}", path.display());
            } else if is_http {
                let event: ApiGatewayV2httpRequest = serde_json::from_str(&text).unwrap();
                let route = event.route_key.unwrap();
                let is_route = function.events.iter().any(
                    |event| matches!(event, Event::Http { method, path, .. } if route == format!("{method} {path}")),
                );
                assert!(is_route, "{}: {route}", path.display());
            } else if let Some(Event::Schedule { input, .. }) = function.events.first() {
                // What Scheduler sends, or what an operator does: one field of it or another.
                let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
                let input: serde_json::Map<String, serde_json::Value> = serde_json::from_str(input).unwrap();
                let is_schedules = event.keys().eq(input.keys());
                let is_named = path.file_stem().is_some_and(|name| name == "scheduled");
                assert_eq!(is_schedules, is_named, "{}", path.display());
            } else {
                let event: SqsEvent = serde_json::from_str(&text).unwrap();
                assert!(!event.records.is_empty(), "{}", path.display());
            }
        }
    }
}

#[test]
fn versions_and_features_stand_in_the_workspace_alone() {
    for manifest in files(&root(), "Cargo.toml").unwrap() {
        if manifest == root().join("Cargo.toml") {
            continue;
        }
        let text = std::fs::read_to_string(&manifest).unwrap();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]");
            } else if inside && !line.trim().is_empty() {
                assert!(line.ends_with(".workspace = true"), "{}: {line}", manifest.display());
            }
        }
    }
}

/// What each package below `shared/` may know of ours.
#[test]
fn arrows_point_to_domain() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("domain", &[][..]),
        ("aws", &[]),
        ("plaid", &["domain"]),
        ("store", &["domain"]),
        ("vault", &["domain"]),
        ("queue", &["domain"]),
        ("bus", &["domain"]),
        ("edge", &["domain"]),
    ]);
    let ours =
        ["aws", "bus", "domain", "edge", "plaid", "queue", "store", "vault", "testkit", "emulators", "stack"];
    for (package, known) in allowed {
        let manifest = read(format!("shared/{package}/Cargo.toml"));
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for other in ours.iter().filter(|other| **other != package) {
            let depends = normal.lines().any(|line| line.starts_with(&format!("{other}.workspace")));
            assert!(!depends || known.contains(other), "{package} knows {other}");
        }
        if package == "domain" {
            for outside in ["tokio", "reqwest", "lambda_runtime", "aws-"] {
                assert!(!normal.contains(&format!("\n{outside}")), "domain knows {outside}");
            }
        }
    }
}

/// Only `main.rs` wires adapters; everything else of a function sees `domain` and `edge`.
#[test]
fn a_functions_lib_sees_no_adapter() {
    for path in files(&root().join("functions"), ".rs").unwrap() {
        if path.ends_with("main.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for adapter in ["aws", "bus", "plaid", "queue", "store", "vault"] {
            let uses = format!("use {adapter}::");
            assert!(!text.lines().any(|line| line.starts_with(&uses)), "{} sees {adapter}", path.display());
        }
    }
}

/// A handler that its tests run with every right would fail only where it is deployed.
#[test]
fn a_functions_tests_run_its_handler_with_its_rights() {
    let reads = |function: &Function| {
        let mut actions = function.statements.iter().flat_map(|statement| &statement.actions);
        actions.any(|action| action.starts_with("dynamodb:"))
    };
    for function in functions().into_iter().filter(reads) {
        let tests = files(&root().join("functions").join(&function.binary).join("src"), ".rs").unwrap();
        let tests = tests.iter().filter(|path| path.to_string_lossy().contains("tests"));
        let text: String = tests.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("acting!( ", "acting!(");
        assert!(line.contains("acting!(handle("), "{} runs no handler", function.binary);
        let rest = line.replace("acting!(handle(", "");
        let as_owner = ["(handle(", " handle("].iter().any(|run| rest.contains(run));
        assert!(!as_owner, "{}: a handler runs as the account's owner", function.binary);
    }
}

#[test]
fn exceptions_from_lints_give_a_reason() {
    for path in files(&root(), ".rs").unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        let allow = ["#[", "allow("].concat();
        let inner = ["#![", "allow("].concat();
        assert!(!text.contains(&allow) && !text.contains(&inner), "{}", path.display());
        for expect in text.split(&["[", "expect("].concat()).skip(1) {
            let until = expect.split(")]").next().unwrap_or_default();
            assert!(until.contains("reason"), "{}: {until}", path.display());
        }
    }
}

/// One TLS stack in what is deployed: rustls once, with aws-lc-rs, and no other library for it.
#[test]
fn a_function_has_one_tls_stack() {
    for function in functions() {
        let output = Command::new(env!("CARGO"))
            .current_dir(root())
            .args([
                "tree",
                "--offline",
                "--locked",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--package",
                &function.binary,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let versions = |name: &str| {
            let lines = text.lines().filter(|line| line.split(' ').next() == Some(name));
            lines.filter_map(|line| line.split(' ').nth(1)).collect::<BTreeSet<_>>()
        };
        let name = &function.binary;
        // What touches nothing needs no TLS.
        let calls_out = usize::from(!function.statements.is_empty());
        assert_eq!(versions("rustls").len(), calls_out, "{name}: {:?}", versions("rustls"));
        assert_eq!(versions("hyper").len(), 1, "{name}: {:?}", versions("hyper"));
        assert_eq!(versions("aws-lc-rs").len(), calls_out, "{name}");
        for other in ["ring", "openssl", "openssl-sys", "native-tls", "hyper-tls", "aws-config"] {
            assert!(versions(other).is_empty(), "{name} carries {other}");
        }
    }
}
