//! The rest of a connection's life: news that nobody asked for, a log-in that is lost and repaired, and the end.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Demo, Linked, PATIENCE, expect, ok};
use crate::{StackError, output::print, stack::Stack};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Plaid's ids of all items at the sandbox.
pub(super) fn plaid_items(stack: &Stack) -> Vec<String> {
    stack.sandbox().map(|sandbox| sandbox.world().item_ids()).unwrap_or_default()
}

/// A bank's news, and the webhook that tells of it.
fn tell(stack: &Stack, linked: &Linked, change: &Value) -> Result<(), StackError> {
    let change: plaid_sandbox::Change =
        serde_json::from_value(change.clone()).map_err(|error| StackError::Unexpected(error.to_string()))?;
    let told =
        stack.sandbox().and_then(|sandbox| sandbox.world().change_and_tell(&linked.plaid_item, &change));
    told.map(drop)
        .ok_or_else(|| StackError::Unexpected("the bank has nothing to change in that way".to_owned()))
}

/// Looks until it holds; how long that took.
async fn until<F>(what: &str, mut look: impl FnMut() -> F) -> Result<u128, StackError>
where
    F: Future<Output = Result<bool, StackError>>,
{
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if look().await? {
            return Ok(began.elapsed().as_millis());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(StackError::Unexpected(format!("it did not happen that {what}")))
}

impl Demo {
    /// A transaction that nobody asked for.
    pub(super) async fn webhook(&self, stack: &Stack, linked: &Linked) -> Result<(), StackError> {
        let before = self.list(linked).await?.len();
        tell(stack, linked, &json!({"change": "add", "amount": "12.34", "name": "Bakery"}))?;
        let took =
            until("a webhook brings the news", async || Ok(self.list(linked).await?.len() == before + 1));
        print(&format!(
            "a signed webhook brought the bank's news within {} ms; nobody had asked",
            took.await?
        ));
        self.equals_ledger(stack, linked).await
    }

    async fn item(&self, linked: &Linked) -> Result<Option<Value>, StackError> {
        let path = format!("/api/v1/plaid/items?household_id={}", self.household);
        let answer = ok(200, self.api.get(&path).await?)?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        Ok(items.into_iter().find(|item| item["id"] == json!(linked.item_id)))
    }

    async fn has_health(&self, linked: &Linked, health: &str) -> Result<bool, StackError> {
        Ok(self.item(linked).await?.is_some_and(|item| item["health"] == json!(health)))
    }

    /// The log-in is lost, news come meanwhile, and Link in update mode repairs it.
    pub(super) async fn lost_and_repaired(&self, stack: &Stack, linked: &Linked) -> Result<(), StackError> {
        tell(stack, linked, &json!({"change": "login_loss"}))?;
        until("the item needs attention", async || self.has_health(linked, "needs_login").await).await?;
        let item = self.item(linked).await?.unwrap_or_default();
        print(&format!("the log-in was lost: {}", item["message"].as_str().unwrap_or("?")));
        tell(stack, linked, &json!({"change": "add", "amount": "5.67", "name": "While nobody looked"}))?;

        let token =
            ok(200, self.api.post("/api/v1/plaid/link/token", &json!({"item_id": linked.item_id})).await?)?;
        let log_in = json!({
            "link_token": token["link_token"], "institution_id": item["institution_id"],
            "username": "user_transactions_dynamic", "password": "any",
        });
        ok(200, self.plaid.post("/link/submit", &log_in).await?)?;
        let path = format!("/api/v1/plaid/items/{}/repaired", linked.item_id);
        let repaired = ok(200, self.api.post(&path, &json!({})).await?)?;
        expect(repaired["health"] == json!("healthy"), "a repaired item must be healthy")?;
        print("repaired in update mode: healthy again, and what was missed is there");
        self.equals_ledger(stack, linked).await
    }

    /// The ids and masks of the accounts of an item.
    async fn accounts(&self, linked: &Linked) -> Result<Vec<(Value, Value)>, StackError> {
        let path = format!("/api/v1/plaid/accounts?household_id={}", self.household);
        let answer = ok(200, self.api.get(&path).await?)?;
        let all = answer["accounts"].as_array().into_iter().flatten();
        let of_item = all.filter(|account| account["item_id"] == json!(linked.item_id));
        Ok(of_item.map(|account| (account["id"].clone(), account["mask"].clone())).collect())
    }

    /// The bank gives its accounts new ids, names and cards, and all transactions new ids.
    pub(super) async fn reissued(&self, stack: &Stack, linked: &Linked) -> Result<(), StackError> {
        let before = self.accounts(linked).await?;
        tell(stack, linked, &json!({"change": "reissue_accounts"}))?;
        until("the accounts keep their ids under new cards", async || {
            let now = self.accounts(linked).await?;
            let is_new = |(id, mask): &(Value, Value)| {
                before.iter().any(|(old, old_mask)| old == id && old_mask != mask)
            };
            Ok(now.len() == before.len() && now.iter().all(is_new))
        })
        .await?;
        print(&format!(
            "the bank gave its {} accounts new ids, names and cards: merged with the old ones by their history",
            before.len()
        ));
        self.equals_ledger(stack, linked).await
    }

    /// One account goes and its siblings stay; then the bank goes, at Plaid too.
    pub(super) async fn removed(
        &self,
        stack: &Stack,
        first: &Linked,
        second: &Linked,
    ) -> Result<(), StackError> {
        let path = format!("/api/v1/plaid/accounts/{}", first.account_id);
        ok(202, self.api.delete(&path).await?)?;
        let left = self.item(first).await?.unwrap_or_default();
        let accounts = left["account_ids"].as_array().map_or(0, Vec::len);
        expect(accounts + 1 == first.accounts.len(), "the siblings must stay")?;
        print(&format!("removed one account: {accounts} are left"));

        ok(202, self.api.delete(&format!("/api/v1/plaid/items/{}", second.item_id)).await?)?;
        let took = until("the item is gone", async || {
            let is_listed = self.item(second).await?.is_some();
            Ok(!is_listed && !plaid_items(stack).contains(&second.plaid_item))
        });
        print(&format!("disconnected a bank: gone here and at Plaid after {} ms", took.await?));
        expect(self.list(second).await?.is_empty(), "its transactions must be gone")?;
        let events = stack.services.events();
        let count = |name: &str| events.iter().filter(|event| event["detail-type"] == json!(name)).count();
        for name in ["Sync Finished", "Item Needs Attention", "Item Repaired", "Item Removed"] {
            expect(count(name) > 0, &format!("{name} must be announced"))?;
        }
        print(&format!("{} events were announced", events.len()));
        Ok(())
    }
}
