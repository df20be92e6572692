//! The questions of a large household, put to `cargo dev`: through the gateway, to the real processes, cold and warm.

use std::time::{Duration, Instant};

use stack::{Client, Options, Stack};

use crate::{
    Outcome,
    linked::{arrived, link},
    search,
};

const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn measure(count: u32) -> Outcome {
    let stack = Stack::start(Options { time_scale: 60, seed: Some(7), ..Options::default() }).await?;
    let household = stack.ready.households["alice"].clone();
    let api = Client::new(&stack.ready.api_url)?.with_token(&stack.ready.tokens["alice"]);
    let began = Instant::now();
    link(&stack, 0, count).await?;
    while arrived(&stack).await? < u64::from(count) {
        tokio::time::sleep(LOOK).await;
    }
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

/// Milliseconds until the answer.
async fn ask(api: &Client, path: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let (status, answer) = api.get(path).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if status == 200 { Ok(took) } else { Err(format!("{path} answered {status}: {answer}").into()) }
}
