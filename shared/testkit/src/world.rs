//! The world of a test.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bus::Bus;
use domain::{
    bank::{BankError, Institution, Institutions},
    household::{Households, NewHousehold, Role},
    ids::{HouseholdId, InstitutionId, ItemId, ItemRef},
    item::NewItem,
    link,
    removal::{RemovalMessage, RemovalSteps},
    secret::{AccessToken, CredentialError, CredentialSource, PlaidCredentials, PlaidSecret},
    store::NewConnections,
    sync::{self, Cause, Outcome, SyncReads, Trigger},
    vault::TokenSealer,
};
use edge::system::System;
use emulators::{
    Emulators,
    iam::Policies,
    names::{self, REGION},
};
use jiff::Timestamp;
use plaid_sandbox::Sandbox;
use serde_json::{Value, json};
use store::{Store, Tables};
use template::Template;
use vault::{Opener, Sealer};

use crate::{Aws, FakeQueue, SkippingClock};

/// More calls a minute than any test makes.
const UNBOUNDED: u32 = 1_000_000;

/// Everything there is: alice (owner) and carol (viewer) in one household, bob in another.
pub struct World {
    /// AWS: calls and faults.
    pub aws: Aws,
    /// The store.
    pub store: Arc<Store>,
    /// Seals tokens.
    pub sealer: Arc<Sealer>,
    /// Opens tokens.
    pub opener: Arc<Opener>,
    /// The Plaid client.
    pub plaid: Arc<plaid::Client>,
    /// The Plaid that it talks to.
    pub sandbox: Sandbox,
    /// Where that is.
    pub plaid_url: String,
    /// The queue of syncs.
    pub queue: Arc<FakeQueue>,
    /// The queue of removals.
    pub removals: Arc<FakeQueue<RemovalMessage>>,
    /// The event bus.
    pub bus: Arc<Bus>,
    /// The household of alice and carol.
    pub household: HouseholdId,
    /// The household of bob.
    pub other_household: HouseholdId,
}

pub(crate) struct Keys;

#[async_trait]
impl CredentialSource for Keys {
    async fn credentials(&self) -> Result<PlaidCredentials, CredentialError> {
        Ok(PlaidCredentials { client_id: "id".to_owned(), secret: PlaidSecret::new("secret".to_owned()) })
    }
}

/// A directory of one bank.
struct Banks;

#[async_trait]
impl Institutions for Banks {
    async fn institution(&self, id: &InstitutionId) -> Result<Institution, BankError> {
        Ok(Institution { institution_id: id.clone(), name: "A bank by name".to_owned() })
    }
}

/// The template of this repository.
fn template() -> Template {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("the repository");
    Template::load(&root.join("template.yaml")).expect("the template")
}

impl World {
    /// A new world. History is complete from the start.
    pub async fn new() -> Self {
        Self::with_plaid(Duration::ZERO, Duration::ZERO).await
    }

    /// A new world, with the times until a new item's first and last history.
    pub async fn with_plaid(initial_after: Duration, historical_after: Duration) -> Self {
        let services = Arc::new(Emulators::open(REGION, None).await.expect("emulators"));
        let template = template();
        for table in template.tables() {
            services.create_table(&table.id, &table.definition, table.ttl.as_deref()).await.expect("a table");
        }
        let key = services.key_arn();
        let functions = template.functions().expect("functions");
        let policies = Policies::new(&functions, &names::known(&template, "")).expect("policies");
        let aws = Aws::new(services, Arc::new(policies));
        let sdk = aws_config(&aws);
        let tables = Tables { data: "DataTable".to_owned(), guards: "GuardsTable".to_owned() };
        let store = Arc::new(Store::new(&sdk, tables));
        let config = plaid_sandbox::Config {
            client_id: "id".to_owned(),
            secret: "secret".to_owned(),
            initial_after,
            historical_after,
            time_scale: 1,
            seed: 7,
            file: None,
            clock: Arc::new(System),
        };
        let sandbox = Sandbox::open(config).expect("a sandbox");
        let plaid_url = listen(&sandbox).await;
        let plaid = plaid::Client::new(&plaid_url, Arc::new(Keys)).expect("a client");
        let world = Self {
            aws,
            store,
            sealer: Arc::new(Sealer::new(&sdk, key.clone())),
            opener: Arc::new(Opener::new(&sdk, key)),
            plaid: Arc::new(plaid),
            sandbox,
            plaid_url,
            queue: Arc::default(),
            removals: Arc::default(),
            bus: Arc::new(Bus::new(&sdk, "EventBus".to_owned())),
            household: HouseholdId::from_entropy([1; 10]),
            other_household: HouseholdId::from_entropy([2; 10]),
        };
        world.add_households().await;
        world.aws.take_calls();
        world.aws.take_write_units();
        world
    }

