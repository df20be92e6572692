//! A route of the API without an authorizer: what anybody may see. Of a request only its query gets in, so that nothing else of a
//! stranger's can have an effect.

use std::time::Instant;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{LambdaEvent, service_fn};

use crate::{
    http::{Reply, answer},
    problem::Problem,
    query::Query,
};

/// A request of anybody.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The query string as it came.
    pub raw_query: String,
}

impl Visit {
    /// The query's parameters.
    pub fn query(&self) -> Query {
        Query::parse(&self.raw_query)
    }
}

/// Serves requests until Lambda stops the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve(
    handle: impl AsyncFn(Visit) -> Result<Reply, Problem>,
) -> Result<(), lambda_runtime::Error> {
    let handle = &handle;
    let service = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        let began = Instant::now();
        let (event, context) = event.into_parts();
        let request_id = event.request_context.request_id.unwrap_or(context.request_id);
        let route = event.route_key.unwrap_or_default();
        let outcome = handle(Visit { raw_query: event.raw_query_string.unwrap_or_default() }).await;
        Ok::<_, lambda_runtime::Error>(answer(&request_id, &route, outcome, began))
    });
    lambda_runtime::run(service).await
}
