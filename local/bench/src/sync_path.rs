//! The sync path alone: CPU time of its thread, with Plaid's answers recorded and the database elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    admission::OneEach,
    event::Nobody,
    household::{Households, NewHousehold, Role},
    ids::{HouseholdId, ItemId, ItemRef, UserId},
    item::NewItem,
    secret::{AccessToken, SealedToken},
    store::NewConnections,
    sync::{Announcements, Budgets, Cause, Deps, Limits, SyncReads, SyncWrites, Trigger, sync},
    vault::{TokenOpener, VaultError},
};
use edge::system::System;
use jiff::Timestamp;
use store::{Store, Tables};

use crate::{
    Outcome, cpu,
    database::Elsewhere,
    memory::Memory,
    recorded::{NoKeys, Recorded},
};

/// What we aim at.
const AIM: f64 = 25_000.0;
const TABLE: &str = "DataTable";
const UNBOUNDED: u32 = 1_000_000;

struct Plain;

#[async_trait]
impl TokenOpener for Plain {
    async fn open(&self, _: &ItemRef, sealed: &SealedToken) -> Result<AccessToken, VaultError> {
        Ok(AccessToken::new(String::from_utf8_lossy(&sealed.0).into_owned()))
    }
}

fn store() -> Result<Store, Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("the repository")?;
    let template = template::Template::load(&root.join("template.yaml"))?;
    let mut tables: Vec<_> = template.tables().into_iter().filter(|table| table.id == TABLE).collect();
    let definitions: Vec<_> = tables
        .drain(..)
        .map(|table| {
            let mut definition = table.definition;
            definition["TableName"] = TABLE.into();
            definition
        })
        .collect();
    let read = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://aws.invalid".to_owned()),
        _ => Some("us-east-1".to_owned()).filter(|_| name != "WUMBO_TLS_ROOTS"),
    };
    let sdk = aws::sdk_config(aws::Settings::from_env(read)?)?;
    let sdk = sdk.into_builder().http_client(Elsewhere::start(&definitions)?).build();
    Ok(Store::new(&sdk, Tables { data: TABLE.to_owned(), ..Tables::default() }))
}

pub(crate) async fn measure() -> Outcome {
    println!("transactions a CPU second of the sync's own thread (aim {AIM})");
    for count in [5_000_u32, 20_000, 100_000] {
        let (recorded, token) = Recorded::new(count)?;
        let bytes = recorded.bytes / 1024 / 1024;
        let recorded = Arc::new(recorded);
        let store = Arc::new(store()?);
        let at = connect(&store, &token).await?;
        let state = store.state(&at).await?.ok_or("an item")?;
        let memory = Arc::new(Memory::new(state));
        let alone = run(&recorded, memory.clone(), &at, count).await?;
        if memory.len() != usize::try_from(count)? {
            return Err(format!("{} of {count} rows", memory.len()).into());
        }
        let with_store = run(&recorded, store, &at, count).await?;
        let peak = cpu::peak_mb("self").unwrap_or_default();
        println!(
            "{count:>7} ({bytes} MB): parse, fold, diff {alone:>8.0} ({:.1} × the aim); with encode and SDK {with_store:>8.0} \
             ({:.1} × the aim); process so far {peak:.0} MB with Plaid's answers and the database",
            alone / AIM,
            with_store / AIM
        );
    }
    Ok(())
}

async fn run<P: SyncReads + SyncWrites + Announcements + 'static>(
    recorded: &Arc<Recorded>,
    port: Arc<P>,
    at: &ItemRef,
    count: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    let plaid = Arc::new(plaid::Client::over(recorded.clone(), Arc::new(NoKeys)));
    let deps = Deps {
        feed: plaid.clone(),
        accounts: plaid,
        vault: Arc::new(Plain),
        reads: port.clone(),
        writes: port.clone(),
        clock: Arc::new(System),
        random: Arc::new(System),
        events: Arc::new(Nobody),
        admissions: Arc::new(OneEach),
        announcements: port,
        webhooks: None,
        budgets: Arc::new(Budgets::new(UNBOUNDED, UNBOUNDED)),
        limits: Limits::default(),
    };
    let trigger = Trigger {
        at: at.clone(),
        want: Some(1),
        cause: Cause::Link,
        deadline: Timestamp::MAX,
        fresh_within: None,
    };
    let before = cpu::thread();
    sync(&deps, &trigger).await?;
    Ok(f64::from(count) / cpu::thread().saturating_sub(before).as_secs_f64())
}

async fn connect(store: &Store, token: &str) -> Result<ItemRef, Box<dyn std::error::Error>> {
    let at = ItemRef { household: HouseholdId::from_entropy([1; 10]), item: ItemId::from_entropy([2; 10]) };
    let user: UserId = "anna".parse()?;
    let now = Timestamp::now();
    let household = NewHousehold {
        id: at.household.clone(),
        name: "A household".parse()?,
        members: vec![(user.clone(), Role::Owner)],
        at: now,
    };
    store.create(&household).await?;
    let item = NewItem {
        at: at.clone(),
        user,
        plaid_item: "item".parse()?,
        institution: None,
        institution_name: None,
        token: SealedToken(token.as_bytes().to_vec()),
        at_time: now,
        awaits_admission: false,
    };
    store.add(&item).await?;
    Ok(at)
}
