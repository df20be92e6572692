//! What a caller sees.

use edge::open::Visit;
use serde_json::Value;

use crate::handle;

#[tokio::test]
async fn the_document_describes_itself_too() {
    let reply = handle(Visit { raw_query: String::new() }).await.unwrap();
    assert_eq!(reply.status, 200);
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/api/v1/openapi.json"]["get"]["operationId"], "describeApi");
}

#[tokio::test]
async fn it_takes_no_parameters() {
    let problem = handle(Visit { raw_query: "format=yaml".to_owned() }).await.unwrap_err();
    assert_eq!((problem.status, problem.code), (400, "invalid_parameter"));
}
