//! The embedded DynamoDB on a thread of its own, so that its work is not counted as the sync's.

use std::sync::mpsc;

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use emulators::DynamoDb;
use serde_json::Value;
use tokio::sync::oneshot;

type Job = (String, String, oneshot::Sender<(u16, Vec<u8>)>);

/// The way to the database's thread.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere(mpsc::Sender<Job>);

impl Elsewhere {
    /// Starts the thread, with these tables.
    pub(crate) fn start(tables: &[Value]) -> Result<Self, Box<dyn std::error::Error>> {
        let database = DynamoDb::memory()?;
        for table in tables {
            database.answer("CreateTable", &table.to_string());
        }
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (operation, body, reply) in jobs {
                let answer = database.answer(&operation, &body);
                // Whoever asked may have gone.
                if reply.send((answer.status, answer.body)).is_err() {
                    return;
                }
            }
        });
        Ok(Self(sender))
    }
}

impl HttpConnector for Elsewhere {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gone = || ConnectorError::other("the database is gone".into(), None);
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send((operation, body, reply));
        HttpConnectorFuture::new(async move {
            sent.map_err(|_gone| gone())?;
            let (status, body) = answer.await.map_err(|_gone| gone())?;
            let status = status.try_into().map_err(|_gone| gone())?;
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

impl HttpClient for Elsewhere {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
