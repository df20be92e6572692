//! Large histories through the real thing: worker processes that stop by themselves and go on, and their memory.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;
use stack::{Client, Options, Stack};

use crate::{
    Outcome, cpu,
    linked::{arrived, link},
};

/// What a worker may take.
const MOST_MB: f64 = 64.0;
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn measure(count: u32, items: u32) -> Outcome {
    let stack = Stack::start(Options { time_scale: 60, seed: Some(7), ..Options::default() }).await?;
    let began = Instant::now();
    for number in 0..usize::try_from(items)? {
        link(&stack, number, count).await?;
    }
    let mut peaks: BTreeMap<u32, f64> = BTreeMap::new();
    let expected = u64::from(count) * u64::from(items);
    loop {
        for pid in stack.pids("sync-item") {
            let peak = cpu::peak_mb(&pid.to_string()).unwrap_or_default();
            peaks.entry(pid).and_modify(|most| *most = most.max(peak)).or_insert(peak);
        }
        if arrived(&stack).await? >= expected {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let log = std::fs::read_to_string(&stack.ready.log)?;
    let hand_overs = log.matches(r#""outcome":"hand_over""#).count();
    let most = peaks.values().copied().fold(0.0, f64::max);
    println!(
        "{items} item(s) of {count}: complete in {seconds:.1} s, {} worker process(es), {hand_overs} hand-over(s), most memory of \
         one {most:.1} MB (aim {MOST_MB} MB)",
        peaks.len()
    );
    let ms = sync_by_hand(&stack).await?;
    println!("a sync that a person asks for right afterwards: {ms:.0} ms");
    stack.stop().await?;
    Ok(())
}

/// Milliseconds until a person's sync of the first account has ended.
async fn sync_by_hand(stack: &Stack) -> Result<f64, Box<dyn std::error::Error>> {
    let api = Client::new(&stack.ready.api_url)?.with_token(&stack.ready.tokens["alice"]);
    let (_, listed) = api.get("/api/v1/plaid/accounts").await?;
    let account = listed["accounts"][0]["id"].as_str().ok_or("an account")?;
    let began = Instant::now();
    let (status, answer) = api.post(&format!("/api/v1/plaid/accounts/{account}/sync"), &json!({})).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if status == 200 { Ok(took) } else { Err(format!("the sync answered {status}: {answer}").into()) }
}
