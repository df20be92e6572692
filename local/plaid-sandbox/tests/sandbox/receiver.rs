//! Whoever webhooks are sent to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use domain::time::Clock;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::Jwk};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::caller::{Caller, Standing};

/// A webhook as it came.
pub(crate) struct Got {
    pub(crate) token: String,
    pub(crate) body: String,
    /// The sandbox's time then.
    pub(crate) at: Timestamp,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["webhook_code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn kid(&self) -> String {
        decode_header(&self.token).unwrap().kid.unwrap()
    }

    /// The claims, signed by a key as Plaid gives it.
    pub(crate) fn claims(&self, key: &Value) -> Value {
        let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        decode(&self.token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap().claims
    }
}

/// Answers in the order given, and from then on with 200.
pub(crate) struct Receiver {
    pub(crate) url: String,
    came: UnboundedReceiver<Got>,
    answers: Answers,
}

/// A status, and what `Retry-After` is to say.
type Answers = Arc<Mutex<VecDeque<(u16, Option<u32>)>>>;

#[derive(Clone)]
struct Desk {
    came: UnboundedSender<Got>,
    answers: Answers,
    clock: Arc<Standing>,
}

impl Receiver {
    pub(crate) async fn start(caller: &Caller) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/plaid/webhook", listener.local_addr().unwrap());
        let (sender, came) = unbounded_channel();
        let answers = Answers::default();
        let desk = Desk { came: sender, answers: answers.clone(), clock: caller.clock.clone() };
        let router = Router::new().fallback(receive).with_state(desk);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, came, answers }
    }

    /// A receiver of the caller's item, which has taken the first webhook that says so; and somebody who sends.
    pub(crate) async fn of(caller: &Caller) -> Self {
        tokio::spawn(caller.sandbox.clone().deliver());
        let mut receiver = Self::start(caller).await;
        caller.hook(&receiver.url);
        assert_eq!(receiver.next().await.code(), "WEBHOOK_UPDATE_ACKNOWLEDGED");
        receiver
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = (u16, Option<u32>)>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Waits for the next webhook.
    pub(crate) async fn next(&mut self) -> Got {
        self.came.recv().await.unwrap()
    }

    /// What came so far and was not looked at.
    pub(crate) fn others(&mut self) -> usize {
        std::iter::from_fn(|| self.came.try_recv().ok()).count()
    }
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let token = headers.get("plaid-verification").unwrap().to_str().unwrap().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let at = desk.clock.now();
    let (status, retry_after) = desk.answers.lock().unwrap().pop_front().unwrap_or((200, None));
    desk.came.send(Got { token, body, at }).unwrap();
    let mut answer = StatusCode::from_u16(status).unwrap().into_response();
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}
