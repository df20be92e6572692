//! The whole system, as an app sees it: link, sync, list; what is on disk; what is left when a process is killed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stack::{Client, Options, Plaid, Ready, Stack};

fn api(ready: &Ready, user: &str) -> Client {
    Client::new(&ready.api_url).unwrap().with_token(&ready.tokens[user])
}

fn plaid(ready: &Ready) -> Client {
    let client = Client::new(&ready.plaid_url).unwrap();
    client.with_header("plaid-client-id", "local-client-id").with_header("plaid-secret", "local-secret")
}

async fn public_token(ready: &Ready, username: &str, password: &str) -> String {
    let request = json!({
        "institution_id": "ins_109508", "initial_products": ["transactions"],
        "options": {
            "override_username": username, "override_password": password, "transactions": {"days_requested": 730},
        },
    });
    let (status, answer) = plaid(ready).post("/sandbox/public_token/create", &request).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer["public_token"].as_str().unwrap().to_owned()
}

async fn link(ready: &Ready, username: &str, password: &str) -> Value {
    let body = json!({
        "public_token": public_token(ready, username, password).await, "household_id": ready.households["alice"],
    });
    let (status, answer) = api(ready, "alice").post("/api/v1/plaid/link/exchange", &body).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    answer
}

/// Asks for a sync until history is complete.
async fn synced(ready: &Ready, linked: &Value) -> Value {
    let path = format!("/api/v1/plaid/accounts/{}/sync", linked["accounts"][0]["id"].as_str().unwrap());
    let began = Instant::now();
    loop {
        let (status, answer) = api(ready, "alice").post(&path, &json!({})).await.unwrap();
        if status == 200 {
            return answer;
        }
        assert_eq!(status, 202, "{answer}");
        assert!(began.elapsed() < Duration::from_mins(2), "history did not arrive");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn listed(ready: &Ready) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/transactions?limit=500{cursor}");
        let (status, page) = api(ready, "alice").get(&path).await.unwrap();
        assert_eq!(status, 200, "{page}");
        all.extend(page["transactions"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Every file below a folder that contains one of the words.
fn files_with(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for word in words {
            if bytes.windows(word.len()).any(|part| part == word.as_bytes()) {
                found.push(format!("{} in {}", word, path.display()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn history_arrives_complete_survives_a_restart_and_no_token_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), time_scale: 20, ..Options::default() };
    let stack = Stack::start(options()).await.unwrap();
    let linked = link(&stack.ready, "user_many", "5000").await;
    synced(&stack.ready, &linked).await;
    let mine = listed(&stack.ready).await;
    let by_id: BTreeMap<String, String> = mine
        .iter()
        .map(|t| (t["id"].as_str().unwrap().to_owned(), t["amount"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!((mine.len(), by_id.len()), (5000, 5000), "each once");
    let item = stack.sandbox().unwrap().world().item_ids().pop().unwrap();
    let ledger: BTreeMap<String, String> = stack
        .sandbox()
        .unwrap()
        .world()
        .ledger(&item)
        .into_iter()
        .map(|t| (t.id, domain::money::amount_text(t.amount, Some("USD"))))
        .collect();
    assert_eq!(by_id, ledger, "equal to the last digit");
    stack.stop().await.unwrap();

    let secrets = ["access-sandbox-", "local-secret", "\"eyJ0eXAi"];
    assert_eq!(files_with(folder.path(), &secrets), Vec::<String>::new());

    // The same folder again: the token opens, the cursor goes on.
    let stack = Stack::start(options()).await.unwrap();
    let answer = synced(&stack.ready, &linked).await;
    assert_eq!(answer["transactions_added"], 0);
    assert_eq!(listed(&stack.ready).await.len(), 5000);
    stack.stop().await.unwrap();
}

/// Workers are killed in the middle of a history until five have died; nobody asks for a sync meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn five_workers_that_are_killed_in_the_middle_lose_and_double_nothing() {
    let stack = Stack::start(Options { time_scale: 60, ..Options::default() }).await.unwrap();
    link(&stack.ready, "user_many", "3000").await;
    let mut killed = BTreeSet::new();
    while killed.len() < 5 {
        for pid in stack.pids("sync-item").difference(&killed.clone()) {
            kill(*pid).await;
            killed.insert(*pid);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    while listed(&stack.ready).await.len() < 3000 {
        assert!(began.elapsed() < Duration::from_mins(2), "history did not arrive");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut ids: Vec<_> = listed(&stack.ready).await.iter().map(|t| t["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3000);
    stack.stop().await.unwrap();
}

async fn kill(pid: u32) {
    // It may have ended by itself meanwhile: how this ends says nothing.
    tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).status().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_lets_in_only_whom_it_knows() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let nobody = Client::new(&stack.ready.api_url).unwrap();
    let forged = {
        let token = &stack.ready.tokens["alice"];
        let mut parts: Vec<_> = token.split('.').collect();
        let bobs: Vec<_> = stack.ready.tokens["bob"].split('.').collect();
        parts[1] = bobs[1];
        parts.join(".")
    };
    let routes = [("GET", "/api/v1/plaid/accounts"), ("GET", "/api/v1/transactions")];
    for (_, path) in routes {
        assert_eq!(nobody.get(path).await.unwrap().0, 401);
        assert_eq!(nobody.clone().with_token("x").get(path).await.unwrap().0, 401);
        assert_eq!(nobody.clone().with_token(&forged).get(path).await.unwrap().0, 401);
        assert_eq!(api(&stack.ready, "alice").get(path).await.unwrap().0, 200);
    }
    for path in ["/api/v1/plaid/link/token", "/api/v1/plaid/link/exchange", "/api/v1/plaid/accounts/x/sync"] {
        assert_eq!(nobody.post(path, &json!({})).await.unwrap().0, 401);
    }
    assert_eq!(api(&stack.ready, "alice").get("/api/v1/nothing").await.unwrap().0, 404);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plaid_that_is_not_there_is_503() {
    // A port that was free a moment ago, and that nobody listens on.
    let unused = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let plaid = Plaid::At {
        url: format!("http://{unused}"),
        client_id: "id".to_owned(),
        secret: "secret".to_owned(),
    };
    let stack = Stack::start(Options { plaid, ..Options::default() }).await.unwrap();
    let alice = api(&stack.ready, "alice");
    let (status, answer) = alice.post("/api/v1/plaid/link/token", &json!({})).await.unwrap();
    assert_eq!((status, answer["code"].as_str()), (503, Some("plaid_unavailable")), "{answer}");
    let exchange = json!({"public_token": "x"});
    let (status, answer) = alice.post("/api/v1/plaid/link/exchange", &exchange).await.unwrap();
    assert_eq!(status, 503, "{answer}");
    assert_eq!(alice.get("/api/v1/plaid/accounts").await.unwrap().1, json!({"accounts": []}));
    stack.stop().await.unwrap();
}
