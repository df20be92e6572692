//! Sending: whatever is due goes out, that of different items at the same time.

use std::{convert::Infallible, future::pending, io, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use reqwest::{
    Client,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::{outbox::Post, retry::Outcome};
use crate::Sandbox;

/// How long a receiver may take, in anybody's time: it is a network that is waited for.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Deliveries at the same time.
const AT_ONCE: usize = 20;
/// Where Plaid puts the token.
const VERIFICATION: &str = "Plaid-Verification";

/// Sends what is due, for ever.
///
/// # Errors
/// When there is no way to send anything.
pub(crate) async fn run(sandbox: Sandbox, answers_within: Duration) -> io::Result<Infallible> {
    let http = client(answers_within).map_err(io::Error::other)?;
    let wake = sandbox.world().outbox.wake();
    let mut sending = FuturesUnordered::new();
    loop {
        let (posts, next) = sandbox.world().take_due(AT_ONCE - sending.len());
        sending.extend(posts.into_iter().map(|post| deliver(http.clone(), post)));
        let due = async {
            match next {
                Some(wait) => sandbox.config.clock.sleep(wait).await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some((id, outcome)) = sending.next() => sandbox.world().settle(id, &outcome),
            () = wake.notified() => {}
            () = due => {}
        }
    }
}

fn client(answers_within: Duration) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    // Receivers are on this machine, and speak plain HTTP: no roots are needed.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let http = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(answers_within)
        .build()?;
    Ok(http)
}

async fn deliver(http: Client, post: Post) -> (u64, Outcome) {
    let Post { id, url, body, token } = post;
    let request =
        http.post(url).header(CONTENT_TYPE, "application/json").header(VERIFICATION, token).body(body);
    let outcome = match request.send().await {
        Ok(response) => {
            let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let seconds = header.and_then(|seconds| seconds.trim().parse().ok());
            Outcome {
                status: Some(response.status().as_u16()),
                retry_after: seconds.map(Duration::from_secs),
                error: None,
            }
        }
        Err(error) => Outcome { error: Some(kind(&error)), ..Outcome::default() },
    };
    (id, outcome)
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_builder() {
        "no address"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "interrupted"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::time::Clock;
    use jiff::Timestamp;

    use super::*;
    use crate::{Config, webhooks::Notice};

    /// Time that passes for whoever sleeps.
    struct Virtual(Mutex<Timestamp>);

    #[async_trait::async_trait]
    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
        }
    }

    #[tokio::test]
    async fn a_receiver_that_does_not_answer_has_rejected() {
        let sandbox = Sandbox::open(Config {
            client_id: String::new(),
            secret: String::new(),
            initial_after: Duration::ZERO,
            historical_after: Duration::ZERO,
            time_scale: 1,
            seed: 7,
            file: None,
            clock: Arc::new(Virtual(Mutex::new(Timestamp::UNIX_EPOCH))),
        })
        .unwrap();
        // The connection is taken, and that is all.
        let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let body = Notice::item("LOGIN_REPAIRED", serde_json::json!({})).body("i");
        sandbox.world().outbox.write(&url, "i", &body, Timestamp::UNIX_EPOCH);
        let sender = tokio::spawn(run(sandbox.clone(), Duration::from_millis(5)));
        let view = || serde_json::to_value(sandbox.world().outbox.views()).unwrap()[0].clone();
        while view()["state"] != "given_up" {
            tokio::task::yield_now().await;
        }
        assert_eq!((&view()["attempts"], &view()["last_error"]), (&7.into(), &"timeout".into()));
        sender.abort();
    }
}
