//! The console's address: for now a page that says what is where.

use axum::{Router, response::Html, routing::get};

use crate::Ready;

pub(crate) fn router(ready: &Ready) -> Router {
    let row = |name: &str, url: &str| format!("<tr><th>{name}</th><td><a href=\"{url}\">{url}</a></td></tr>");
    let rows = [
        row("API", &ready.api_url),
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
    Router::new().route("/", get(|| async { Html(page) }))
}