    async fn add_households(&self) {
        let seeds = [
            (&self.household, vec![("alice", Role::Owner), ("carol", Role::Viewer)]),
            (&self.other_household, vec![("bob", Role::Owner)]),
        ];
        for (id, members) in seeds {
            let members =
                members.into_iter().map(|(user, role)| (user.parse().expect("a user"), role)).collect();
            let new = NewHousehold {
                id: id.clone(),
                name: "A household".parse().expect("a name"),
                members,
                at: Timestamp::now(),
            };
            self.store.create(&new).await.expect("a household");
        }
    }

    /// What a run of the sync needs.
    pub fn sync(&self) -> sync::Deps {
        sync::Deps {
            feed: self.plaid.clone(),
            accounts: self.plaid.clone(),
            vault: self.opener.clone(),
            reads: self.store.clone(),
            writes: self.store.clone(),
            clock: Arc::new(System),
            random: Arc::new(System),
            events: self.bus.clone(),
            admissions: self.store.clone(),
            announcements: self.store.clone(),
            webhooks: None,
            budgets: Arc::new(sync::Budgets::new(UNBOUNDED, UNBOUNDED)),
            limits: sync::Limits::default(),
        }
    }

    /// What linking needs; banks have a name, and waits pass at once.
    pub fn link(&self) -> link::Deps {
        link::Deps {
            connections: self.store.clone(),
            admissions: self.store.clone(),
            intents: self.store.clone(),
            items: self.store.clone(),
            reads: self.store.clone(),
            vault: self.sealer.clone(),
            bank: self.plaid.clone(),
            accounts: self.plaid.clone(),
            institutions: Arc::new(Banks),
            webhooks: None,
            queue: self.queue.clone(),
            removals: self.removals.clone(),
            clock: Arc::new(SkippingClock::default()),
            random: Arc::new(System),
        }
    }

    /// Runs a sync of an item, and gives how it ended.
    pub async fn run(&self, at: &ItemRef, cause: Cause) -> Outcome {
        let trigger =
            Trigger { at: at.clone(), want: None, cause, deadline: Timestamp::MAX, fresh_within: None };
        sync::sync(&self.sync(), &trigger).await.expect("a run")
    }

    /// Turns an item that is on its way out into its tombstone, without Plaid.
    pub async fn bury(&self, at: &ItemRef) {
        let state = self.store.state(at).await.expect("a read").expect("an item");
        self.store.bury(&state, Timestamp::now()).await.expect("a tombstone");
    }

    /// Calls Plaid as an operator would, without the client.
    pub async fn call_plaid(&self, path: &str, request: &Value) -> Value {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // A plain HTTP/1.0 exchange: the testkit needs no second client for it.
        let address = self.plaid_url.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("the sandbox");
        let body = request.to_string();
        let head = format!(
            "POST {path} HTTP/1.0\r\nplaid-client-id: id\r\nplaid-secret: secret\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    }

    /// A public token for a log-in with two years of history.
    pub async fn public_token(&self, username: &str, password: &str) -> String {
        let request = json!({
            "institution_id": "ins_109508", "initial_products": ["transactions"],
            "options": {
                "override_username": username, "override_password": password,
                "transactions": {"days_requested": 730},
            },
        });
        let answer = self.call_plaid("/sandbox/public_token/create", &request).await;
        answer["public_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// A stored item of alice's household that has not been synced, with its access token.
    pub async fn item(&self, username: &str, password: &str) -> (ItemRef, AccessToken) {
        let public_token = self.public_token(username, password).await;
        let exchanged =
            self.call_plaid("/item/public_token/exchange", &json!({"public_token": public_token})).await;
        let text = |name: &str| exchanged[name].as_str().expect("a text").to_owned();
        let token = AccessToken::new(text("access_token"));
        let plaid_item: domain::ids::PlaidItemId = text("item_id").parse().expect("an id");
        let mut entropy = [0; 10];
        entropy.iter_mut().zip(plaid_item.as_str().bytes()).for_each(|(to, from)| *to = from);
        let at = ItemRef { household: self.household.clone(), item: ItemId::from_entropy(entropy) };
        let sealed = self.sealer.seal(&at, &token).await.expect("a sealed token");
        let new = NewItem {
            at: at.clone(),
            user: "alice".parse().expect("a user"),
            plaid_item,
            institution: None,
            institution_name: None,
            token: sealed,
            at_time: Timestamp::now(),
            awaits_admission: false,
        };
        self.store.add(&new).await.expect("an item");
        self.aws.take_calls();
        self.aws.take_write_units();
        (at, token)
    }
}

fn aws_config(aws: &Aws) -> aws::SdkConfig {
    let read = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://aws.invalid".to_owned()),
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some(REGION.to_owned()),
        _ => None,
    };
    let settings = aws::Settings::from_env(read).expect("settings");
    let config = aws::sdk_config(settings).expect("a configuration");
    config.into_builder().http_client(aws.http_client()).build()
}

async fn listen(sandbox: &Sandbox) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = sandbox.router();
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await.expect("the sandbox serves") });
    url
}
