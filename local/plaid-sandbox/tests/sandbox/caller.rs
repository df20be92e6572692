//! Whoever calls the sandbox without a network, at a time of its own.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use domain::time::Clock;
use jiff::Timestamp;
use plaid_sandbox::{Change, Config, Fault, Keys, Reply, Sandbox};
use serde_json::{Value, json};

/// A clock that stands still until somebody sleeps on it.
pub(crate) struct Standing(Mutex<Timestamp>);

impl Standing {
    pub(crate) fn pass(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
    }
}

/// One item, and what its owner calls.
pub(crate) struct Caller {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<Standing>,
    pub(crate) token: String,
    pub(crate) item: String,
}

impl Caller {
    /// An item of so many transactions.
    pub(crate) fn new(transactions: u32) -> Self {
        Self::with_delays(transactions, Duration::ZERO, Duration::ZERO)
    }

    pub(crate) fn with_delays(
        transactions: u32,
        initial_after: Duration,
        historical_after: Duration,
    ) -> Self {
        let clock = Arc::new(Standing(Mutex::new("2026-11-20T12:00:00Z".parse().unwrap())));
        let config = Config {
            client_id: "id".to_owned(),
            secret: "secret".to_owned(),
            initial_after,
            historical_after,
            time_scale: 1,
            seed: 7,
            file: None,
            clock: clock.clone(),
        };
        let sandbox = Sandbox::open(config).unwrap();
        let connected = sandbox.world().connect("user_many", &transactions.to_string(), clock.now());
        let (token, item) = connected.unwrap();
        Self { sandbox, clock, token, item }
    }

    pub(crate) fn reply(&self, path: &str, request: &Value) -> Reply {
        let keys = Keys { client_id: Some("id".to_owned()), secret: Some("secret".to_owned()) };
        self.sandbox.answer(path, &keys, request.to_string().as_bytes())
    }

    /// An answer that must be a good one.
    pub(crate) fn ask(&self, path: &str, request: &Value) -> Value {
        let reply = self.reply(path, request);
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// The code of an answer that must be an error.
    pub(crate) fn refused(&self, path: &str, request: &Value) -> String {
        let reply = self.reply(path, request);
        assert_ne!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        let error: Value = serde_json::from_slice(&reply.body).unwrap();
        error["error_code"].as_str().unwrap().to_owned()
    }

    /// Has webhooks of the item sent to an address.
    pub(crate) fn hook(&self, url: &str) {
        self.ask("/item/webhook/update", &json!({"access_token": self.token, "webhook": url}));
    }

    pub(crate) fn sync(&self, cursor: &str) -> Reply {
        self.reply("/transactions/sync", &json!({"access_token": self.token, "cursor": cursor, "count": 500}))
    }

    /// A page that must be a good one.
    pub(crate) fn page(&self, cursor: &str) -> Value {
        let reply = self.sync(cursor);
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// An update page by page: the ids that were added, modified and removed, and the cursor behind it.
    pub(crate) fn update(&self, from: &str) -> ([Vec<String>; 3], String) {
        let (mut lists, mut cursor) = (<[Vec<String>; 3]>::default(), from.to_owned());
        loop {
            let page = self.page(&cursor);
            for (list, name) in lists.iter_mut().zip(["added", "modified", "removed"]) {
                list.extend(ids(&page, name));
            }
            page["next_cursor"].as_str().unwrap().clone_into(&mut cursor);
            if page["has_more"] == false {
                return (lists, cursor);
            }
        }
    }

    /// The cursor behind everything that there is.
    pub(crate) fn cursor(&self) -> String {
        self.update("").1
    }

    pub(crate) fn change(&self, change: Value) -> Option<String> {
        let change: Change = serde_json::from_value(change).unwrap();
        self.sandbox.world().change(&self.item, &change)
    }

    pub(crate) fn fault(&self, fault: Value) {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        self.sandbox.world().add_fault(fault);
    }
}

/// The ids of a list of a page.
pub(crate) fn ids(page: &Value, list: &str) -> Vec<String> {
    let rows = page[list].as_array().unwrap().iter();
    rows.map(|row| row["transaction_id"].as_str().unwrap().to_owned()).collect()
}
