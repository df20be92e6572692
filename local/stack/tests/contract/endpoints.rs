//! Every endpoint of `openapi.json` with a request that is good, and who may send it. An endpoint without a row here fails the
//! tests that go through them all.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use domain::{
    household::{Households, NewHousehold, Role},
    ids::HouseholdId,
};
use serde_json::{Value, json};
use stack::{Client, Stack};

/// Who asks, in the order of a row's statuses.
pub(crate) const CALLERS: [&str; 6] = ["stranger", "viewer", "member", "admin", "owner", "removed"];

/// A good request to an endpoint, and what each caller is told.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    /// With `{…}` for what [`Place::fill`] puts there.
    pub(crate) query: &'static str,
    pub(crate) body: &'static str,
    pub(crate) told: [u16; 6],
}

const fn row(id: &'static str, query: &'static str, body: &'static str, told: [u16; 6]) -> Row {
    Row { id, query, body, told }
}

/// By operation. Whoever is in no household of the thing is told 404: it is not theirs, which is the same as not there.
pub(crate) const ROWS: &[Row] = &[
    row("acceptInvitation", "", r#"{"code": "{code}"}"#, [200, 409, 409, 409, 409, 200]),
    row("changeRole", "", r#"{"role": "member"}"#, [404, 403, 403, 200, 200, 404]),
    row("confirmRepair", "", "{}", [404, 403, 200, 200, 200, 404]),
    row(
        "createAccount",
        "",
        r#"{"household_id": "{household_id}", "name": "Cash", "currency": "EUR"}"#,
        [404, 403, 201, 201, 201, 404],
    ),
    row(
        "createCategory",
        "",
        r#"{"household_id": "{household_id}", "name": "{word}", "type": "expense"}"#,
        [404, 403, 201, 201, 201, 404],
    ),
    row("createHousehold", "", r#"{"name": "Another"}"#, [201, 201, 201, 201, 201, 201]),
    row("createLinkToken", "", r#"{"household_id": "{household_id}"}"#, [404, 403, 200, 200, 200, 404]),
    row(
        "createTransaction",
        "",
        r#"{"account_id": "{account_id}", "date": "2026-11-22", "amount": "12.50", "name": "Tea"}"#,
        [404, 403, 201, 201, 201, 404],
    ),
    row("deleteCategory", "", "", [404, 403, 200, 200, 200, 404]),
    row("deleteHousehold", "", "", [404, 403, 403, 403, 202, 404]),
    row("deleteTransaction", "", "", [404, 403, 204, 204, 204, 404]),
    row("describeApi", "", "", [200, 200, 200, 200, 200, 200]),
    row(
        "exchangePublicToken",
        "",
        r#"{"household_id": "{household_id}", "public_token": "{public_token}"}"#,
        [404, 403, 201, 201, 201, 404],
    ),
    row("exportTransactions", "household_id={household_id}", "", [404, 200, 200, 200, 200, 404]),
    row("getAccount", "", "", [404, 200, 200, 200, 200, 404]),
    row("getHousehold", "", "", [404, 200, 200, 200, 200, 404]),
    row("getItem", "", "", [404, 200, 200, 200, 200, 404]),
    row("getTransaction", "", "", [404, 200, 200, 200, 200, 404]),
    row("inviteMember", "", r#"{"role": "viewer"}"#, [404, 403, 403, 201, 201, 404]),
    row("listAccounts", "household_id={household_id}", "", [404, 200, 200, 200, 200, 404]),
    row("listCategories", "household_id={household_id}", "", [404, 200, 200, 200, 200, 404]),
    row("listHouseholds", "", "", [200, 200, 200, 200, 200, 200]),
    row("listInvitations", "", "", [404, 403, 403, 200, 200, 404]),
    row("listItems", "household_id={household_id}", "", [404, 200, 200, 200, 200, 404]),
    row("listMembers", "", "", [404, 200, 200, 200, 200, 404]),
    row("listTransactions", "household_id={household_id}", "", [404, 200, 200, 200, 200, 404]),
    row("mergeAccount", "", r#"{"account_id": "{own_account_id}"}"#, [404, 403, 200, 200, 200, 404]),
    row("moveEdits", "", r#"{"to": "{transaction_id}"}"#, [404, 403, 200, 200, 200, 404]),
    row("removeAccount", "data=keep", "", [404, 403, 202, 202, 202, 404]),
    row("removeItem", "data=keep", "", [404, 403, 202, 202, 202, 404]),
    row("removeMember", "", "", [404, 403, 403, 200, 200, 404]),
    row(
        "summarizeTransactions",
        "household_id={household_id}&group_by=month",
        "",
        [404, 200, 200, 200, 200, 404],
    ),
    row("syncAccount", "", "{}", [404, 403, 200, 200, 200, 404]),
    row("updateAccount", "", r#"{"name": "Ours"}"#, [404, 403, 200, 200, 200, 404]),
    row("updateCategory", "", r#"{"is_active": false}"#, [404, 403, 200, 200, 200, 404]),
    row("updateHousehold", "", r#"{"name": "Renamed"}"#, [404, 403, 403, 200, 200, 404]),
    row("updateTransaction", "", r#"{"note": "tea"}"#, [404, 403, 200, 200, 200, 404]),
    row("withdrawInvitation", "", "", [404, 403, 403, 200, 200, 404]),
];

/// An endpoint with its row.
pub(crate) struct Endpoint {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) operation: Value,
    pub(crate) row: &'static Row,
}

/// The document that the API itself serves.
pub(crate) async fn document(stack: &Stack) -> Value {
    let (status, document) =
        Client::new(&stack.ready.api_url).unwrap().get("/api/v1/openapi.json").await.unwrap();
    assert_eq!(status, 200);
    document
}

/// All endpoints of the document.
pub(crate) fn endpoints(document: &Value) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let row = ROWS.iter().find(|row| row.id == id);
            let row = row.unwrap_or_else(|| panic!("{id} has no row in tests/contract/endpoints.rs"));
            found.push(Endpoint {
                method: method.to_uppercase(),
                path: path.clone(),
                operation: operation.clone(),
                row,
            });
        }
    }
    assert_eq!(found.len(), ROWS.len(), "rows of endpoints that are not there");
    found
}

static COUNT: AtomicU64 = AtomicU64::new(1);

/// A household with somebody in each role, somebody who was put out, and a viewer named target; what else a request needs is
/// made when it is asked for.
pub(crate) struct Place<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) household: HouseholdId,
    owner: &'static str,
    made: BTreeMap<String, String>,
}

impl<'a> Place<'a> {
    pub(crate) async fn new(stack: &'a Stack) -> Place<'a> {
        let place = Self::with_owner(stack, "owner").await;
        let out = format!("/api/v1/households/{}/members/removed", place.household);
        let (status, answer) = place.owner().await.delete(&out).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        place
    }

    /// A household in which nobody is whom a row names.
    pub(crate) async fn elsewhere(stack: &'a Stack) -> Place<'a> {
        Self::with_owner(stack, "somebody-else").await
    }

    async fn with_owner(stack: &'a Stack, owner: &'static str) -> Place<'a> {
        let mut entropy = [0; 10];
        entropy[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let household = HouseholdId::from_entropy(entropy);
        let roles = [
            ("viewer", Role::Viewer),
            ("member", Role::Member),
            ("admin", Role::Admin),
            ("owner", Role::Owner),
            ("removed", Role::Admin),
            ("target", Role::Viewer),
        ];
        // Elsewhere there is an owner alone.
        let here = roles
            .into_iter()
            .filter(|(user, role)| owner == "owner" || *role == Role::Owner && *user == "owner");
        let name_of = |user: &'static str| if user == "owner" { owner } else { user };
        let members = here.map(|(user, role)| (name_of(user).parse().unwrap(), role)).collect();
        let name = "A household".parse().unwrap();
        let new = NewHousehold { id: household.clone(), name, members, at: jiff::Timestamp::now() };
        stack.store().unwrap().create(&new).await.unwrap();
        Self { stack, household, owner, made: BTreeMap::new() }
    }

    pub(crate) async fn owner(&self) -> Client {
        caller(self.stack, &token(self.stack, &json!({"user": self.owner})).await)
    }

    /// A text with what its `{…}` stand for here.
    pub(crate) async fn fill(&mut self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}') {
                Some((name, tail))
                    if name.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase())
                        && !name.is_empty() =>
                {
                    filled.push_str(&self.thing(name).await);
                    rest = tail;
                }
                _ => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }

    /// What a placeholder stands for. What can be used once is made anew each time.
    async fn thing(&mut self, name: &str) -> String {
        match name {
            "household_id" => self.household.to_string(),
            "user_id" => "target".to_owned(),
            "code" => self.invitation("code").await,
            "invitation_id" => self.invitation("id").await,
            "category_id" => self.category().await,
            "word" => format!("word {}", COUNT.fetch_add(1, Ordering::Relaxed)),
            "public_token" => public_token(self.stack).await,
            "own_account_id" => self.own_account().await,
            "item_id" | "account_id" => {
                if !self.made.contains_key(name) {
                    self.link().await;
                }
                self.made[name].clone()
            }
            "transaction_id" => {
                if !self.made.contains_key(name) {
                    let entered = self.entered().await;
                    self.made.insert(name.to_owned(), entered);
                }
                self.made[name].clone()
            }
            "orphan_id" => {
                if !self.made.contains_key(name) {
                    let orphan = self.orphan().await;
                    self.made.insert(name.to_owned(), orphan);
                }
                self.made[name].clone()
            }
            other => panic!("nothing stands for {{{other}}}: tests/contract/endpoints.rs makes it"),
        }
    }

    /// An account that is kept by hand.
    async fn own_account(&self) -> String {
        let body = json!({"household_id": self.household, "name": "Cash", "currency": "EUR"});
        let (status, answer) = self.owner().await.post("/api/v1/plaid/accounts", &body).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A transaction that somebody has entered.
    async fn entered(&mut self) -> String {
        let account = Box::pin(self.thing("account_id")).await;
        let body = json!({"account_id": account, "date": "2026-11-21", "amount": "7", "name": "Bread"});
        let (status, answer) = self.owner().await.post("/api/v1/transactions", &body).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A transaction of the bank's that went away, with something written on it.
    async fn orphan(&mut self) -> String {
        let account = Box::pin(self.thing("account_id")).await;
        // Not every account of the bank's has transactions.
        let list = format!("/api/v1/transactions?household_id={}", self.household);
        let (_, page) = self.owner().await.get(&list).await.unwrap();
        let all = page["transactions"].as_array().unwrap();
        let of_bank =
            all.iter().find(|transaction| transaction["manual"] != true && transaction["pending"] == false);
        let id = of_bank.unwrap()["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/transactions/{id}");
        let note = json!({"note": "mine"}).to_string();
        let (status, answer) = self.owner().await.call("PATCH", &path, Some(note)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        self.remove_at_bank(&id).await;
        let sync = format!("/api/v1/plaid/accounts/{account}/sync");
        while self.owner().await.get(&path).await.unwrap().0 == 200 {
            self.owner().await.post(&sync, &json!({})).await.unwrap();
        }
        id
    }

    async fn remove_at_bank(&self, id: &str) {
        let plaid = Client::new(&self.stack.ready.plaid_url).unwrap();
        let (_, items) = plaid.get("/control/items").await.unwrap();
        for item in items["item_ids"].as_array().unwrap() {
            let item = item.as_str().unwrap();
            let (_, ledger) = plaid.get(&format!("/control/items/{item}/ledger")).await.unwrap();
            let mut all = ledger["transactions"].as_array().unwrap().iter();
            if all.any(|transaction| transaction["id"] == *id) {
                let remove = json!({"change": "remove", "id": id});
                plaid.post(&format!("/control/items/{item}/changes"), &remove).await.unwrap();
            }
        }
    }

    /// A category of the household's own.
    async fn category(&mut self) -> String {
        let name = Box::pin(self.thing("word")).await;
        let body = json!({"household_id": self.household, "name": name, "type": "income"});
        let (status, answer) = self.owner().await.post("/api/v1/categories", &body).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A field of a new invitation.
    async fn invitation(&self, field: &str) -> String {
        let path = format!("/api/v1/households/{}/invitations", self.household);
        let (status, answer) = self.owner().await.post(&path, &json!({"role": "viewer"})).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer[field].as_str().unwrap().to_owned()
    }

    async fn link(&mut self) {
        let public_token = public_token(self.stack).await;
        let body = json!({"household_id": self.household, "public_token": public_token});
        let (status, answer) = self.owner().await.post("/api/v1/plaid/link/exchange", &body).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        let account = answer["accounts"][0]["id"].as_str().unwrap();
        // A sync that waits for history would be told so.
        let sync = format!("/api/v1/plaid/accounts/{account}/sync");
        while self.owner().await.post(&sync, &json!({})).await.unwrap().0 == 202 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.made.insert("item_id".to_owned(), answer["item_id"].as_str().unwrap().to_owned());
        self.made.insert("account_id".to_owned(), account.to_owned());
    }

    /// A good request to an endpoint: path with query, and body.
    pub(crate) async fn request(&mut self, endpoint: &Endpoint) -> (String, Option<String>) {
        // What was written moves from one that is no more.
        let lost = endpoint.path.replace("{transaction_id}/move-edits", "{orphan_id}/move-edits");
        // A merged account is shown as another one: the others need theirs.
        let lost = lost.replace("{account_id}/merge-into", "{own_account_id}/merge-into");
        let mut path = self.fill(&lost).await;
        if !endpoint.row.query.is_empty() {
            path = format!("{path}?{}", self.fill(endpoint.row.query).await);
        }
        let body = match endpoint.row.body {
            "" => None,
            body => Some(self.fill(body).await),
        };
        (path, body)
    }
}

async fn public_token(stack: &Stack) -> String {
    let plaid = Client::new(&stack.ready.plaid_url).unwrap();
    let plaid =
        plaid.with_header("plaid-client-id", "local-client-id").with_header("plaid-secret", "local-secret");
    // A log-in of its own: a second connection to the same accounts is refused.
    let yesterday = jiff::Zoned::now().date().yesterday().unwrap();
    let bread = json!({
        "date_transacted": yesterday, "date_posted": yesterday, "amount": 7, "description": "Bread", "currency": "USD",
    });
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let account = json!({
        "type": "depository", "subtype": "checking", "transactions": [bread, bread],
        "meta": {"name": format!("Account {number}"), "mask": format!("{number:04}")},
    });
    let asked = json!({
        "institution_id": "ins_109508", "initial_products": ["transactions"],
        "options": {
            "override_username": "user_custom",
            "override_password": json!({"override_accounts": [account]}).to_string(),
        },
    });
    let (status, answer) = plaid.post("/sandbox/public_token/create", &asked).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer["public_token"].as_str().unwrap().to_owned()
}

/// A token of the stack's issuer, with what is wrong with it.
pub(crate) async fn token(stack: &Stack, asked: &Value) -> String {
    let (status, answer) = Client::new(&stack.ready.issuer_url).unwrap().post("/token", asked).await.unwrap();
    assert_eq!(status, 200, "{asked}");
    answer["token"].as_str().unwrap().to_owned()
}

pub(crate) fn caller(stack: &Stack, token: &str) -> Client {
    Client::new(&stack.ready.api_url).unwrap().with_token(token)
}
