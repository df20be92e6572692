//! `cargo dev demo`: the main job, end to end, with what happened in words.

mod life;
mod words;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    Client, StackError, night,
    options::Options,
    output::print,
    stack::{CLIENT_ID, Ready, SECRET, Stack},
};

/// Waits are this much shorter.
const TIME_SCALE: u32 = 20;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the demo; an error says which step did not turn out as it must.
pub(crate) async fn run() -> Result<(), StackError> {
    print("building the functions …");
    let began = Instant::now();
    let stack = Stack::start(Options { time_scale: TIME_SCALE, ..Options::default() }).await?;
    print(&format!("the stack is up after {} ms", began.elapsed().as_millis()));
    let outcome = story(&stack).await;
    if outcome.is_err() {
        print(&log_tail(&stack.ready));
    }
    stack.stop().await?;
    outcome?;
    print(&format!("done in {:.1} s", began.elapsed().as_secs_f32()));
    Ok(())
}

async fn story(stack: &Stack) -> Result<(), StackError> {
    let demo = Demo::new(&stack.ready)?;
    let first = demo.link(stack, "user_good", "pass_good", "ins_109508").await?;
    demo.synced(stack, &first).await?;
    let second = demo.link(stack, "user_transactions_dynamic", "any", "ins_109509").await?;
    demo.synced(stack, &second).await?;

    let written = demo.written(&second).await?;
    let before = demo.list(&second).await?;
    Demo::refresh(stack);
    let counts = demo.sync_now(&second).await?;
    print(&format!(
        "the bank had news: {} added, {} modified, {} removed",
        counts["transactions_added"], counts["transactions_modified"], counts["transactions_removed"]
    ));
    let after = demo.list(&second).await?;
    expect(after.len() > before.len(), "the news must be listed")?;
    demo.equals_ledger(stack, &second).await?;
    demo.strangers_see_nothing(&first).await?;
    demo.webhook(stack, &second).await?;
    demo.lost_and_repaired(stack, &second).await?;
    demo.reissued(stack, &second).await?;
    night::run_here(stack).await?;
    demo.still_written(&written).await?;
    print("what was written is still there, after all of that");
    demo.removed(stack, &first, &second).await
}

/// A linked bank.
struct Linked {
    item_id: String,
    /// Plaid's id of it.
    plaid_item: String,
    account_id: String,
    accounts: Vec<String>,
}

struct Demo {
    api: Client,
    bob: Client,
    plaid: Client,
    household: String,
}

impl Demo {
    fn new(ready: &Ready) -> Result<Self, StackError> {
        let token = |user: &str| ready.tokens.get(user).cloned().unwrap_or_default();
        Ok(Self {
            api: Client::new(&ready.api_url)?.with_token(&token("alice")),
            bob: Client::new(&ready.api_url)?.with_token(&token("bob")),
            plaid: Client::new(&ready.plaid_url)?
                .with_header("plaid-client-id", CLIENT_ID)
                .with_header("plaid-secret", SECRET),
            household: ready.households.get("alice").cloned().unwrap_or_default(),
        })
    }

