//! What people write: a category of their own, a transaction in parts, one that no bank knows of. None of it is gone after
//! all that the bank does afterwards.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Demo, Linked, StackError, expect, ok, print};

const NOTE: &str = "For the birthday";

/// What was written on.
pub(super) struct Written {
    path: String,
    category: Value,
    splits: Value,
}

impl Demo {
    /// Writes on the oldest transaction of the item, and enters one by hand.
    pub(super) async fn written(&self, linked: &Linked) -> Result<Written, StackError> {
        let household = &self.household;
        let category = json!({"household_id": household, "name": "Birthdays", "type": "expense"});
        let category = ok(201, self.api.post("/api/v1/categories", &category).await?)?["id"].clone();
        let transactions = self.list(linked).await?;
        let oldest = transactions.last().cloned().unwrap_or_default();
        let amount: Option<Decimal> = oldest["amount"].as_str().and_then(|text| text.parse().ok());
        let part = Decimal::new(1, 2);
        let rest = amount.and_then(|amount| amount.checked_sub(part)).unwrap_or_default();
        let splits = json!([
            {"amount": part.to_string(), "category_id": category, "note": "The cake"},
            {"amount": rest.to_string(), "category_id": null, "note": null},
        ]);
        let path = format!("/api/v1/transactions/{}", oldest["id"].as_str().unwrap_or_default());
        let words = json!({"note": NOTE, "category_id": category, "tags": ["family"], "splits": splits});
        ok(200, self.api.patch(&path, &words).await?)?;

        let cash = json!({"household_id": household, "name": "Cash", "currency": "USD"});
        let cash = ok(201, self.api.post("/api/v1/plaid/accounts", &cash).await?)?["id"].clone();
        let entered = json!({
            "account_id": cash, "date": oldest["date"], "amount": "4.50", "name": "Bougies", "category_id": category,
        });
        ok(201, self.api.post("/api/v1/transactions", &entered).await?)?;
        let found = format!("/api/v1/transactions?household_id={household}&q=BOUGÍES&totals=true");
        let found = ok(200, self.api.get(&found).await?)?;
        expect(found["totals"][0]["out"] == json!("4.50"), "what was entered must be found by its words")?;
        print("wrote on a transaction, split it, and entered another by hand");
        self.budgeted(&cash).await?;
        let written = Written { path, category, splits };
        self.still_written(&written).await?;
        Ok(written)
    }

    /// An account that is switched off counts in no summary until it is switched on again.
    async fn budgeted(&self, account: &Value) -> Result<(), StackError> {
        let account = account.as_str().unwrap_or_default();
        let (path, household) = (format!("/api/v1/plaid/accounts/{account}"), &self.household);
        let summary = format!(
            "/api/v1/transactions/summary?household_id={household}&account_id={account}&group_by=category,month"
        );
        for (counts, groups) in [(false, 0), (true, 1)] {
            ok(200, self.api.patch(&path, &json!({"include_in_budget": counts})).await?)?;
            let now = ok(200, self.api.get(&summary).await?)?;
            let is_so = now["groups"].as_array().map(Vec::len) == Some(groups);
            expect(is_so, "a summary must count the accounts that are in the budget")?;
        }
        print("switched an account out of the budget and into it again, and the summary with it");
        Ok(())
    }

    /// All of it is there, on the transaction that it was written on.
    pub(super) async fn still_written(&self, written: &Written) -> Result<(), StackError> {
        let now = ok(200, self.api.get(&written.path).await?)?;
        let is_there = now["note"] == json!(NOTE)
            && now["tags"] == json!(["family"])
            && now["splits"] == written.splits
            && now["category"]["id"] == written.category
            && now["category"]["source"] == json!("person");
        expect(is_there, "what a person has written must stay")
    }
}
