//! What only a network shows, and the control door.

use domain::time::{Clock, until};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::caller::{Caller, ids};

/// Everything that came until the connection ended: the head, and what there was of a body.
struct Arrived {
    head: String,
    body: String,
}

impl Arrived {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    fn promised(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Server(std::net::SocketAddr);

impl Server {
    /// Serves until the test's runtime ends.
    async fn start(caller: &Caller) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = caller.sandbox.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self(address)
    }

    async fn call(&self, method: &str, path: &str, request: &Value) -> Arrived {
        let body = request.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nplaid-client-id: id\r\n\
             plaid-secret: secret\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A reset is one of the ends that are asked for here.
        drop(stream.read_to_end(&mut bytes).await);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Arrived { head: head.to_owned(), body: body.to_owned() }
    }

    async fn post(&self, path: &str, request: Value) -> Arrived {
        self.call("POST", path, &request).await
    }
}

#[tokio::test]
async fn a_reset_breaks_the_body_off_and_a_truncated_one_is_half_of_it() {
    let caller = Caller::new(20);
    let server = Server::start(&caller).await;
    let request = json!({"access_token": caller.token});
    let whole = server.post("/transactions/sync", request.clone()).await;
    assert_eq!((whole.status(), whole.promised()), ("200", whole.body.len()));
    caller.fault(json!({"path": "*", "times": 1, "mangle": "reset"}));
    let reset = server.post("/transactions/sync", request.clone()).await;
    assert_eq!((reset.status(), reset.promised()), ("200", whole.body.len()), "all of it is promised");
    assert_eq!(reset.body.len(), whole.body.len() / 2);
    caller.fault(json!({"path": "*", "times": 1, "mangle": "truncated"}));
    let truncated = server.post("/transactions/sync", request).await;
    assert_eq!((truncated.promised(), truncated.body.len()), (whole.body.len() / 2, whole.body.len() / 2));
    assert!(serde_json::from_str::<Value>(&truncated.body).is_err());
}

#[tokio::test]
async fn faults_come_through_the_door_and_headers_and_waits_through_the_network() {
    let caller = Caller::new(1);
    let server = Server::start(&caller).await;
    let fault = json!({
        "path": "/transactions/sync", "times": 1, "error_code": "RATE_LIMIT", "retry_after_s": 9, "delay_ms": 60_000,
    });
    assert_eq!(server.post("/control/faults", fault).await.status(), "204");
    let before = caller.clock.now();
    let limited = server.post("/transactions/sync", json!({"access_token": caller.token})).await;
    assert_eq!((limited.status(), limited.header("retry-after")), ("429", Some("9")));
    let waited = until(before, caller.clock.now());
    assert_eq!(waited.as_secs(), 60, "on the sandbox's own clock");
    let unknown =
        server.post("/control/faults", json!({"path": "*", "times": 1, "mangle": "upside_down"})).await;
    assert_eq!(unknown.status(), "422");
    assert!(unknown.body.contains("expected one of `html`"), "{}", unknown.body);
}

#[tokio::test]
async fn changes_come_through_the_door_and_are_announced() {
    let caller = Caller::new(3);
    let server = Server::start(&caller).await;
    let webhook = json!({"access_token": caller.token, "webhook": "http://127.0.0.1/hook"});
    server.post("/item/webhook/update", webhook).await;
    let path = format!("/control/items/{}/changes", caller.item);
    let changed = server.post(&path, json!({"change": "amend"})).await;
    assert_eq!(changed.status(), "200");
    assert!(changed.json()["id"].is_string());
    server.post(&path, json!({"change": "login_loss"})).await;
    server.post(&path, json!({"change": "repair"})).await;
    assert_eq!(server.post(&path, json!({"change": "settle"})).await.status(), "409");
    assert_eq!(server.post(&path, json!({"change": "explode"})).await.status(), "422");
    let nobodys = server.post("/control/items/nobody/changes", json!({"change": "add"})).await;
    assert_eq!(nobodys.status(), "404");
    let written = server.call("GET", "/control/webhooks", &Value::Null).await.json();
    let codes: Vec<_> =
        written["webhooks"].as_array().unwrap().iter().map(|w| &w["body"]["webhook_code"]).collect();
    assert_eq!(codes, ["WEBHOOK_UPDATE_ACKNOWLEDGED", "SYNC_UPDATES_AVAILABLE", "ERROR", "LOGIN_REPAIRED"]);
}

#[tokio::test]
async fn pages_are_as_small_as_the_door_says() {
    let caller = Caller::new(5);
    let server = Server::start(&caller).await;
    assert_eq!(server.post("/control/page-size", json!({"size": 2})).await.status(), "204");
    assert_eq!(ids(&caller.page(""), "added").len(), 2);
    server.post("/control/page-size", json!({"size": null})).await;
    assert_eq!(ids(&caller.page(""), "added").len(), 5);
}

#[tokio::test]
async fn a_path_that_plaid_does_not_have_is_its_404() {
    let caller = Caller::new(0);
    let server = Server::start(&caller).await;
    let answer = server.post("/transactions/enrich", json!({})).await;
    assert_eq!((answer.status(), &answer.json()["error_code"]), ("404", &json!("NOT_FOUND")));
    assert_eq!(server.call("GET", "/transactions/sync", &json!({})).await.status(), "405");
}
