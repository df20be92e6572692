//! The questions of a large household, put to `cargo dev`: through the gateway, to the real processes, cold and warm.

use std::time::{Duration, Instant};

use domain::{ids::HouseholdId, store::Connections};
use serde_json::json;
use stack::{Client, Options, Stack};

use crate::{Outcome, search};

const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn measure(count: u32) -> Outcome {
    let stack = Stack::start(Options { time_scale: 60, seed: Some(7), ..Options::default() }).await?;
    let household = stack.ready.households["alice"].clone();
    let api = Client::new(&stack.ready.api_url)?.with_token(&stack.ready.tokens["alice"]);
    let began = Instant::now();
    connect(&stack, &api, &household, count).await?;
    println!("{count} transactions arrived in {:.1} s", began.elapsed().as_secs_f64());
    for question in search::questions() {
        stack.retire(question.endpoint.function());
        let path = format!("{}?household_id={household}&{}", question.endpoint.path(), question.query());
        let (cold, warm) = (ask(&api, &path).await?, ask(&api, &path).await?);
        println!("{:<32} cold {cold:>8.0} ms, warm {warm:>8.0} ms", question.name);
    }
    stack.stop().await?;
    Ok(())
}

async fn connect(stack: &Stack, api: &Client, household: &str, count: u32) -> Outcome {
    let plaid = Client::new(&stack.ready.plaid_url)?
        .with_header("plaid-client-id", "local-client-id")
        .with_header("plaid-secret", "local-secret");
    let request = json!({
        "institution_id": "ins_109508", "initial_products": ["transactions"],
        "options": {"override_username": "user_many", "override_password": count.to_string(),
            "transactions": {"days_requested": 730}},
    });
    let (_, answer) = plaid.post("/sandbox/public_token/create", &request).await?;
    let body = json!({"public_token": answer["public_token"], "household_id": household});
    let (status, answer) = api.post("/api/v1/plaid/link/exchange", &body).await?;
    if status != 201 {
        return Err(format!("the exchange answered {status}: {answer}").into());
    }
    let store = stack.store()?;
    let household: HouseholdId = household.parse()?;
    loop {
        let connections = store.connections(&household).await?;
        if connections.iter().map(|connection| connection.item.totals.added).sum::<u32>() >= count {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Milliseconds until the answer.
async fn ask(api: &Client, path: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let (status, answer) = api.get(path).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if status == 200 { Ok(took) } else { Err(format!("{path} answered {status}: {answer}").into()) }
}
