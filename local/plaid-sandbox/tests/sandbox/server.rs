//! The sandbox behind a port.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::caller::Caller;

/// Everything that came until the connection ended: the head, and what there was of a body.
pub(crate) struct Arrived {
    head: String,
    pub(crate) body: String,
}

impl Arrived {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    pub(crate) fn promised(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) struct Server(std::net::SocketAddr);

impl Server {
    /// Serves until the test's runtime ends.
    pub(crate) async fn start(caller: &Caller) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = caller.sandbox.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self(address)
    }

    pub(crate) async fn call(&self, method: &str, path: &str, request: &Value) -> Arrived {
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

    pub(crate) async fn post(&self, path: &str, request: Value) -> Arrived {
        self.call("POST", path, &request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).await.json()
    }

    /// Every webhook there is, oldest first.
    pub(crate) async fn webhooks(&self) -> Vec<Value> {
        self.get("/control/webhooks").await["webhooks"].as_array().unwrap().clone()
    }

    /// Waits until all webhooks are as they are wanted.
    pub(crate) async fn wait_for_all(&self, is_so: impl Fn(&Value) -> bool) -> Vec<Value> {
        loop {
            let webhooks = self.webhooks().await;
            if webhooks.iter().all(&is_so) {
                return webhooks;
            }
            tokio::task::yield_now().await;
        }
    }
}
