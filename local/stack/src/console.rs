//! The console's address: a page that says what is where, and one that shows what the API takes and answers.

use axum::{Router, response::Html, routing::get};

use crate::Ready;

/// Where the second one is.
pub(crate) const DOCS: &str = "/docs";

pub(crate) fn router(ready: &Ready) -> Router {
    let row = |name: &str, url: &str| format!("<tr><th>{name}</th><td><a href=\"{url}\">{url}</a></td></tr>");
    let rows = [
        row("API", &ready.api_url),
        row("What it takes and answers", &format!("{}{DOCS}", ready.console_url)),
        row("Plaid", &ready.plaid_url),
        row("Issuer", &ready.issuer_url),
        row("Webhooks", &ready.webhook_url),
    ];
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Wumbo's bank connection</title>\
         <style>body{{font:16px system-ui;margin:3rem}}th{{text-align:left;padding-right:2rem}}</style>\
         <h1>Wumbo's bank connection</h1><table>{}</table></html>",
        rows.concat()
    );
    let docs = include_str!("docs.html").replace("{api}", &ready.api_url);
    Router::new().route("/", get(|| async { Html(page) })).route(DOCS, get(|| async { Html(docs) }))
}
