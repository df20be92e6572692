//! A large history in alice's household, linked as a person links it.

use domain::{ids::HouseholdId, store::Connections};
use serde_json::json;
use stack::{Client, Stack};

use crate::Outcome;

/// Banks of the sandbox, each with the same accounts.
const BANKS: [&str; 3] = ["ins_109508", "ins_109509", "ins_109510"];

/// Links the item of this number, with so many transactions: each at a bank of its own, as long as there are banks.
pub(crate) async fn link(stack: &Stack, number: usize, transactions: u32) -> Outcome {
    let bank = BANKS[number % BANKS.len()];
    let plaid = Client::new(&stack.ready.plaid_url)?
        .with_header("plaid-client-id", "local-client-id")
        .with_header("plaid-secret", "local-secret");
    let api = Client::new(&stack.ready.api_url)?.with_token(&stack.ready.tokens["alice"]);
    let request = json!({
        "institution_id": bank, "initial_products": ["transactions"],
        "options": {"override_username": "user_many", "override_password": transactions.to_string(),
            "transactions": {"days_requested": 730}},
    });
    let (_, answer) = plaid.post("/sandbox/public_token/create", &request).await?;
    let household = &stack.ready.households["alice"];
    let body = json!({
        "public_token": answer["public_token"], "household_id": household, "allow_duplicate": number >= BANKS.len(),
    });
    let (status, answer) = api.post("/api/v1/plaid/link/exchange", &body).await?;
    if status == 201 { Ok(()) } else { Err(format!("the exchange answered {status}: {answer}").into()) }
}

/// How many transactions have arrived.
pub(crate) async fn arrived(stack: &Stack) -> Result<u64, Box<dyn std::error::Error>> {
    let household: HouseholdId = stack.ready.households["alice"].parse()?;
    let connections = stack.store()?.connections(&household).await?;
    Ok(connections.iter().map(|connection| u64::from(connection.item.totals.added)).sum())
}
