//! Large histories through the real thing: worker processes that stop by themselves and go on, and their memory.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::{ids::HouseholdId, store::Connections};
use serde_json::json;
use stack::{Client, Options, Stack};

use crate::{Outcome, cpu};

/// What a worker may take.
const MOST_MB: f64 = 64.0;
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn measure(count: u32, items: u32) -> Outcome {
    let stack = Stack::start(Options { time_scale: 60, seed: Some(7), ..Options::default() }).await?;
    let plaid = Client::new(&stack.ready.plaid_url)?
        .with_header("plaid-client-id", "local-client-id")
        .with_header("plaid-secret", "local-secret");
    let api = Client::new(&stack.ready.api_url)?.with_token(&stack.ready.tokens["alice"]);
    let household = stack.ready.households["alice"].clone();
    let began = Instant::now();
    for _ in 0..items {
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
    }
    let store = stack.store()?;
    let household: HouseholdId = household.parse()?;
    let mut peaks: BTreeMap<u32, f64> = BTreeMap::new();
    let expected = u64::from(count) * u64::from(items);
    loop {
        for pid in stack.pids("sync-item") {
            let peak = cpu::peak_mb(&pid.to_string()).unwrap_or_default();
            peaks.entry(pid).and_modify(|most| *most = most.max(peak)).or_insert(peak);
        }
        let connections = store.connections(&household).await?;
        let added: u64 = connections.iter().map(|c| u64::from(c.item.totals.added)).sum();
        if added >= expected {
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
    stack.stop().await?;
    Ok(())
}