    /// Link token → log-in at the bank → exchange.
    async fn link(
        &self,
        stack: &Stack,
        username: &str,
        password: &str,
        institution: &str,
    ) -> Result<Linked, StackError> {
        let household = &self.household;
        let before = life::plaid_items(stack);
        let link =
            ok(200, self.api.post("/api/v1/plaid/link/token", &json!({"household_id": household})).await?)?;
        let log_in = json!({
            "link_token": link["link_token"], "institution_id": institution, "username": username, "password": password,
        });
        let submitted = ok(200, self.plaid.post("/link/submit", &log_in).await?)?;
        let metadata = &submitted["metadata"];
        let fields = ["name", "mask", "subtype"];
        let accounts: Vec<Value> = metadata["accounts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|account| {
                fields.iter().map(|field| ((*field).to_owned(), account[*field].clone())).collect()
            })
            .collect();
        let exchange = json!({
            "public_token": submitted["public_token"], "household_id": household, "accounts": accounts,
            "institution": metadata["institution"],
        });
        let linked = ok(201, self.api.post("/api/v1/plaid/link/exchange", &exchange).await?)?;
        let ids = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
        let accounts: Vec<_> = linked["accounts"].as_array().into_iter().flatten().map(ids).collect();
        expect(!accounts.is_empty(), "a linked bank must have accounts")?;
        print(&format!(
            "linked {username} at {}: {} accounts",
            linked["institution"]["name"].as_str().unwrap_or("?"),
            linked["accounts_added"]
        ));
        let plaid_item = life::plaid_items(stack).into_iter().find(|id| !before.contains(id));
        Ok(Linked {
            plaid_item: plaid_item.unwrap_or_default(),
            item_id: linked["item_id"].as_str().unwrap_or_default().to_owned(),
            account_id: accounts.first().cloned().unwrap_or_default(),
            accounts,
        })
    }

    /// Waits until the history is there, as an app would: by asking for a sync until the answer is no longer "running".
    async fn synced(&self, stack: &Stack, linked: &Linked) -> Result<(), StackError> {
        let began = Instant::now();
        self.sync_now(linked).await?;
        let listed = self.list(linked).await?;
        let (took, count) = (began.elapsed().as_millis(), listed.len());
        print(&format!("history complete after {took} ms: {count} transactions"));
        self.equals_ledger(stack, linked).await
    }

    async fn sync_now(&self, linked: &Linked) -> Result<Value, StackError> {
        let began = Instant::now();
        let path = format!("/api/v1/plaid/accounts/{}/sync", linked.account_id);
        while began.elapsed() < PATIENCE {
            match self.api.post(&path, &json!({})).await? {
                (200, answer) => return Ok(answer),
                (202, _) => tokio::time::sleep(Duration::from_millis(100)).await,
                other => return ok(200, other),
            }
        }
        Err(StackError::Unexpected("the history did not arrive".to_owned()))
    }

    /// All transactions of the item, page by page.
    async fn list(&self, linked: &Linked) -> Result<Vec<Value>, StackError> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/transactions?household_id={}&limit=500{cursor}", self.household);
            let page = ok(200, self.api.get(&path).await?)?;
            all.extend(page["transactions"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        all.retain(|transaction| transaction["item_id"] == json!(linked.item_id));
        Ok(all)
    }

    /// What is listed is what the bank has: each once, to the last digit.
    async fn equals_ledger(&self, stack: &Stack, linked: &Linked) -> Result<(), StackError> {
        let mine = self.list(linked).await?;
        let ledgers = stack.sandbox().map(|sandbox| {
            let world = sandbox.world();
            world.item_ids().iter().map(|id| world.ledger(id)).collect::<Vec<_>>()
        });
        let sum = |amounts: Vec<Option<Decimal>>| amounts.into_iter().flatten().sum::<Decimal>();
        let listed: Vec<_> =
            mine.iter().map(|t| t["amount"].as_str().and_then(|text| text.parse().ok())).collect();
        let total = sum(listed);
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for transaction in &mine {
            *names.entry(transaction["id"].as_str().unwrap_or_default()).or_default() += 1;
        }
        expect(names.values().all(|count| *count == 1), "each transaction must be listed once")?;
        let is_same = |ledger: &Vec<plaid_sandbox::Transaction>| {
            ledger.len() == mine.len() && ledger.iter().map(|t| t.amount).sum::<Decimal>() == total
        };
        let found = ledgers.into_iter().flatten().any(|ledger| is_same(&ledger));
        expect(found, "what is listed must be the bank's ledger")?;
        print(&format!("  equal to the bank's ledger: {} transactions, sum {total}", mine.len()));
        Ok(())
    }

    /// The bank has news: what `/transactions/refresh` does, without an access token, which only the functions have.
    fn refresh(stack: &Stack) {
        if let Some(sandbox) = stack.sandbox() {
            let mut world = sandbox.world();
            for item in world.item_ids() {
                world.refresh(&item, jiff::Timestamp::now());
            }
        }
    }

    async fn strangers_see_nothing(&self, linked: &Linked) -> Result<(), StackError> {
        for account in &linked.accounts {
            let path = format!("/api/v1/plaid/accounts/{account}/sync");
            ok(404, self.bob.post(&path, &json!({})).await?)?;
        }
        let path = format!("/api/v1/plaid/accounts?household_id={}", self.household);
        ok(404, self.bob.get(&path).await?)?;
        print("bob, who is in another household, sees none of it");
        Ok(())
    }
}

fn expect(holds: bool, what: &str) -> Result<(), StackError> {
    if holds { Ok(()) } else { Err(StackError::Unexpected(what.to_owned())) }
}

/// The end of the log, for whoever has to find out what went wrong.
fn log_tail(ready: &Ready) -> String {
    let text = std::fs::read_to_string(&ready.log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.into_iter().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn ok(expected: u16, (status, body): (u16, Value)) -> Result<Value, StackError> {
    if status == expected {
        return Ok(body);
    }
    Err(StackError::Unexpected(format!("expected {expected}, got {status}: {body}")))
}
